"""Root's protocol: what is understood, and what is refused before any verb runs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.broker import protocol
from appliance.broker.client import SocketBroker
from appliance.broker.daemon import answer_for
from appliance.errors import BrokerUnavailable, Conflict

CALLS: list[object] = []


@dataclass(frozen=True)
class Switch:
    """A request as a privileged.py declares it."""

    drive: str
    on: bool
    seconds: int = 5
    note: str | None = None
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.drive.isalnum():
            raise ValueError("that is no drive")


@pytest.fixture(autouse=True)
def _verbs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(protocol, "VERBS", {})
    CALLS.clear()

    @protocol.verb("test.switch")
    def switch(request: Switch) -> dict[str, object]:
        CALLS.append(request)
        if request.drive == "busy":
            raise Conflict()
        return {"on": request.on}

    yield


def ask(request: object, verb: object = "test.switch") -> dict[str, object]:
    return answer_for(json.dumps({"verb": verb, "request": request}).encode())


def test_a_good_request_runs_with_its_defaults() -> None:
    assert ask({"drive": "sdb", "on": True}) == {"ok": {"on": True}}
    (request,) = CALLS
    assert request == Switch("sdb", True)


def test_an_expected_failure_keeps_its_code_and_hint() -> None:
    answer = ask({"drive": "busy", "on": True})
    assert answer["error"] == "conflict" and answer["hint"]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"drive": "sdb"}, "a field is missing"),
        ({}, "a field is missing"),
        ({"drive": "sdb", "on": True, "path": "/etc"}, "unknown field path"),
        ({"drive": "sdb", "on": 1}, "wrong kind of value in on"),
        ({"drive": "sdb", "on": None}, "wrong kind of value in on"),
        ({"drive": ["sdb"], "on": True}, "wrong kind of value in drive"),
        ({"drive": "sdb", "on": True, "seconds": 5.0}, "wrong kind of value in seconds"),
        ({"drive": "sdb", "on": True, "seconds": True}, "wrong kind of value in seconds"),
        ({"drive": "sdb", "on": True, "seconds": "5"}, "wrong kind of value in seconds"),
        ({"drive": "sdb", "on": True, "note": {}}, "wrong kind of value in note"),
        ({"drive": "../etc", "on": True}, "that is no drive"),
        ([], "not an object"),
        ("sdb", "not an object"),
        (None, "not an object"),
    ],
)
def test_a_wrong_request_is_refused_before_the_verb(request_: object, why: str) -> None:
    answer = ask(request_)
    assert answer["error"] == "bad_request" and why in str(answer["message"])
    assert CALLS == []


@pytest.mark.parametrize("verb", ["test.other", "", "switch", "__class__", None, 7, ["test.switch"], {"a": 1}])
def test_an_unknown_verb_is_refused(verb: object) -> None:
    assert ask({"drive": "sdb", "on": True}, verb)["error"] == "bad_request"


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{", b"[]", b"null", b"\xff\xfe", b'{"verb": "test.switch"}', b"[" * 60_000]
)
def test_what_is_no_frame_is_refused(line: bytes) -> None:
    assert answer_for(line)["error"] == "bad_request"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_arrives_the_answer_is_a_refusal(body: object) -> None:
    for frame in (body, {"verb": "test.switch", "request": body}, {"verb": body, "request": {}}):
        assert answer_for(json.dumps(frame).encode())["error"] == "bad_request"
    assert CALLS == []


def test_two_verbs_of_one_name_and_a_request_without_a_class_are_mistakes() -> None:
    with pytest.raises(ValueError, match="two verbs"):

        @protocol.verb("test.switch")
        def again(request: Switch) -> dict[str, object]:
            return {}

    with pytest.raises(TypeError, match="dataclass"):

        @protocol.verb("test.text")
        def text(request: str) -> dict[str, object]:
            return {}


def test_a_root_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable):
        SocketBroker(tmp_path / "none.sock")("test.switch", {})


def privileged_modules() -> list[str]:
    """Every module of verbs: the core's and the plugins'."""
    house = Path(protocol.__file__).parents[2]
    found = [*(house / "appliance").rglob("privileged.py"), *(house / "plugins").rglob("privileged.py")]
    return [".".join(path.relative_to(house).with_suffix("").parts) for path in found]


@pytest.mark.parametrize("module", ["appliance.broker.daemon", *privileged_modules()])
def test_verbs_import_no_web_and_no_database(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "refused = {'flask', 'sqlalchemy', 'werkzeug', 'alembic', 'pluggy', 'jinja2', 'PIL', 'pydantic'}\n"
        "ours = {'appliance.db', 'appliance.jobs', 'appliance.library', 'appliance.people', 'appliance.settings'}\n"
        "mine = lambda name: any(name == one or name.startswith(one + '.') for one in ours)\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in refused or mine(name)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"


def test_a_list_of_facts_is_checked_item_by_item() -> None:
    @dataclass(frozen=True)
    class Item:
        name: str

        def __post_init__(self) -> None:
            if self.name == "bad":
                raise ValueError("this name is bad")

    @dataclass(frozen=True)
    class Items:
        items: tuple[Item, ...] = ()
        words: tuple[str, ...] = ()

    Items.__annotations__ = {"items": tuple[Item, ...], "words": tuple[str, ...]}
    built = protocol.build(Items, {"items": [{"name": "a"}, {"name": "b"}], "words": ["x"]})
    assert built == Items((Item("a"), Item("b")), ("x",))
    bad_items = [[{"name": "bad"}], [{"nome": "a"}], [["a"]], {"name": "a"}, "a"]
    for wrong in [{"items": items} for items in bad_items] + [{"words": words} for words in ([1], [["x"]], "x")]:
        with pytest.raises(protocol.BadRequest):
            protocol.build(Items, wrong)
