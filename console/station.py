"""The station as views see it: its database, its way to root, its places."""

from dataclasses import dataclass

from flask import current_app

from appliance.broker.client import Broker
from appliance.db import Database
from appliance.identity import Identity
from appliance.places import Places


@dataclass(frozen=True)
class Station:
    """What every view needs; one per application."""

    db: Database
    broker: Broker
    places: Places
    identity: Identity


def station() -> Station:
    """The station of the current application."""
    found: Station = current_app.extensions["everpx"]
    return found
