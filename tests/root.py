"""Tests that only root can run."""

import os

import pytest


def need_root() -> None:
    """At home such a test is left out; where nothing may be missing, it fails."""
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("only root can run this")
