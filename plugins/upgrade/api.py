"""New versions by the API.  Bundles are sent to ``/api/v1/plugins/upgrade/bundles`` by tus 1.0.0, as photos are."""

from dataclasses import dataclass
from datetime import datetime

from appliance.upgrade.attempt import Phase
from appliance.words import Message
from console.access import admin_only, by, me
from console.api import foreign
from console.api.jobs import JobView, job_view
from console.api.routes import Room
from console.station import station
from plugins.upgrade import outcome, service

NAMED = [foreign.given("path", "name", foreign.TEXT), foreign.TUS]
room = Room(plugin="upgrade")
room.foreign = {
    "/plugins/upgrade/bundles": {
        "post": foreign.operation(
            "upgrade_bundle_create",
            "Begin to send a bundle",
            "tus 1.0.0, see tus.io. What was sent before goes. The last part of Location is what installs it.",
            parameters=[foreign.TUS, foreign.given("header", "Upload-Length", foreign.WHOLE, needed=True)],
            responses={"201": {"description": "Location says where to go on.", "headers": foreign.OFFSET}},
        )
    },
    "/plugins/upgrade/bundles/{name}": {
        "head": {"operationId": "upgrade_bundle_head", "tags": ["upgrade"], "summary": "How far a bundle is"}
        | {"parameters": NAMED, "responses": {"200": {"description": "Go on from here.", "headers": foreign.OFFSET}}},
        "patch": foreign.operation(
            "upgrade_bundle_patch",
            "Send the next piece of a bundle",
            "Nothing of it is believed before root has looked into it.",
            parameters=[*NAMED, foreign.given("header", "Upload-Offset", foreign.WHOLE, needed=True)],
            requestBody=foreign.binary(foreign.PIECE),
            responses={"204": {"description": "It has arrived.", "headers": foreign.OFFSET}},
        ),
        "delete": foreign.operation(
            "upgrade_bundle_delete",
            "Give a bundle up",
            "What has arrived of it is thrown away.",
            parameters=NAMED,
            responses={"204": {"description": "Done."}},
        ),
    },
}


@dataclass(frozen=True)
class AttemptView:
    """The last attempt; ``why`` where it came back or was refused."""

    version: str
    previous: str
    state: Phase
    why: Message | None
    at: datetime | None


@dataclass(frozen=True)
class NewsView:
    """How the last asking went; ``problem`` is why nothing came, or why it is not believed, or nothing for us."""

    at: datetime
    version: str
    new: bool
    problem: Message | None


@dataclass(frozen=True)
class StateView:
    """``supported`` is false where the station was not started from an image."""

    version: str
    model: str
    supported: bool
    last: AttemptView | None
    news: NewsView | None
    install: JobView | None
    restarts_at: datetime | None
    automatic: bool
    quiet_hour: int
    channel: str
    source: str


@dataclass(frozen=True)
class Install:
    """``upload``: the last part of the address that a bundle was sent to; or ``address``; neither: what is announced.

    ``when``: restart "now", in the "quiet" hour, or "later".
    """

    upload: str = ""
    address: str = ""
    when: str = service.LATER


@dataclass(frozen=True)
class Restart:
    """``when``: "now", or in the "quiet" hour."""

    when: str = service.QUIET


@dataclass(frozen=True)
class Planned:
    """``at`` is null where it restarts at once."""

    at: datetime | None


@dataclass(frozen=True)
class Settings:
    """``source``: an https address, or empty: then nobody is asked."""

    automatic: bool
    quiet_hour: int
    channel: str
    source: str


@dataclass(frozen=True)
class HistoryLine:
    """Something that happened with versions."""

    at: datetime
    text: Message


def _state() -> StateView:
    here = station()
    with here.db.reading() as session:
        told = service.state(session, here.places)
        install = job_view(told.install) if told.install else None
    last, news = told.last, told.news
    problem = news and (news.refused or news.unreachable or news.obstacle)
    return StateView(
        told.version, told.model, told.can,
        AttemptView(last.version, last.previous, last.state, last.why, outcome.moment_of(last)) if last else None,
        NewsView(news.at, news.version, news.is_offer, problem.message if problem else None) if news else None,
        install, told.restarts_at, **{key: told.options[key] for key in Settings.__dataclass_fields__},
    )  # fmt: skip


@room.route("GET", "/state", summary="What runs, what is new, and what is being prepared", access=admin_only)
def state() -> StateView:
    """As the page shows it."""
    return _state()


@room.route("POST", "/check", summary="Ask for news of versions", access=admin_only, status=202)
def check() -> JobView:
    """Where news is has to be set first."""
    with station().db.writing() as session:
        return job_view(service.start_check(session, me().id))


@room.route("POST", "/install", summary="Install a version", access=admin_only, status=202)
def install(body: Install) -> JobView:
    """Examined by root, written beside the version that runs, tried at the restart, and kept only when it works."""
    here = station()
    when = body.when if body.when in (service.NOW, service.QUIET) else service.LATER
    with here.db.writing() as session:
        job = service.start_install(session, here.places, by(), upload=body.upload, address=body.address, when=when)
        return job_view(job)


@room.route("POST", "/restart", summary="Restart into the version that waits", access=admin_only, status=202)
def restart(body: Restart) -> Planned:
    """Refused while a drive is used, and within ten minutes of the start."""
    here = station()
    with here.db.writing() as session:
        if body.when == service.NOW:
            service.start_restart(session, here.places, by())
            return Planned(None)
        if not service.state(session, here.places).staged:
            raise service.NotUnderWay
        return Planned(service.plan_restart(session))


@room.route("POST", "/call-off", summary="Do not try the version that waits", access=admin_only)
def call_off() -> StateView:
    """Until the restart; afterwards the station decides by itself."""
    here = station()
    with here.db.writing() as session:
        service.call_off(session, here.broker, by())
    return _state()


@room.route("PUT", "/settings", summary="How versions are installed", access=admin_only)
def settings(body: Settings) -> StateView:
    """All of it."""
    here = station()
    form = {key: str(getattr(body, key)) for key in Settings.__dataclass_fields__}
    form["automatic"] = "on" if body.automatic else "off"
    with here.db.writing() as session:
        service.configure(session, here.places, form)
    return _state()


@room.route("GET", "/history", summary="What happened with versions", access=admin_only)
def history() -> list[HistoryLine]:
    """Newest first."""
    with station().db.reading() as session:
        return [HistoryLine(one.at, one.message) for one in service.history(session)]
