"""Endpoints under ``/api/v1`` that are not JSON in, JSON out, and so are described by hand."""

from typing import Any

FOREIGN: dict[str, dict[str, Any]] = {}
