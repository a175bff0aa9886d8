"""Who looks at the console's pages in tests: a browser without JavaScript, on the real application."""

import re
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.callers import PASSWORD

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    """One browser; ``csrf`` is the token that its pages carry."""

    def __init__(self, app: Flask, name: str = "", password: str = PASSWORD) -> None:
        self.client = app.test_client()
        self.csrf = ""
        self._read_token("/sign-in")
        if name:
            answer = self.post("/sign-in", name=name, password=password)
            assert answer.status_code == 303, answer.text
            self._read_token("/account")
        cookie = self.client.get_cookie("everpx")
        self._cookie = cookie.value if cookie else ""

    def _read_token(self, page: str) -> None:
        found = TOKEN.search(self.client.get(page).text)
        self.csrf = found[1] if found else ""

    def again(self) -> None:
        """Be signed in as at first, whatever an answer has done to the cookie since."""
        self.client.set_cookie("everpx", self._cookie, samesite="Strict")

    def get(self, path: str, **more: Any) -> TestResponse:
        """Open a page."""
        return self.client.get(path, **more)

    def post(self, path: str, /, **form: Any) -> TestResponse:
        """Send a form of ours."""
        return self.client.post(path, data={"csrf_token": self.csrf} | form)

    def follow(self, answer: TestResponse) -> str:
        """The text of the page that an answer leads to."""
        assert answer.status_code in (302, 303), answer.text
        return self.client.get(answer.headers["Location"]).text
