"""Pages: backup."""
