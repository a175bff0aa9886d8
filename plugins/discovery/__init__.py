"""Found on the network without an app: ``everpx.local``, DNS-SD and Windows' Network.  See README.md."""
