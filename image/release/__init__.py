"""The publisher's side of upgrades: making keys, changing them, signing what stations read (``appliance.upgrade``)."""
