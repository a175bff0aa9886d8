"""The safe line (https): how a device comes to trust this station, and when the console leads there by itself."""
