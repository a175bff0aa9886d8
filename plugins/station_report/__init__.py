"""Station report: temperature, memory and uptime of the box.  Also the example that docs/plugins.md walks through."""
