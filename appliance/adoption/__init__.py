"""A new box and the drives of an earlier station: taking its place, or beginning anew with what is on them."""
