"""Placeholder until its author replaces this file."""

from flask import Blueprint

blueprint = Blueprint("tus", __name__)
