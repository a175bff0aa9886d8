"""Every table of the core in one import: what Alembic and a test need to see the whole schema."""

from appliance import events, plugin, settings
from appliance.backup import models as backup
from appliance.db import Base
from appliance.drives import models as drives
from appliance.health import models as health
from appliance.jobs import models as jobs
from appliance.library import models as library
from appliance.library.albums import models as albums
from appliance.people import models as people
from appliance.people import recovery_card
from appliance.phones import models as phones

__all__ = [
    "Base",
    "albums",
    "backup",
    "drives",
    "events",
    "health",
    "jobs",
    "library",
    "people",
    "phones",
    "plugin",
    "recovery_card",
    "settings",
]


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """For Alembic: whether a table is described by models; the search's own tables are SQLite's business."""
    return kind != "table" or not (name or "").startswith(("media_search", "media_vocabulary"))
