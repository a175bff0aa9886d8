"""What a station believes of upgrades: who may announce one, who may make one, and never an older one.

Trust code: values in, values out.  It opens no file, asks no network and reads no clock, and root's side imports it, so
that a hostile console has nothing to say here; what it brings are documents that prove themselves.  docs/release.md
tells the publisher's side.
"""
