"""The browser floor: a running station, looked at with Chromium."""
