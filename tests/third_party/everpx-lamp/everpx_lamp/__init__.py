"""A status lamp and a relay: the box's own light, and a KMTronic relay in the network that switches a drive."""
