"""Pages: activity."""
