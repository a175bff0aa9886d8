"""The console: Flask + htmx pages and the REST API.  It knows the core; the core does not know it."""
