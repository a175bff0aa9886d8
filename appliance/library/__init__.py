"""The library: how files arrive on HOT, what is known of them, and how a family looks at them."""
