"""Pages: wizard."""
