"""Pages: api."""
