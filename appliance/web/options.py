"""What an admin decides about the front door."""

from appliance.settings import Setting
from appliance.words import N_

ONLY = Setting(
    "web.only_https",
    False,
    N_("Only the safe line"),
    help=N_(
        "The console then answers by https alone, and sends everybody there. Turn it on when every device of the "
        "family has this station's certificate; the page “A safe line” stays open for new ones."
    ),
)
HOST_NAMES = Setting(
    "console.host_names",
    "",
    N_("Names of this station"),
    help=N_("Names, apart from its addresses and names ending in .local, under which the console may be opened."),
)
