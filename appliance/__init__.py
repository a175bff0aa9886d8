"""The core of Everpx: what the box *is*.  Knows neither Flask nor any plugin."""

VERSION = "0.1.0"
