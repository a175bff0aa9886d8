"""The core of Everpx: what the box *is*.  Knows neither Flask nor any plugin."""

from appliance.later import put_off

put_off("inspect")  # before anything here imports dataclasses

VERSION = "0.1.0"
BUILT = "2026-11-22"  # a clock that shows an earlier day is wrong; stamped by each release
