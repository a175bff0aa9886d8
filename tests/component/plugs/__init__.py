"""A home's network of its own, and smart plugs in it that speak the real protocols over real sockets."""
