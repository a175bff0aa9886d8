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

__all__ = ["Base", "albums", "backup", "drives", "events", "health", "jobs", "library", "people", "plugin", "settings"]
