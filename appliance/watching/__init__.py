"""Files that come, change or go on a HOT drive without passing through the console: over SMB or NFS, by a computer.

``store``       what changed and nobody has looked at yet; bounded
``marks``       the kernel tells of a whole filesystem (fanotify): one mark, however many folders
``folders``     the kernel tells of single folders (inotify): for filesystems that it cannot tell of as a whole
``eyes``        root's thread that listens and keeps the store
``privileged``  the verb that hands out what has news
``catch_up``    the process that brings the rows in step, as long as there is news

What is told is a reason to look, never the fact itself, and what was not told is found by the walk over the drives.
"""
