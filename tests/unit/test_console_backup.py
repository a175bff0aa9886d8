"""The backup and restore pages on a real database: what people read, what their buttons start, what is refused."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select

from appliance import identity
from appliance.backup import service
from appliance.backup.models import BackupRun, ColdFile, ColdFolder, Drill, OldVersion, RunState
from appliance.db import Database, now
from appliance.drives import inventory
from appliance.drives.inventory import Found, Inventory
from appliance.drives.marker import Marker
from appliance.drives.models import Drive, DriveRole, PowerState
from appliance.jobs.models import Job, JobState, Schedule
from appliance.library.models import Folder
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from appliance.words import Message
from tests.browsers import Browser
from tests.callers import PASSWORD

GB = 10**9
HOT, COLD = 1, 2


@pytest.fixture
def anna(app: Flask, db: Database) -> Browser:
    """The admin's browser."""
    with db.writing() as session:
        people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
    return Browser(app, "Anna")


@pytest.fixture(autouse=True)
def drives(db: Database) -> None:
    """A HOT drive and the green COLD drive, both away."""
    rest = {"filesystem": "ext4", "size": 1000 * GB, "free": 400 * GB}
    with db.writing() as session:
        for number, role, name in ((HOT, DriveRole.HOT, "The blue drive"), (COLD, DriveRole.COLD, "The green drive")):
            session.add(
                Drive(
                    id=number,
                    marker_id=f"m{number}",
                    filesystem_uuid=f"u{number}",
                    role=role,
                    number=1,
                    name=name,
                    colour="green",
                    last_here=now() - timedelta(days=47),
                    **rest,
                )
            )


@pytest.fixture
def a_run(db: Database) -> Callable[..., int]:
    """``a_run(RunState.PROVEN, days=3)`` happened; its id."""

    def make(state: RunState, days: float = 0, **more: object) -> int:
        began = now() - timedelta(days=days)
        with db.writing() as session:
            run = BackupRun(cold_drive_id=COLD, state=state, started=began, finished=began + timedelta(minutes=11))
            for name, value in more.items():
                setattr(run, name, value)
            session.add(run)
            session.flush()
            return run.id

    return make


@pytest.fixture
def copied(db: Database) -> None:
    """The copy holds Anna/Files with two files and two older versions; one name is not text."""
    with db.writing() as session:
        for number, path in ((1, b""), (2, b"Anna"), (3, b"Anna/Files & more")):
            session.add(Folder(id=number, drive_id=HOT, path=path))
        session.flush()
        session.add(ColdFolder(cold_drive_id=COLD, folder_id=3, fingerprint=b"f"))
        same = {"cold_drive_id": COLD, "folder_id": 3, "modified_ns": 1_700_000_000 * 10**9, "digest": b"d" * 32}
        for name in (b"notes %41.txt", b"b\xffd.bin"):
            session.add(ColdFile(name=name, size=2_000_000, stored_as=None, proven=now(), **same))
        for name, day, why in (
            (b"notes %41.txt", date(2026, 11, 12), "replaced"),
            (b"gone.jpg", date(2026, 11, 3), "vanished"),
        ):
            session.add(OldVersion(name=name, size=1000, stored_as=b"x/" + name, day=day, why=why, **same))


def newest_job(db: Database) -> Job | None:
    with db.reading() as session:
        return session.scalars(select(Job).order_by(Job.id.desc())).first()


def test_without_a_second_drive_the_page_teaches_the_next_step(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        session.delete(session.get_one(Drive, COLD))
    page = anna.get("/backup/").text
    assert "every photo is on one drive only" in page and 'href="/drives/"' in page


def test_a_drive_that_was_never_copied_to_says_so(anna: Browser) -> None:
    page = anna.get("/backup/").text
    assert "There is no copy on it yet." in page and "last here 47 days ago" in page
    assert "Only when somebody starts it" in page


def test_the_last_proof_is_told_and_a_later_failure_does_not_hide_it(anna: Browser, a_run: Callable[..., int]) -> None:
    a_run(RunState.PROVEN, days=3, new=412, changed=9, bytes=14 * GB)
    a_run(RunState.FAILED, days=1)
    page = anna.get("/backup/").text
    assert "Everything was on it and proven 3 days ago." in page
    assert "on 1 of 2 days with a copy all went well" in page
    table = anna.get(f"/backup/{COLD}").text
    assert "412 new, 9 changed, 14.0 GB" in table and "not finished" in table and "11 min" in table


def test_with_two_drives_the_one_that_was_away_longest_is_named(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        other = session.get_one(Drive, COLD)
        twin = {"filesystem": "ext4", "size": GB, "colour": "rose", "role": DriveRole.COLD, "number": 2}
        recently = now() - timedelta(days=2)
        session.add(Drive(marker_id="x", filesystem_uuid="x", name="Oma", last_here=recently, **twin))
        assert other.name == "The green drive"
    assert "The green drive was last here 47 days ago. Bring it next time." in anna.get("/backup/").text


def test_a_day_is_marked_by_the_last_run_that_did_something(anna: Browser, app: Flask, db: Database) -> None:
    from console.backup.history import Run, day_marks

    morning = now().replace(hour=3)

    def run(hour: int, state: RunState) -> Run:
        return Run(BackupRun(state=state, started=morning.replace(hour=hour), new=1, changed=0, vanished=0, bytes=0))

    with app.test_request_context():
        marks = day_marks(
            [run(9, RunState.NOTHING_TO_DO), run(6, RunState.FAILED), run(3, RunState.PROVEN)], ZoneInfo("UTC")
        )
    assert [mark.state for mark in marks.values()] == ["failed"]


def test_copy_now_starts_a_copy_and_a_second_press_says_that_it_runs(anna: Browser, db: Database) -> None:
    assert anna.post(f"/backup/{COLD}/run").status_code == 303
    started = newest_job(db)
    assert started and started.kind == "backup.run" and started.arguments == {"cold_drive_id": COLD}
    assert "already under way" in anna.follow(anna.post(f"/backup/{COLD}/run"))
    page = anna.get("/backup/").text
    assert "waiting its turn" in page and "Copy now" not in page


def test_a_copy_that_waits_for_people_asks_them(anna: Browser, db: Database) -> None:
    anna.post(f"/backup/{COLD}/run")
    with db.writing() as session:
        session.get_one(Drive, COLD).power_state = PowerState.SPINNING_UP
        session.scalars(select(Job)).one().state = JobState.RUNNING
    assert "Switch on The green drive" in anna.get("/backup/").text


def test_a_drive_that_is_here_but_unclean_is_explained_instead_of_asked_for(
    anna: Browser, db: Database, places: Places
) -> None:
    anna.post(f"/backup/{COLD}/run")
    with db.writing() as session:
        session.get_one(Drive, COLD).power_state = PowerState.SPINNING_UP
    own = identity.load(places).station_id
    mark = vars(Marker("m2", own, "cold", 1, "u2", "The green drive", "2026-01-01"))
    green = Found("sdb1", "sdb", 1, size=GB, filesystem="exfat", filesystem_uuid="u2", marker=mark, dirty=True)
    inventory.save(places, Inventory((green,), 0.0, {}))
    page = anna.get("/backup/").text
    assert "was not switched off properly" in page and "Switch on" not in page
    assert "already under way" not in anna.follow(anna.post("/drives/found/sdb1/repair"))
    assert (started := newest_job(db)) and started.kind == "drives.repair"


def test_the_brake_asks_and_both_answers_work(anna: Browser, db: Database, a_run: Callable[..., int]) -> None:
    question = Message("{changed} of {files} files changed; that is unusual.", {"changed": 3120, "files": 12481})
    run = a_run(RunState.BRAKED, brake=question, changed=3120)
    page = anna.get("/backup/").text
    assert "3,120 of 12,481 files changed" in page and "Copy now" not in page
    assert anna.post(f"/backup/runs/{run}/answer", answer="maybe").status_code == 422
    assert "stays as it is" in anna.follow(anna.post(f"/backup/runs/{run}/answer", answer="stop"))
    assert newest_job(db) is None
    assert "The copy goes on." in anna.follow(anna.post(f"/backup/runs/{run}/answer", answer="go"))
    started = newest_job(db)
    assert started and started.kind == "backup.run"


def test_an_answer_to_a_question_that_is_over_is_refused_with_words(anna: Browser, a_run: Callable[..., int]) -> None:
    run = a_run(RunState.PROVEN)
    answer = anna.post(f"/backup/runs/{run}/answer", answer="go")
    assert answer.status_code == 303 and "notice danger" in anna.follow(answer)


def test_a_schedule_is_set_in_plain_words(anna: Browser, db: Database) -> None:
    days = {"rhythm": "weekly", "time": "04:30", "days": ["sunday", "wednesday"]}
    assert anna.post(f"/backup/{COLD}/schedule", **days).status_code == 303
    with db.reading() as session:
        assert session.scalars(select(Schedule)).one().cron == "30 4 * * 3,0"
    assert "Every Wednesday and Sunday at 04:30" in anna.get("/backup/").text
    form = anna.get(f"/backup/{COLD}/schedule").text
    assert 'value="weekly" checked' in form and 'value="04:30"' in form


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"rhythm": "yearly"}, "Choose how often."),
        ({"rhythm": "daily", "time": "25:00"}, "Write a time like 03:00."),
        ({"rhythm": "weekly", "time": "03:00"}, "Choose at least one day of the week."),
        ({"rhythm": "monthly", "time": "03:00", "day": "31"}, "Choose a day from 1 to 28."),
        ({"rhythm": "hourly", "every": "5"}, "Choose 3, 4, 6, 8 or 12 hours."),
        ({}, "Choose how often."),
    ],
)
def test_a_wrong_schedule_is_told_and_kept(anna: Browser, db: Database, typed: dict[str, str], sentence: str) -> None:
    answer = anna.post(f"/backup/{COLD}/schedule", **typed)
    assert answer.status_code == 422 and sentence in answer.text
    with db.reading() as session:
        assert session.scalars(select(Schedule)).first() is None


def test_without_the_hot_drive_nobody_says_what_a_copy_would_do(anna: Browser) -> None:
    page = anna.client.get(f"/backup/{COLD}/plan", headers={"HX-Request": "true"}).text
    assert page.strip() == "The blue drive is not connected, so there is nothing to compare."


def test_with_several_drives_it_is_chosen_which_of_them_are_copied(anna: Browser, db: Database) -> None:
    assert "What it keeps a copy of" not in anna.get(f"/backup/{COLD}").text
    with db.writing() as session:
        twin = {"filesystem": "ext4", "size": GB, "colour": "rose", "role": DriveRole.HOT, "number": 2}
        session.add(Drive(id=3, marker_id="x", filesystem_uuid="x", name="Videos", **twin))
    assert anna.get(f"/backup/{COLD}").text.count('name="sources"') == 2
    assert "Saved." in anna.follow(anna.post(f"/backup/{COLD}/sources", sources=["3"]))
    with db.reading() as session:
        assert [drive.id for drive in service.sources(session, COLD)] == [3]
    assert "nothing was changed" in anna.follow(anna.post(f"/backup/{COLD}/sources"))
    assert anna.post(f"/backup/{COLD}/sources", sources=["3", "77"]).status_code == 404
    anna.post(f"/backup/{COLD}/sources", sources=["1", "3"])
    with db.reading() as session:
        assert [drive.id for drive in service.sources(session, COLD)] == [HOT, 3]


def test_drills_are_told_good_and_bad(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        session.add_all([Drill(cold_drive_id=COLD, tried=25, good=25), Drill(cold_drive_id=COLD, tried=25, good=24)])
    page = anna.get(f"/backup/{COLD}").text
    assert "25 of 25 came back unchanged" in page and "24 of 25 came back unchanged" in page
    assert anna.post(f"/backup/restore/{COLD}/drill").status_code == 303
    assert (started := newest_job(db)) and started.kind == "backup.drill"


def test_with_one_drive_getting_files_back_starts_right_there(anna: Browser) -> None:
    assert anna.get("/backup/restore/").location == f"/backup/restore/{COLD}"
    assert "There is nothing on it yet" in anna.get(f"/backup/restore/{COLD}").text


@pytest.mark.usefixtures("copied")
def test_folders_and_files_of_a_copy_are_walked_with_the_drive_off(anna: Browser) -> None:
    top = anna.get(f"/backup/restore/{COLD}").text
    assert "hot=HOT-1&amp;path=Anna" in top
    page = anna.get(f"/backup/restore/{COLD}?hot=HOT-1&path=Anna/Files%2520%2526%2520more").text
    assert "notes %41.txt" in page and "b\\xffd.bin" in page and "gone.jpg" not in page and "2.0 MB" in page


@pytest.mark.usefixtures("copied")
def test_a_day_shows_what_was_there_then(anna: Browser) -> None:
    folder = f"/backup/restore/{COLD}?hot=HOT-1&path=Anna/Files%2520%2526%2520more"
    assert "gone.jpg" in anna.get(f"{folder}&day=2026-11-02").text
    assert "gone.jpg" not in anna.get(f"{folder}&day=2026-11-03").text
    wrong = anna.get(f"{folder}&day=yesterday")
    assert wrong.status_code == 422 and "Write a day like 2026-11-22." in wrong.text


@pytest.mark.usefixtures("copied")
def test_a_file_has_versions_and_each_can_be_brought_back(anna: Browser, db: Database) -> None:
    name = "Anna/Files%20%26%20more/notes%20%2541.txt"
    page = anna.client.get(f"/backup/restore/{COLD}/file", query_string={"hot": "HOT-1", "path": name}).text
    assert "As it is on the copy now" in page and "Replaced by Nov 12, 2026" in page
    with db.reading() as session:
        (version,) = session.scalars(select(OldVersion.id).where(OldVersion.name == b"notes %41.txt"))
    assert f"version={version}" in page
    sure = anna.client.get(f"/backup/restore/{COLD}/confirm", query_string={"hot": "HOT-1", "path": name}).text
    assert "1 file (2.0 MB) comes back" in sure and "Nothing is overwritten." in sure
    asked = {"hot": "HOT-1", "path": name, "version": str(version)}
    sure = anna.client.get(f"/backup/restore/{COLD}/confirm", query_string=asked).text
    assert "It comes back as it was until Nov 12, 2026 (1.0 kB)." in sure.replace("&nbsp;", " ")
    assert f'name="version" value="{version}"' in sure
    assert anna.post(f"/backup/restore/{COLD}", **asked | {"version": "99"}, to=str(HOT)).status_code == 404
    answer = anna.post(f"/backup/restore/{COLD}", **asked, to=str(HOT))
    assert answer.status_code == 303
    started = newest_job(db)
    assert started and started.kind == "backup.restore"
    assert bytes.fromhex(started.arguments["path"]) == b"Anna/Files & more/notes %41.txt"
    assert (started.arguments["version"], started.arguments["to_drive_id"]) == (version, HOT)


def test_what_is_never_copied_is_named_on_the_page_of_the_copy(anna: Browser, a_run: Callable[..., int]) -> None:
    named = [{"drive": "HOT-1", "path": "Anna/caf\udce9", "kind": "symlink"}]
    plain = a_run(RunState.PROVEN)
    told = a_run(RunState.PROVEN, details={"others": {"count": 3, "named": named}, "moved": 1200})
    page = anna.get(f"/backup/runs/{told}").text
    assert "Anna/caf\\xe9" in page and "HOT-1 · a link to another place" in page and "and 2 more" in page
    assert "Only moved" in page and "1,200" in page
    assert "Not copied" not in anna.get(f"/backup/runs/{plain}").text


@pytest.mark.usefixtures("copied")
def test_versions_of_one_day_are_told_apart_by_the_time(anna: Browser, db: Database) -> None:
    with db.writing() as session:
        first = session.scalars(select(OldVersion).where(OldVersion.name == b"notes %41.txt")).one()
        first.put_away = datetime(2026, 11, 12, 8, 5, tzinfo=UTC)
        facts = {key: getattr(first, key) for key in ("cold_drive_id", "folder_id", "name", "modified_ns", "digest")}
        at = datetime(2026, 11, 12, 17, 40, tzinfo=UTC)
        session.add(OldVersion(stored_as=b"y", day=first.day, put_away=at, why="replaced", size=7, **facts))
    name = "Anna/Files%20%26%20more/notes%20%2541.txt"
    page = anna.client.get(f"/backup/restore/{COLD}/file", query_string={"hot": "HOT-1", "path": name}).text
    page = page.replace("\u202f", " ")
    assert page.index("Replaced by Nov 12, 2026, 5:40 PM") < page.index("Replaced by Nov 12, 2026, 8:05 AM")


@pytest.mark.usefixtures("copied")
def test_a_name_that_is_no_text_survives_the_way_through_the_browser(anna: Browser, db: Database) -> None:
    anna.post(f"/backup/restore/{COLD}", hot="HOT-1", path="Anna/Files%20%26%20more/b%FFd.bin", to=str(HOT))
    started = newest_job(db)
    assert started and bytes.fromhex(started.arguments["path"]) == b"Anna/Files & more/b\xffd.bin"


@pytest.mark.usefixtures("copied")
def test_everything_of_a_drive_is_counted_before_it_comes_back(anna: Browser) -> None:
    page = anna.get(f"/backup/restore/{COLD}/confirm?hot=HOT-1").text
    assert "2 files (4.0 MB) come back" in page


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("to", ["", "99", "x", str(COLD)])
def test_files_go_to_a_drive_that_holds_everything_or_nowhere(anna: Browser, db: Database, to: str) -> None:
    answer = anna.post(f"/backup/restore/{COLD}", hot="HOT-1", path="Anna", to=to)
    assert answer.status_code == 422 and "Choose the drive that the files go to." in answer.text
    assert newest_job(db) is None


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize(
    "address",
    [
        "?hot=HOT-1&path=../Anna",
        "?hot=HOT-1&path=Anna//x",
        "?hot=HOT-1&path=%252e%252e",
        "?hot=HOT-1&path=Nobody",
        "?hot=HOT-7",
        "/file?hot=HOT-1&path=Anna/nothing",
        "/confirm",
    ],
)
def test_what_is_not_in_the_copy_is_not_found(anna: Browser, address: str) -> None:
    assert anna.get(f"/backup/restore/{COLD}{address}").status_code == 404
