"""Drives that explain themselves: a page of photos, a sheet to read first, and a list of hashes, on every drive.

No server and no Everpx is needed to use them.  What lies where is told in docs/drive-format.md.
"""
