"""Albums, who they are shared with, links for guests, and saved filters."""
