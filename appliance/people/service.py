"""The family: the first admin's claim, and everything an admin or the person may change.

There is always an active admin; a person's row stays for ever, because files and events belong to it.  Everything
joins the caller's writing transaction and leaves an event that tells who did it.
"""

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from appliance import plugin
from appliance.errors import ApplianceError, Conflict, Invalid, NotFound
from appliance.identity import Identity
from appliance.jobs import service as jobs
from appliance.jobs.models import Job
from appliance.people import names, passwords, pictures, sign_ins, throttle
from appliance.people.audit import By, note
from appliance.people.models import ApiToken, Role, User, UserState
from appliance.words import N_, Message


class AlreadyClaimed(ApplianceError):
    """The claim code has done its one work."""

    code, status = "already_claimed", 409
    template = N_("This station has an admin already; its claim code is used up.")
    hint = N_("Sign in, or ask an admin of this station to add you.")


class WrongClaimCode(Invalid):
    """What was typed is not on this station's label."""

    code = "wrong_claim_code"


class WrongPassword(Invalid):
    """The password that confirms a change is not the person's own."""

    code = "wrong_password"


class OwnPassword(Conflict):
    """An unattended browser of an admin must not be enough to take the account over."""

    code = "own_password"
    template = N_("Your own password can only be changed together with the old one.")
    hint = N_("Change it under your account, or ask another admin.")


class LastAdmin(Conflict):
    """Without this person nobody could look after the station."""

    code = "last_admin"
    template = N_("{name} is the only admin.")
    hint = N_("Make somebody else an admin first.")


class Gone(Conflict):
    """Archived and removed people do not come back; a new person may be added."""

    code, template, hint = "person_gone", N_("{name} was removed."), N_("Add a new person instead.")


class HandingOver(Conflict):
    """Files are on their way from or to this person."""

    code = "handing_over"
    template = N_("Files of or for {name} are just being moved.")
    hint = N_("Wait until that has finished, or cancel it under Activity.")


HAND_OVER = "people.hand_over"  # the kind of job, see people.jobs


class Fate(StrEnum):
    """What becomes of a removed person's files; none is ever deleted."""

    KEEP = "keep"
    ARCHIVE = "archive"
    HAND_OVER = "hand_over"


def is_claimed(session: Session) -> bool:
    """Whether anybody was ever added; from then on the claim code is worth nothing."""
    return bool(session.scalar(select(exists().where(User.id.is_not(None)))))


def claim(session: Session, identity: Identity, code: str, name: str, password: str, address: str) -> User:
    """The first admin.  Raises what :func:`check_claim_code` raises, or Invalid."""
    check_claim_code(session, identity, code, address)
    user = _new(session, name, password, Role.ADMIN)
    throttle.forgive(session, throttle.source(address, "claim"))
    note(session, By(user.id, address), "claimed", N_("{name} claimed the station."), name=user.name)
    return user


def check_claim_code(session: Session, identity: Identity, code: str, address: str) -> None:
    """Whether somebody has this station's label in hand.  Raises AlreadyClaimed, WrongClaimCode or TooManyGuesses.

    ``session`` is a writing one.  A wrong code commits it, so that the count survives the caller's rollback.
    """
    if is_claimed(session):
        raise AlreadyClaimed()
    key = throttle.source(address, "claim")  # per source: with 100 random bits only a nuisance needs stopping
    throttle.check(session, [key])
    if not identity.matches(code):
        throttle.failed(session, [key])
        note(session, By(None, address), "claim_failed", N_("A wrong claim code was entered."))
        session.commit()
        raise WrongClaimCode({"code": N_("This is not the code on this station's label.")})


def add(session: Session, by: By, *, name: str, password: str, role: Role = Role.MEMBER) -> User:
    """A new person.  Raises Invalid with every problem."""
    user = _new(session, name, password, role)
    note(session, by, "added", N_("{name} was added."), name=user.name)
    return user


def get(session: Session, user_id: int) -> User:
    """Raises NotFound."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound(what="person")
    return user


def listing(session: Session) -> Sequence[User]:
    """Everybody but the removed, by name."""
    return session.scalars(select(User).where(User.state != UserState.REMOVED).order_by(func.lower(User.name))).all()


def rename(session: Session, by: By, user: User, name: str) -> None:
    """Call a person something else; the folder on the drives keeps its name.  Raises Invalid."""
    name = names.tidy(name)
    if problem := _name_problem(session, name, user):
        raise Invalid({"name": problem})
    if name != user.name:
        note(session, by, "renamed", N_("{before} is called {after} now."), before=user.name, after=name)
        user.name = name
        plugin.call("people_changed", session=session)


def change_picture(user: User, colour: str, emoji: str) -> None:
    """Choose the colour and sign shown on the sign-in page.  Raises Invalid."""
    emoji = emoji.strip()
    problems = {"colour": pictures.colour_problem(colour), "emoji": pictures.emoji_problem(emoji)}
    _raise_if_any(problems)
    user.colour, user.emoji = colour, emoji


def change_role(session: Session, by: By, user: User, role: Role) -> None:
    """Make somebody an admin or a member.  Raises LastAdmin."""
    if role is user.role:
        return
    _living(user)
    if role is not Role.ADMIN:
        _keep_an_admin(session, user)
    user.role = role
    template = N_("{name} became an admin.") if role is Role.ADMIN else N_("{name} is no longer an admin.")
    note(session, by, "role_changed", template, name=user.name)


def change_password(session: Session, by: By, user: User, old: str, new: str, *, keep: int | None = None) -> None:
    """A person's own wish: ends their other sign-ins, all but ``keep``.

    Raises WrongPassword (which commits the session, to count it), TooManyGuesses or Invalid.
    """
    confirm(session, by, user, old, "old_password")
    if problem := passwords.problem(new, user.name):
        raise Invalid({"new_password": problem})
    user.password_hash = passwords.make_hash(new)
    plugin.call("password_known", session=session, user=user, password=new)
    note(session, by, "password_changed", N_("{name} changed their password."), name=user.name)
    sign_ins.revoke_others(session, by, user, keep)


def confirm(session: Session, by: By, user: User, password: str, field: str = "password") -> None:
    """Ask for a person's own password before something grave; raises like :func:`change_password`.

    Call it before anything is changed: a wrong password commits the session.
    """
    key = f"confirm:{user.id}"
    throttle.check(session, [key])
    if not passwords.matches(user.password_hash, password):
        throttle.failed(session, [key])
        note(session, by, "confirmation_failed", N_("{name} entered a wrong password."), name=user.name)
        session.commit()
        raise WrongPassword({field: N_("This is not your password.")})
    throttle.forgive(session, key)


def reset_password(session: Session, by: By, user: User, new: str) -> None:
    """An admin's help for somebody who forgot it: ends every sign-in and API token.  Raises OwnPassword or Invalid."""
    _living(user)
    if by.user_id == user.id:
        raise OwnPassword()
    if problem := passwords.problem(new, user.name):
        raise Invalid({"new_password": problem})
    user.password_hash = passwords.make_hash(new)
    plugin.call("password_known", session=session, user=user, password=new)
    throttle.forgive(session, f"account:{user.id}")
    note(session, by, "password_reset", N_("{name} got a new password."), name=user.name)
    _shut_out(session, by, user)


def disable(session: Session, by: By, user: User) -> None:
    """Keep a person out for now.  Raises LastAdmin."""
    _living(user)
    _keep_an_admin(session, user)
    user.state = UserState.DISABLED
    note(session, by, "disabled", N_("{name} can no longer sign in."), name=user.name)
    _shut_out(session, by, user)


def enable(session: Session, by: By, user: User) -> None:
    """Let a person in again.  Raises Gone for one who was removed, HandingOver while the files move."""
    _living(user)
    _nothing_on_its_way(session, user)
    user.state = UserState.ACTIVE
    note(session, by, "enabled", N_("{name} can sign in again."), name=user.name)
    plugin.call("people_changed", session=session)


def remove(session: Session, by: By, user: User, fate: Fate, heir: User | None = None) -> Job | None:
    """End a person's account; no file is deleted.  Raises LastAdmin, Gone, HandingOver or Invalid.

    ``KEEP`` leaves the folder on the drives as plain files; ``ARCHIVE`` also lets admins go on seeing the photos;
    ``HAND_OVER`` starts a job that moves the folder into ``heir``'s and makes the photos theirs (the account is shut
    at once, so that nothing new arrives meanwhile).
    """
    _living(user)
    _nothing_on_its_way(session, user)
    _keep_an_admin(session, user)
    job = _start_handing_over(session, by, user, heir) if fate is Fate.HAND_OVER else None
    user.state = {
        Fate.KEEP: UserState.REMOVED,
        Fate.ARCHIVE: UserState.ARCHIVED,
        Fate.HAND_OVER: UserState.DISABLED,  # until the job has ended: then REMOVED
    }[fate]
    if job is None:
        user.password_hash = ""
    template = {
        Fate.KEEP: N_("{name} was removed; the files stay where they are."),
        Fate.ARCHIVE: N_("{name} was archived; admins still see the photos."),
        Fate.HAND_OVER: N_("{name} was removed; the files go to {heir}."),
    }[fate]
    note(session, by, "removed", template, name=user.name, heir=heir.name if heir else "")
    _shut_out(session, by, user)
    return job


def _start_handing_over(session: Session, by: By, user: User, heir: User | None) -> Job:
    if heir is None or heir.id == user.id or heir.state is not UserState.ACTIVE:
        raise Invalid({"heir": N_("Choose who gets the files.")})
    return jobs.start(
        session,
        HAND_OVER,
        title=Message(N_("Give the files of {name} to {heir}"), {"name": user.name, "heir": heir.name}),
        lock=f"person:{user.id}",
        arguments={"user_id": user.id, "heir_id": heir.id},
        asked_by=by.user_id,
    )


def _new(session: Session, name: str, password: str, role: Role) -> User:
    name = names.tidy(name)
    _raise_if_any({"name": _name_problem(session, name), "password": passwords.problem(password, name)})
    user = User(
        name=name,
        folder=names.folder_for(name, session.scalars(select(User.folder))),
        role=role,
        state=UserState.ACTIVE,
        password_hash=passwords.make_hash(password),
        colour=pictures.next_colour(session.scalars(select(User.colour))),
    )
    session.add(user)
    session.flush()
    plugin.call("password_known", session=session, user=user, password=password)
    plugin.call("people_changed", session=session)
    return user


def _name_problem(session: Session, name: str, itself: User | None = None) -> Message | None:
    if problem := names.problem(name):
        return problem
    other = sign_ins.find(session, name)
    if other is None or other is itself:
        return None
    if other.state is UserState.REMOVED:
        return Message(N_("Somebody who was removed had this name, and their files still do. Choose another."))
    return Message(N_("There is already somebody with this name."))


def _raise_if_any(problems: dict[str, Message | None]) -> None:
    if found := {name: problem for name, problem in problems.items() if problem}:
        raise Invalid(dict(found))


def _keep_an_admin(session: Session, leaving: User) -> None:
    others = select(exists().where(User.role == Role.ADMIN, User.state == UserState.ACTIVE, User.id != leaving.id))
    if leaving.role is Role.ADMIN and leaving.state is UserState.ACTIVE and not session.scalar(others):
        raise LastAdmin(name=leaving.name)


def _living(user: User) -> None:
    if user.state in (UserState.ARCHIVED, UserState.REMOVED):
        raise Gone(name=user.name)


def _nothing_on_its_way(session: Session, user: User) -> None:
    for job in jobs.active(session):
        if job.kind == HAND_OVER and user.id in job.arguments.values():
            raise HandingOver(name=user.name)


def _shut_out(session: Session, by: By, user: User) -> None:
    sign_ins.revoke_others(session, by, user)
    session.execute(delete(ApiToken).where(ApiToken.user_id == user.id))
    plugin.call("people_changed", session=session)
