"""Albums and what of them is shown to whom."""
