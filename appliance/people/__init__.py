"""Users, passwords, sign-ins: who may use this station."""
