"""The plugins that come with Everpx, one folder each; see docs/plugins.md."""
