"""The family: claiming, adding, changing, removing."""

import pytest
from sqlalchemy import select

from appliance import identity
from appliance.db import Database
from appliance.errors import Invalid
from appliance.events import Event
from appliance.jobs.models import Job
from appliance.people import names, service, sign_ins, tokens
from appliance.people.audit import By
from appliance.people.models import Role, User, UserState
from appliance.people.service import Fate
from appliance.people.throttle import TooManyGuesses
from appliance.places import Places

GOOD = "four quiet red bicycles"
STATION = By(None, "")
pytestmark = pytest.mark.usefixtures("quick_passwords")


def person(db: Database, name: str, role: Role = Role.MEMBER) -> User:
    with db.writing() as session:
        return service.add(session, STATION, name=name, password=GOOD, role=role)


@pytest.fixture
def admin(db: Database) -> User:
    return person(db, "Anna", Role.ADMIN)


@pytest.fixture
def station(places: Places) -> tuple[identity.Identity, str]:
    code = identity.create(places)
    assert code
    return identity.load(places), code


def kinds(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(Event.kind).order_by(Event.id)))


def test_the_claim_code_makes_one_admin_and_never_another(db: Database, station: tuple[identity.Identity, str]) -> None:
    here, code = station
    with db.writing() as session:
        user = service.claim(session, here, f" {code.lower().replace('-', ' ')} ", "Anna", GOOD, "192.168.1.7")
    assert (user.role, user.folder) == (Role.ADMIN, "Anna")
    with pytest.raises(service.AlreadyClaimed), db.writing() as session:
        service.claim(session, here, code, "Eve", GOOD, "192.168.1.8")
    assert kinds(db) == ["people.claimed"]


def test_the_code_stays_used_up_when_the_admin_is_gone(db: Database, station: tuple[identity.Identity, str]) -> None:
    here, code = station
    first, second = person(db, "Anna", Role.ADMIN), person(db, "Ben", Role.ADMIN)
    with db.writing() as session:
        service.remove(session, STATION, session.merge(first), Fate.KEEP)
        session.merge(second).state = UserState.DISABLED
    with pytest.raises(service.AlreadyClaimed), db.writing() as session:
        service.claim(session, here, code, "Eve", GOOD, "192.168.1.8")


def test_wrong_claim_codes_are_counted_although_the_transaction_failed(
    db: Database, station: tuple[identity.Identity, str]
) -> None:
    here, code = station
    for _ in range(5):
        with pytest.raises(service.WrongClaimCode) as caught, db.writing() as session:
            service.claim(session, here, "AAAAA", "Anna", GOOD, "192.168.1.8")
        assert set(caught.value.problems) == {"code"}
    with pytest.raises(TooManyGuesses), db.writing() as session:
        service.claim(session, here, code, "Anna", GOOD, "192.168.1.8")
    with db.writing() as session:  # the family itself, from elsewhere, is not kept waiting
        service.claim(session, here, code, "Anna", GOOD, "192.168.1.9")


def test_a_claim_with_a_bad_name_and_password_names_both_and_may_be_tried_again(
    db: Database, station: tuple[identity.Identity, str]
) -> None:
    here, code = station
    with pytest.raises(Invalid) as caught, db.writing() as session:
        service.claim(session, here, code, "  ", "short", "192.168.1.8")
    assert set(caught.value.problems) == {"name", "password"}
    with db.writing() as session:
        service.claim(session, here, code, "Anna", GOOD, "192.168.1.8")


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "a\x00b", "a\u202eb", "🙂", "...", "\ud800a", "a\u0007"])
def test_a_name_that_cannot_be_shown_is_refused(db: Database, name: str) -> None:
    with pytest.raises(Invalid) as caught, db.writing() as session:
        service.add(session, STATION, name=name, password=GOOD)
    assert "name" in caught.value.problems


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("  Anna   Maria ", "Anna Maria"),
        ("王小明", "王小明"),
        ("Anna 🌻", "Anna 🌻"),
        ("CON", "CON_"),
        ("../../etc", "_.._etc"),
        ("A/B:C", "A_B_C"),
        ("Family", "Family 2"),
        ("anna.", "anna"),
        (".everpx", "_.everpx"),
    ],
)
def test_the_folder_is_safe_on_every_filesystem(db: Database, name: str, folder: str) -> None:
    made = person(db, name).folder
    assert made == folder or (folder.startswith("_") and "/" not in made and not made.startswith("."))


def test_two_people_never_share_a_folder_not_even_on_exfat(db: Database) -> None:
    folders = [person(db, name).folder for name in ("Anna", "anna.", "A:b", "a_b", "ANNA?")]
    assert len({names.folded(folder) for folder in folders}) == len(folders)


def test_names_that_look_the_same_are_the_same(db: Database) -> None:
    person(db, "Zoë")
    with pytest.raises(Invalid) as caught, db.writing() as session:
        service.add(session, STATION, name=" ZOE\u0308 ", password=GOOD)
    assert "already" in str(caught.value.problems["name"])


def test_the_last_admin_can_neither_go_nor_stop_being_one(db: Database, admin: User) -> None:
    member, sleeping = person(db, "Ben"), person(db, "Cleo", Role.ADMIN)
    with db.writing() as session:
        service.disable(session, STATION, session.merge(sleeping))
    for act in (
        lambda s, u: service.disable(s, STATION, u),
        lambda s, u: service.remove(s, STATION, u, Fate.ARCHIVE),
        lambda s, u: service.remove(s, STATION, u, Fate.HAND_OVER, s.merge(member)),
        lambda s, u: service.change_role(s, STATION, u, Role.MEMBER),
    ):
        with pytest.raises(service.LastAdmin), db.writing() as session:
            act(session, session.merge(admin))
    with db.writing() as session:
        service.change_role(session, STATION, session.merge(member), Role.ADMIN)
        service.change_role(session, STATION, session.merge(admin), Role.MEMBER)


def test_a_disabled_person_is_out_at_once_and_comes_back_with_the_same_password(db: Database, admin: User) -> None:
    ben = person(db, "Ben")
    with db.writing() as session:
        _, token = sign_ins.sign_in(session, "ben", GOOD, "192.168.1.7", "Firefox")
        _, key = tokens.create(session, STATION, session.merge(ben), "script")
        service.disable(session, STATION, session.merge(ben))
    with db.writing() as session:
        assert sign_ins.who(session, token) is None
        assert tokens.who(session, key) is None
    with pytest.raises(sign_ins.SignInFailed), db.writing() as session:
        sign_ins.sign_in(session, "ben", GOOD, "192.168.1.7", "Firefox")
    with db.writing() as session:
        service.enable(session, STATION, session.merge(ben))
    with db.writing() as session:
        sign_ins.sign_in(session, "ben", GOOD, "192.168.1.7", "Firefox")


@pytest.mark.parametrize(("fate", "state"), [(Fate.KEEP, UserState.REMOVED), (Fate.ARCHIVE, UserState.ARCHIVED)])
def test_a_removed_person_never_signs_in_again(db: Database, admin: User, fate: Fate, state: UserState) -> None:
    ben = person(db, "Ben")
    with db.writing() as session:
        assert service.remove(session, STATION, session.merge(ben), fate) is None
    with db.reading() as session:
        gone = session.get_one(User, ben.id)
        assert (gone.state, gone.password_hash) == (state, "")
        assert (ben.name in [user.name for user in service.listing(session)]) == (fate is Fate.ARCHIVE)
    for act in (
        lambda s, u: service.enable(s, STATION, u),
        lambda s, u: service.reset_password(s, STATION, u, GOOD),
        lambda s, u: service.remove(s, STATION, u, Fate.KEEP),
        lambda s, u: service.change_role(s, STATION, u, Role.ADMIN),
    ):
        with pytest.raises(service.Gone), db.writing() as session:
            act(session, session.merge(gone))
    with pytest.raises(sign_ins.SignInFailed), db.writing() as session:
        sign_ins.sign_in(session, "Ben", "", "192.168.1.7", "")


def test_handing_over_shuts_the_account_and_starts_a_job(db: Database, admin: User) -> None:
    ben = person(db, "Ben")
    with pytest.raises(Invalid), db.writing() as session:
        service.remove(session, STATION, session.merge(ben), Fate.HAND_OVER, session.merge(ben))
    with db.writing() as session:
        job = service.remove(session, STATION, session.merge(ben), Fate.HAND_OVER, session.merge(admin))
    assert job is not None
    with db.reading() as session:
        assert session.get_one(User, ben.id).state is UserState.DISABLED
        assert session.get_one(Job, job.id).arguments == {"user_id": ben.id, "heir_id": admin.id}


def test_changing_a_password_asks_for_the_old_one_and_ends_the_other_sign_ins(db: Database, admin: User) -> None:
    with db.writing() as session:
        _, here = sign_ins.sign_in(session, "Anna", GOOD, "192.168.1.7", "phone")
        _, there = sign_ins.sign_in(session, "Anna", GOOD, "192.168.1.9", "laptop")
    with db.reading() as session:
        signed_in = sign_ins.who(session, here)
        assert signed_in
    with pytest.raises(service.WrongPassword) as caught, db.writing() as session:
        service.change_password(session, STATION, session.merge(admin), "not it at all", "three blue boats")
    assert set(caught.value.problems) == {"old_password"}
    with db.writing() as session:
        user = session.merge(admin)
        service.change_password(session, STATION, user, GOOD, "three blue boats", keep=signed_in[1].id)
    with db.reading() as session:
        assert sign_ins.who(session, here) is not None
        assert sign_ins.who(session, there) is None


def test_guessing_the_old_password_from_a_stolen_browser_is_slowed_down(db: Database, admin: User) -> None:
    for _ in range(5):
        with pytest.raises(service.WrongPassword), db.writing() as session:
            service.confirm(session, STATION, session.merge(admin), "guess")
    with pytest.raises(TooManyGuesses), db.writing() as session:
        service.confirm(session, STATION, session.merge(admin), GOOD)


def test_a_reset_ends_every_sign_in_and_token_and_lifts_the_block(db: Database, admin: User) -> None:
    ben = person(db, "Ben")
    with db.writing() as session:
        _, token = sign_ins.sign_in(session, "Ben", GOOD, "192.168.1.7", "phone")
        service.reset_password(session, By(admin.id, "192.168.1.2"), session.merge(ben), "three blue boats")
    with db.writing() as session:
        assert sign_ins.who(session, token) is None
        sign_ins.sign_in(session, "Ben", "three blue boats", "192.168.1.7", "phone")


def test_nobody_resets_their_own_password_without_the_old_one(db: Database, admin: User) -> None:
    with pytest.raises(service.OwnPassword), db.writing() as session:
        service.reset_password(session, By(admin.id), session.merge(admin), "three blue boats")


def test_pictures_are_a_known_colour_and_one_emoji(db: Database, admin: User) -> None:
    with db.writing() as session:
        user = session.merge(admin)
        service.change_picture(user, "rose", "👩‍👩‍👧‍👦")
        service.change_picture(user, "rose", "❤️")
        service.change_picture(user, "rose", "")
        for emoji in ("A", "<b>", "🌻" * 11, "\u200d"):
            with pytest.raises(Invalid) as caught:
                service.change_picture(user, "black", emoji)
            assert set(caught.value.problems) == {"colour", "emoji"}


def test_renaming_keeps_the_folder_and_may_change_only_capitals(db: Database, admin: User) -> None:
    person(db, "Ben")
    with db.writing() as session:
        user = session.merge(admin)
        service.rename(session, STATION, user, "ANNA")
        service.rename(session, STATION, user, "Anna-Maria")
        assert (user.name, user.folder) == ("Anna-Maria", "Anna")
        with pytest.raises(Invalid):
            service.rename(session, STATION, user, "ben")


def test_no_password_is_ever_in_the_audit_log(db: Database, admin: User) -> None:
    for name in ("Anna", GOOD):  # people type it into the wrong field
        with pytest.raises(sign_ins.SignInFailed), db.writing() as session:
            sign_ins.sign_in(session, name, GOOD + "!", "192.168.1.7", "phone")
    with db.reading() as session:
        for event in session.scalars(select(Event)):
            assert GOOD not in str(event.message.as_json())
            assert event.address in ("", "192.168.1.7")
    assert kinds(db)[-2:] == ["people.sign_in_failed"] * 2
