"""The front door: our own nginx, rendered from what is mounted, in front of the console's Unix socket."""
