"""The web app on a phone: what is installed, and the page that sends photos."""
