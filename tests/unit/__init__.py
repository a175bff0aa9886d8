"""The unit floor: no root, no network; a real SQLite file."""
