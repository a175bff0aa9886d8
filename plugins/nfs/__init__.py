"""Folders for Linux computers and media players (NFS), for listed devices only.  See README.md."""
