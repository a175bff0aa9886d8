"""``python -m appliance.web``: bring nginx in step with the drives, ahead of each of its starts."""

from appliance.places import places
from appliance.web.service import refresh

if __name__ == "__main__":
    refresh(places())
