"""Passwords, sign-ins, tokens, and how guessing is slowed down."""

import time
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from appliance.db import Database, now
from appliance.errors import Invalid, NotFound
from appliance.people import passwords, service, sign_ins, throttle, tokens
from appliance.people.audit import By
from appliance.people.models import ApiToken, Role, SignIn, Throttle, User
from appliance.people.throttle import TooManyGuesses

GOOD = "four quiet red bicycles"
HERE, THERE = "192.168.1.7", "10.0.0.9"


@pytest.fixture
def anna(db: Database, quick_passwords: None) -> User:
    with db.writing() as session:
        return service.add(session, By(), name="Anna", password=GOOD, role=Role.ADMIN)


def enter(db: Database, name: str = "Anna", password: str = GOOD, address: str = HERE) -> str:
    with db.writing() as session:
        return sign_ins.sign_in(session, name, password, address, "Firefox")[1]


def guess(db: Database, times: int, name: str = "Anna", address: str = THERE) -> list[type[Exception]]:
    raised: list[type[Exception]] = []
    for _ in range(times):
        try:
            enter(db, name, "wrong", address)
        except (sign_ins.SignInFailed, TooManyGuesses) as error:
            raised.append(type(error))
    return raised


def test_each_sign_in_gets_a_new_token_of_which_only_the_hash_is_kept(db: Database, anna: User) -> None:
    first, second = enter(db), enter(db)
    assert first != second and len(first) >= 43
    with db.reading() as session:
        assert {first, second}.isdisjoint(session.scalars(select(SignIn.token_hash)))
        found = sign_ins.who(session, first)
        assert found and found[0].id == anna.id
        assert sign_ins.who(session, first[:-1]) is None
        assert sign_ins.who(session, "") is None
        assert sign_ins.who(session, "\ud800\x00") is None


@pytest.mark.parametrize("column", ["last_seen", "created"])
def test_a_sign_in_ends_when_idle_and_when_old(db: Database, anna: User, column: str) -> None:
    token = enter(db)
    limit = {"last_seen": sign_ins.IDLE, "created": sign_ins.LONGEST}[column]
    for age, good in ((limit - timedelta(minutes=1), True), (limit + timedelta(minutes=1), False)):
        with db.writing() as session:
            session.execute(update(SignIn).values(**{column: now() - age}))
        with db.reading() as session:
            assert (sign_ins.who(session, token) is not None) == good
    enter(db)
    with db.reading() as session:
        assert len(sign_ins.listing(session, anna.id)) == 1


def test_last_use_is_written_every_five_minutes_at_most(db: Database, anna: User) -> None:
    token = enter(db)
    with db.writing() as session:
        found = sign_ins.who(session, token)
        assert found and not sign_ins.is_stale(found[1])
        found[1].last_seen = now() - timedelta(minutes=6)
        assert sign_ins.is_stale(found[1])
        sign_ins.touch(session, found[1].id, THERE)
        assert not sign_ins.is_stale(found[1])


def test_sign_ins_are_listed_and_revoked_one_by_one_or_all_others(db: Database, anna: User) -> None:
    kept, *others = [enter(db) for _ in range(4)]
    with db.writing() as session:
        keep = sign_ins.who(session, kept)
        one = sign_ins.who(session, others[0])
        assert keep and one
        sign_ins.revoke(session, By(), anna, one[1].id)
        assert sign_ins.revoke_others(session, By(), anna, keep[1].id) == 2
        assert [row.id for row in sign_ins.listing(session, anna.id)] == [keep[1].id]
        ben = service.add(session, By(), name="Ben", password=GOOD)
        with pytest.raises(NotFound):
            sign_ins.revoke(session, By(), ben, keep[1].id)


def test_signing_out_ends_the_token_and_twice_is_no_error(db: Database, anna: User) -> None:
    token = enter(db)
    for _ in range(2):
        with db.writing() as session:
            sign_ins.sign_out(session, token)
            assert sign_ins.who(session, token) is None


def test_names_are_found_in_whatever_way_they_are_typed(db: Database, anna: User) -> None:
    enter(db, "  aNNa ")


def test_hundreds_of_guesses_are_slowed_and_others_come_in(
    db: Database, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = now()
    monkeypatch.setattr(throttle, "now", lambda: moment)  # however slow this machine is
    with db.writing() as session:
        service.add(session, By(), name="Ben", password=GOOD)
    raised = guess(db, 500)
    assert raised.count(sign_ins.SignInFailed) == 5
    enter(db, "Ben", address=HERE)
    enter(db, "Ben", address=THERE)
    again = Database(db.path)  # a restart forgives nothing
    with pytest.raises(TooManyGuesses):
        enter(again, address=HERE)
    again.close()


def test_a_browser_that_was_signed_in_is_not_kept_out_by_guesses_from_elsewhere(db: Database, anna: User) -> None:
    enter(db, address=HERE)
    guess(db, 50)
    enter(db, address=HERE)
    assert guess(db, 50, address=HERE).count(sign_ins.SignInFailed) == 5


def test_one_source_that_tries_many_names_is_slowed(db: Database, anna: User) -> None:
    raised = [guess(db, 1, name=f"somebody {n}")[0] for n in range(40)]
    assert raised.count(sign_ins.SignInFailed) == 20
    enter(db, address=HERE)


def test_a_device_with_many_ipv6_addresses_is_one_source() -> None:
    assert throttle.source("2001:db8::1") == throttle.source("2001:db8::ffff:1")
    assert throttle.source("::ffff:10.0.0.9") == throttle.source("10.0.0.9")
    assert throttle.source("fe80::1%eth0") == throttle.source("fe80::2%eth0")
    assert throttle.source("") == "source:"


def test_a_block_doubles_up_to_a_quarter_of_an_hour_and_then_ends(db: Database, anna: User) -> None:
    blocks = []
    for _ in range(16):
        guess(db, 1)
        with db.writing() as session:
            row = session.get_one(Throttle, f"account:{anna.id}")
            if row.blocked_until:
                blocks.append(round((row.blocked_until - row.last).total_seconds()))
            session.execute(update(Throttle).where(Throttle.blocked_until.is_not(None)).values(blocked_until=now()))
    assert blocks == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900]
    enter(db)
    with db.reading() as session:
        assert session.get(Throttle, f"account:{anna.id}") is None


def test_a_clock_that_was_set_back_does_not_lock_anybody_out(db: Database, anna: User) -> None:
    guess(db, 6)
    with db.writing() as session:
        session.execute(update(Throttle).values(blocked_until=now() + timedelta(days=9000)))
    enter(db)


def test_an_unknown_name_takes_as_long_as_a_known_one(db: Database) -> None:
    with db.writing() as session:
        service.add(session, By(), name="Anna", password=GOOD)
    times: dict[str, list[float]] = {"Anna": [], "Nobody": []}
    for _ in range(2):
        for name, taken in times.items():
            started = time.thread_time()
            guess(db, 1, name)
            taken.append(time.thread_time() - started)
    assert min(times["Nobody"]) > 0.4 * min(times["Anna"])


def test_a_hash_of_older_parameters_is_renewed_at_the_next_sign_in(db: Database, anna: User) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(GOOD)
    with db.writing() as session:
        session.get_one(User, anna.id).password_hash = old
    enter(db)
    with db.reading() as session:
        renewed = session.get_one(User, anna.id).password_hash
    assert renewed != old and not passwords.is_outdated(renewed)


def test_the_decoy_costs_what_a_real_hash_costs() -> None:
    assert not passwords.is_outdated(passwords.DECOY)
    assert "$argon2id$" in passwords.DECOY and "m=19456,t=2,p=1" in passwords.DECOY


@pytest.mark.parametrize("broken", ["", "!", "$argon2id$garbage", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"])
def test_a_broken_hash_matches_nothing(broken: str) -> None:
    assert not passwords.matches(broken, "")
    assert not passwords.matches(broken, broken)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "1234567",
        "password",
        "PASSWORD1",
        "Passw0rd",
        "12345678",
        "qwertyuiop",
        "iloveyou",
        "aaaaaaaaaa",
        "Anna1234",
        "everpx2024",
        "EVERPX!!",
        "abababab",
        "1qaz2wsx",
        "letmein123",
        "",
    ],
)
def test_a_password_that_is_easily_guessed_is_refused(password: str) -> None:
    assert passwords.problem(password, "Anna") is not None


def test_a_password_that_would_take_long_to_hash_is_refused() -> None:
    assert passwords.problem("x1y" * 43, "Anna") is not None


@pytest.mark.parametrize(
    "password", [GOOD, "x1y" * 40, "Größe≠Länge", "八个汉字也是密码", "correct staple", " leading and trailing "]
)
def test_length_is_what_makes_a_password_good(password: str) -> None:
    assert passwords.problem(password, "Anna") is None


def test_a_password_typed_on_another_keyboard_is_the_same(quick_passwords: None) -> None:
    assert passwords.matches(passwords.make_hash("Größe im Café"), "Gro\u0308ße im Cafe\u0301")


def test_an_api_token_is_shown_once_listed_and_revocable(db: Database, anna: User) -> None:
    with db.writing() as session:
        token, text = tokens.create(session, By(), anna, "  backup   script ")
    assert text.startswith("everpx_") and token.name == "backup script"
    with db.writing() as session:
        assert text not in session.scalars(select(ApiToken.token_hash)).all()
        found = tokens.who(session, text)
        assert found and found[0].id == anna.id and tokens.is_stale(found[1])
        tokens.touch(session, token.id)
        assert not tokens.is_stale(session.get_one(ApiToken, token.id))
        ben = service.add(session, By(), name="Ben", password=GOOD)
        with pytest.raises(NotFound):
            tokens.revoke(session, By(), ben, token.id)
        tokens.revoke(session, By(), anna, token.id)
        assert tokens.who(session, text) is None
        for name in ("", "x" * 61, "a\x00b"):
            with pytest.raises(Invalid):
                tokens.create(session, By(), anna, name)
