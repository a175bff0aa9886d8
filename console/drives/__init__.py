"""Pages: drives."""
