"""Pages: system."""
