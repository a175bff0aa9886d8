"""The health page of a running console, as an admin's browser reads it: over HTTP, without JavaScript."""

import html
import http.client
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy import select
from werkzeug.serving import make_server

from appliance import identity
from appliance.broker.client import Broker
from appliance.db import Database
from appliance.health import service as health
from appliance.health.models import Issue
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role, User
from appliance.places import Places
from console.app import create_app
from console.translate import say
from tests.callers import PASSWORD

NAME = "Hedda"  # of no other test's family
CARD = re.compile(r'<section class="card repair[^"]*" id="issue-(\d+)">(.*?)</section>', re.S)
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
PAGE = "/system/health"


@dataclass(frozen=True)
class Card:
    """A finding as the page shows it."""

    code: str
    issue: Issue
    markup: str

    @property
    def button(self) -> str:
        """Where its form leads, "" when it has none."""
        return f"{PAGE}/{self.issue.id}/fix" if f'action="{PAGE}/{self.issue.id}/fix"' in self.markup else ""

    @property
    def guide(self) -> str:
        """Where its steps are, "" when it has none."""
        found = re.search(rf'href="({PAGE}/guides/[^"]+)"', self.markup)
        return found[1] if found else ""


class HealthPage:
    """``looks`` brings the findings up to date, as the worker would: the full look unless a test says otherwise."""

    def __init__(self, db: Database, places: Places, broker: Broker) -> None:
        self.db, self.places, self.broker = db, places, broker
        identity.create(places)
        with db.writing() as session:
            if session.scalar(select(User.id).where(User.name == NAME)) is None:
                people.add(session, By(), name=NAME, password=PASSWORD, role=Role.ADMIN)
        self.app = create_app(places, broker)
        self.server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        self.cookies: dict[str, str] = {}
        self.seen: set[str] = set()
        self.cleared: set[str] = set()
        self.looks: Callable[[], object] = lambda: health.run_all(db, broker, places)
        token = self._token("/sign-in")
        status, _ = self.ask("POST", "/sign-in", {"name": NAME, "password": PASSWORD, "csrf_token": token})
        assert status == 303, status

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text; cookies are kept as a browser keeps them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, urlencode(form) if form else None, headers)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def _token(self, path: str = PAGE) -> str:
        found = TOKEN.search(self.ask("GET", path)[1])
        assert found, path
        return html.unescape(found[1])

    def look(self) -> dict[str, Card]:
        """Every finding by its code, after a look; each is explained and has a button, or steps that lead somewhere."""
        self.looks()
        status, text = self.ask("GET", PAGE)
        assert status == 200, text
        with self.db.reading() as session:
            rows = {row.id: row for row in session.scalars(select(Issue))}
        cards = [Card(rows[int(number)].code, rows[int(number)], markup) for number, markup in CARD.findall(text)]
        assert len(cards) == len(rows), "every open finding is on the page"
        for card in cards:
            self._is_whole(card)
        here = {card.code for card in cards}
        self.cleared |= self.seen - here
        self.cleared -= here
        self.seen |= here
        return {card.code: card for card in cards}

    def _is_whole(self, card: Card) -> None:
        with self.app.test_request_context():
            for words in (card.issue.message, card.issue.hint):
                said = say(words)
                assert (
                    said and html.escape(said, quote=False).replace('"', "&#34;").replace("'", "&#39;") in card.markup
                )
        assert card.button or card.guide, card.code
        if card.guide:
            status, text = self.ask("GET", card.guide)
            assert status == 200 and text.count("<li>") >= 2, card.guide
            for page in re.findall(r'<a class="button" href="([^"]+)"', text):
                assert self.ask("GET", page)[0] == 200, page

    def sees(self, code: str) -> Card:
        """Look; the finding is there."""
        cards = self.look()
        assert code in cards, f"{code} is not among {sorted(cards)}"
        return cards[code]

    def no_longer(self, *codes: str) -> None:
        """Look; these were there and are gone."""
        cards = self.look()
        assert not set(codes) & set(cards), {code: str(cards[code].issue.message) for code in codes if code in cards}
        assert set(codes) <= self.cleared

    def press(self, card: Card) -> str:
        """Press its button; what the page then says."""
        status, _ = self.ask("POST", card.button, {"csrf_token": self._token()})
        assert status == 303, status
        return self.ask("GET", PAGE)[1]

    def close(self) -> None:
        """The console ends."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.app.extensions["everpx"].db.close()
