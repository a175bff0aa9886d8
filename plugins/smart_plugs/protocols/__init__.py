"""How each kind of plug is spoken to.  Runs in a short process of its own; imports no database and no web."""
