"""Who calls the REST API in tests."""

from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.people.models import User

PASSWORD = "four quiet red bicycles"


@dataclass
class Caller:
    """Somebody with an API token."""

    client: FlaskClient
    user: User
    token: str

    def __call__(self, method: str, path: str, body: object = None, **more: Any) -> TestResponse:
        """Call ``/api/v1`` + path with a JSON body."""
        given = {} if body is None else {"json": body}
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **given, **more)
