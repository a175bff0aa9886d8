"""Files: folders of the drives, the bin, and ZIPs."""

from console.files import bin_pages, changes, views
from console.files.places import blueprint

__all__ = ["bin_pages", "blueprint", "changes", "views"]
