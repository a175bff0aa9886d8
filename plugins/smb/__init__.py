"""Folders of the family on Windows, Mac and phones, by Samba."""
