"""What happens to a station at home, done to one in a virtual machine.  docs/image.md names each by its number."""
