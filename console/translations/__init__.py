"""The words of Everpx in other languages: one catalogue per language, kept complete by a test."""
