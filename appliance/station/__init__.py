"""Running a whole station from one command, without systemd: ``python -m appliance.station --data DIR``.

The same processes as on the image, as the same users, with loop devices as USB drives where there is root and plain
folders where there is not.  Used by ``run-station.sh``, by tests and by benchmarks.

The launcher itself stays small: it makes folders, attaches drives, starts processes and watches them.  It imports no
database and no web code, because it may run as root.
"""
