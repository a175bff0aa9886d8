"""Drives: what is plugged in, what was handed over, how each is mounted, powered and kept healthy."""
