"""The REST API: everything the console can do, as JSON.  Read ``routes`` first."""
