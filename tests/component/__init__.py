"""The component floor: the real programs on throw-away state."""
