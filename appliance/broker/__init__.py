"""Root's side of the station: a closed list of typed verbs over one Unix socket.

``protocol``  how a request looks and how a verb is declared (imported by every ``privileged.py``)
``client``    what services call
``daemon``    the process that runs as root; it loads only ``privileged.py`` files
"""
