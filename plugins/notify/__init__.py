"""Messages: tells the family by e-mail, push or webhook what needs them, and writes a letter once a month."""
