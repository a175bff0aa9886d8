"""Bringing photos in from elsewhere: a camera's card, a stick, another NAS, a folder, what Google or Apple hand out."""
