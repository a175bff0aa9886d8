"""``everpx people``."""

import sys

import click
from sqlalchemy.orm import Session

from appliance.cli.jobs import as_data as job_data
from appliance.cli.speech import BY, Here, Said, answers, moment, table
from appliance.errors import NotFound
from appliance.people import service, sign_ins
from appliance.people.models import Role, User


@click.group()
def people() -> None:
    """The family."""


def named(session: Session, name: str) -> User:
    """Somebody by their name.  Raises NotFound."""
    user = sign_ins.find(session, name)
    if user is None:
        raise NotFound(what="person")
    return user


def _data(user: User) -> dict[str, object]:
    return {"id": user.id, "name": user.name, "role": user.role, "state": user.state, "folder": user.folder}


def _password(from_stdin: bool) -> str:
    """Never an argument: those are seen by every program on the machine."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@people.command("list")
@answers
def listing(here: Here) -> Said:
    """Everybody."""
    with here.db.reading() as session:
        users = service.listing(session)
    return Said([_data(u) for u in users], table((u.name, u.role, u.state, u.folder) for u in users))


@people.command()
@click.argument("name")
@click.option("--admin", is_flag=True)
@stdin
@answers
def add(here: Here, *, name: str, admin: bool, password_stdin: bool) -> Said:
    """Add a person."""
    password = _password(password_stdin)
    with here.db.writing() as session:
        user = service.add(session, BY, name=name, password=password, role=Role.ADMIN if admin else Role.MEMBER)
        session.flush()
        return Said(_data(user), [f"{user.name} was added."])


@people.command()
@click.argument("name")
@stdin
@answers
def password(here: Here, *, name: str, password_stdin: bool) -> Said:
    """Give a person a new password; every browser of theirs is signed out."""
    new = _password(password_stdin)
    with here.db.writing() as session:
        user = named(session, name)
        service.reset_password(session, BY, user, new)
        return Said(_data(user), [f"{user.name} got a new password."])


@people.command()
@click.argument("name")
@answers
def disable(here: Here, *, name: str) -> Said:
    """Let a person sign in no longer; nothing else changes."""
    with here.db.writing() as session:
        user = named(session, name)
        service.disable(session, BY, user)
        return Said(_data(user), [f"{user.name} can no longer sign in."])


@people.command()
@click.argument("name")
@answers
def enable(here: Here, *, name: str) -> Said:
    """Let a person sign in again."""
    with here.db.writing() as session:
        user = named(session, name)
        service.enable(session, BY, user)
        return Said(_data(user), [f"{user.name} can sign in again."])


@people.command()
@click.argument("name")
@click.option("--files", "fate", type=click.Choice([fate.value for fate in service.Fate]), required=True)
@click.option("--to", "heir", default="", help="For hand_over: who gets the files.")
@answers
def remove(here: Here, *, name: str, fate: str, heir: str) -> Said:
    """End a person's account; no file is deleted."""
    with here.db.writing() as session:
        user = named(session, name)
        job = service.remove(session, BY, user, service.Fate(fate), named(session, heir) if heir else None)
        lines = [f"{user.name} was removed."] + ([f"job {job.id}: {job.title}"] if job else [])
        return Said(_data(user) | {"job": job_data(job) if job else None}, lines)


@people.command("sign-ins")
@click.argument("name")
@answers
def signed_in(here: Here, *, name: str) -> Said:
    """Where a person is signed in."""
    with here.db.reading() as session:
        found = sign_ins.listing(session, named(session, name).id)
    data = [{"id": s.id, "browser": s.browser, "address": s.address, "last_seen": s.last_seen} for s in found]
    return Said(data, table((s.id, s.browser, s.address, moment(s.last_seen)) for s in found))


@people.command("sign-out")
@click.argument("name")
@answers
def sign_out(here: Here, *, name: str) -> Said:
    """Sign a person out everywhere."""
    with here.db.writing() as session:
        count = sign_ins.revoke_others(session, BY, named(session, name))
    return Said({"ended": count}, [f"{count} sign-ins were ended."])
