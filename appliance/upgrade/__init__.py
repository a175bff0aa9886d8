"""Upgrades from the station's root side: whom it believes, what it starts next, and what became of it.

``documents keys refusals state trust`` are trust code: values in, values out.  They open no file, ask no network and
read no clock, and root's side imports them, so that a hostile console has nothing to say here; what it brings are
documents that prove themselves.  docs/release.md tells the publisher's side.

``attempt`` is the record of the last attempt, which root writes and everybody may read; ``loaders`` and ``boot`` decide
what starts next, and ``backend`` is RAUC's way to them.  ``settle`` is the first of ours at each start, ``before`` the
database as it was before a trial, ``judge`` the verdict, and ``trial`` says to everybody else whether there is one.
"""
