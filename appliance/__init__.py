"""The core of Everpx: what the box *is*.  Knows neither Flask nor any plugin."""

VERSION = "0.1.0"
BUILT = "2026-11-22"  # a clock that shows an earlier day is wrong; stamped by each release
