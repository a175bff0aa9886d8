"""Smart plugs: they switch COLD drives on before a copy and off after it, and measure what that costs."""
