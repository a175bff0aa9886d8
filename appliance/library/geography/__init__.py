"""Where on earth: the nearest town of a place, without any network."""
