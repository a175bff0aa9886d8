"""The people of a station: users, passwords, sign-ins, tokens."""
