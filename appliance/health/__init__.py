"""Health: find, explain, offer a fix.  Unknown is shown as unknown, never as healthy."""
