"""Phones: what each of them ever chose, what became of it, and what of it is safe by now."""
