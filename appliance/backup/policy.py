"""What a family may decide about its copies."""

from appliance.settings import Setting
from appliance.words import N_

BRAKE_SHARE = Setting(
    "backup.brake_share",
    25,
    N_("Ask before copying when this much changed or vanished"),
    help=N_("A run stops and asks when more than this share of the files changed or is gone."),
    minimum=1,
    maximum=100,
    unit="%",
)
BRAKE_FILES = Setting(
    "backup.brake_files",
    200,
    N_("… and at least this many files"),
    help=N_("Fewer files than this never stop a run, so that tidying up a small folder does not."),
    minimum=1,
)
KEEP_DAYS = Setting(
    "backup.keep_days",
    365,
    N_("Keep older versions for"),
    help=N_("Files that were replaced or deleted stay on the backup drive at least this long, if there is room."),
    minimum=1,
    unit=N_("days"),
)
KEEP_SHARE = Setting(
    "backup.keep_share",
    30,
    N_("Older versions may fill"),
    help=N_("The oldest ones go first when they need more of the backup drive than this."),
    minimum=1,
    maximum=90,
    unit="%",
)
SCRUB_DAYS = Setting(
    "backup.scrub_days",
    90,
    N_("Read every copy again within"),
    help=N_("A copy that nobody reads may go bad unnoticed. Every file is read and compared at least this often."),
    minimum=7,
    maximum=730,
    unit=N_("days"),
)
OVERDUE_DAYS = Setting(
    "backup.overdue_days",
    14,
    N_("Warn when a copy is older than"),
    minimum=1,
    unit=N_("days"),
)
DRILL_DAYS = Setting(
    "backup.drill_days",
    31,
    N_("Practise a restore every"),
    help=N_("A few files are brought back from the backup drive and compared, to prove that it works."),
    minimum=1,
    unit=N_("days"),
)
