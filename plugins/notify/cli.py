"""``everpx messages``: who is told how, and a test message."""

import click
from sqlalchemy import select

from appliance.cli.speech import Here, Said, answers, table
from appliance.errors import NotFound
from appliance.people.models import User
from plugins.notify import service
from plugins.notify.models import NotifyChannel


@click.group()
def messages() -> None:
    """Who is told how; send a test."""


@messages.command("list")
@answers
def listing(here: Here) -> Said:
    """Every person’s channels; nothing secret."""
    with here.db.reading() as session:
        rows = session.execute(
            select(NotifyChannel, User)
            .join(User, User.id == NotifyChannel.user_id)
            .order_by(User.name, NotifyChannel.id)
        ).all()
        data = [
            {"id": one.id, "person": user.name, "kind": one.kind, "shown": one.shown, "least": one.least.value,
             "problem": str(one.problem) if one.problem else None}
            for one, user in rows
        ]  # fmt: skip
    return Said(data, table((d["id"], d["person"], d["shown"], f"from {d['least']} on", d["problem"]) for d in data))


@messages.command()
@click.argument("channel_id", type=int)
@answers
def test(here: Here, *, channel_id: int) -> Said:
    """Send a test message; “everpx messages list” shows when it could not be delivered."""
    with here.db.writing() as session:
        channel = session.get(NotifyChannel, channel_id)
        user = session.get(User, channel.user_id) if channel is not None else None
        if channel is None or user is None:
            raise NotFound(what="way to be told")
        service.test(session, user, channel_id)
        return Said({"id": channel_id, "shown": channel.shown}, [f"A test is on its way to {channel.shown}."])
