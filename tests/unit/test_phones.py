"""The ledger of phones, and the audit: what counts as safe, what does not, and what may leave the phone."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from blake3 import blake3
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from appliance.backup.models import ColdFile
from appliance.db import Database, now
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.drives.mounts import Mount
from appliance.errors import Invalid, NotFound
from appliance.jobs import runner
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.library import catalogue
from appliance.library.models import StoredFile, Tombstone
from appliance.people.models import User
from appliance.phones import audit, kept, ledger
from appliance.phones.audit import State, Verdict
from appliance.phones.ledger import Chosen
from appliance.phones.models import PhoneReport
from appliance.places import Places
from tests.callers import Caller
from tests.hot_drive import hand_over, person

KEY, OTHER = "a" * 32, "b" * 32


@dataclass
class House:
    """Anna with a HOT drive and, when asked for, copies on COLD drives."""

    db: Database
    places: Places
    anna: User
    hot: Mount
    cold: list[int]

    def store(self, name: str, *, owner: str = "Anna") -> bytes:
        """A file on HOT with its row; its digest."""
        folder, content = f"{owner}/Photos".encode(), name.encode()
        path = self.hot.path / os.fsdecode(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = blake3(content).digest()
        with self.db.writing() as session:
            catalogue.record(
                session,
                folder_id=catalogue.folder_id(session, self.hot.drive_id, folder),
                name=name.encode(),
                size=len(content),
                modified_ns=path.stat().st_mtime_ns,
                digest=digest,
            )
        return digest

    def copy(self, digest: bytes, cold: int = 0, at: datetime | None = None) -> None:
        """Prove these bytes on a COLD drive."""
        with self.db.writing() as session:
            file = session.query(StoredFile).filter_by(digest=digest).one()
            facts = {"folder_id": file.folder_id, "name": file.name, "size": file.size, "modified_ns": file.modified_ns}
            session.add(ColdFile(cold_drive_id=self.cold[cold], digest=digest, proven=at or now(), **facts))

    def of(self, digest: bytes) -> Verdict:
        with self.db.reading() as session:
            return audit.audit(session, self.places, self.anna, [digest])[digest]


@pytest.fixture
def house(db: Database, places: Places, tmp_path: Path) -> Iterator[House]:
    anna = person(db)
    hot = hand_over(db, places, tmp_path / "hot")
    colds = []
    with db.writing() as session:
        for number in (1, 2):
            facts = {"name": "copy", "colour": "green", "filesystem": "ext4", "filesystem_uuid": "u", "size": 10**12}
            drive = Drive(marker_id=f"cold {number}", role=DriveRole.COLD, number=number, **facts)
            session.add(drive)
            session.flush()
            colds.append(drive.id)
    yield House(db, places, anna, hot, colds)


def test_what_arrived_is_one_copy_until_a_cold_drive_has_proven_it(house: House) -> None:
    digest = house.store("1.jpg")
    assert house.of(digest) == Verdict(State.ONE_COPY, 1, None, False)
    house.copy(digest)
    verdict = house.of(digest)
    assert (verdict.state, verdict.copies, verdict.may_go) == (State.SAFE, 2, True)
    house.copy(digest, cold=1)
    assert house.of(digest).copies == 3


def test_a_failed_or_untrustworthy_drive_holds_no_copy(house: House) -> None:
    digest = house.store("1.jpg")
    house.copy(digest)
    for state in (DriveState.FAILED, DriveState.UNTRUSTWORTHY, DriveState.RETIRED):
        with house.db.writing() as session:
            session.execute(update(Drive).where(Drive.id == house.cold[0]).values(state=state))
        assert house.of(digest) == Verdict(State.ONE_COPY, 1, None, False)


def test_a_proof_of_long_ago_keeps_a_photo_safe_but_lets_nothing_go(house: House) -> None:
    digest = house.store("1.jpg")
    house.copy(digest, at=now() - audit.LONG_AGO - timedelta(days=1))
    verdict = house.of(digest)
    assert (verdict.state, verdict.may_go) == (State.SAFE, False)


@pytest.mark.parametrize("how", ["deleted on a computer", "another file of that name"])
def test_a_file_that_is_not_at_its_place_is_no_copy_whatever_its_row_says(house: House, how: str) -> None:
    digest = house.store("1.jpg")
    house.copy(digest)
    path = house.hot.path / "Anna/Photos/1.jpg"
    if how == "deleted on a computer":
        path.unlink()
    else:
        path.write_bytes(b"something else")
    assert (house.of(digest).state, house.of(digest).may_go) == (State.ONE_COPY, False)
    house.copy(digest, cold=1)
    assert (house.of(digest).state, house.of(digest).copies) == (State.SAFE, 2)


def test_a_damaged_file_is_said_to_be_damaged(house: House) -> None:
    digest = house.store("1.jpg")
    house.copy(digest)
    with house.db.writing() as session:
        session.execute(update(StoredFile).values(damaged=True))
    assert (house.of(digest).state, house.of(digest).copies) == (State.DAMAGED, 1)


def test_a_drive_that_is_not_here_can_vouch_for_nothing(house: House) -> None:
    alone, copied = house.store("1.jpg"), house.store("2.jpg")
    house.copy(copied)
    shutil.rmtree(house.hot.path)
    assert house.of(alone) == Verdict(State.AWAY, 0, None, False)
    assert (house.of(copied).state, house.of(copied).may_go) == (State.ONE_COPY, False)


def test_what_never_arrived_and_what_was_deleted_are_told_apart(house: House) -> None:
    never, deleted, back = b"n" * 32, b"d" * 32, house.store("back.jpg")
    with house.db.writing() as session:
        for digest in (deleted, back):
            session.add(Tombstone(user_id=house.anna.id, digest=digest))
    assert house.of(never).state is State.MISSING
    assert house.of(deleted).state is State.DELETED
    assert house.of(back).state is State.ONE_COPY, "the same bytes have come back since"


def test_somebody_else_s_photo_is_not_mine(house: House) -> None:
    digest = house.store("1.jpg", owner="Anna Maria")
    house.copy(digest)
    assert house.of(digest) == Verdict(State.MISSING, 0, None, False)


def test_the_report_counts_everything_and_names_what_is_not_safe(house: House) -> None:
    every = [house.store(f"{number}.jpg") for number in range(6)]
    for digest in every[:4]:
        house.copy(digest)
    house.copy(every[0], cold=1)
    with house.db.writing() as session:
        phone = ledger.register(session, house.anna, KEY, "Anna's phone")
        items = [Chosen(digest, f"{number}.jpg", 10) for number, digest in enumerate(every)]
        ledger.keep(session, phone, [*items, Chosen(b"x" * 32, "lost.jpg", 10), Chosen(b"y" * 32, "gone.jpg", 10)])
        session.add(Tombstone(user_id=house.anna.id, digest=b"y" * 32))
    with house.db.reading() as session:
        report = audit.report(session, house.places, house.anna, phone.id)
    assert (report.safe, report.total, dict(report.in_copies)) == (4, 7, {3: 1, 2: 3})
    assert report.unsafe == [("4.jpg", State.ONE_COPY), ("5.jpg", State.ONE_COPY), ("lost.jpg", State.MISSING)]
    assert (report.may_go, report.may_go_bytes, report.names) == (4, 40, ["0.jpg", "1.jpg", "2.jpg", "3.jpg"])
    assert report.states[State.DELETED] == 1


def test_a_list_longer_than_a_page_is_counted_whole(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE", 7)
    with house.db.writing() as session:
        phone = ledger.register(session, house.anna, KEY, "phone")
        ledger.keep(session, phone, [Chosen(blake3(bytes([n])).digest(), f"{n}", 1) for n in range(21)])
    with house.db.reading() as session:
        assert audit.report(session, house.places, house.anna, phone.id).total == 21


def test_copies_are_looked_up_one_by_one_however_much_a_cold_drive_holds(db: Database) -> None:
    with db.reading() as session:
        statement = str(
            audit.COLD.bindparams(ids=[1], drives=[2]).compile(db.engine, compile_kwargs={"render_postcompile": True})
        )
        plan = session.connection().exec_driver_sql(f"explain query plan {statement}", (1, 2))
        steps = [row[3] for row in plan]
    assert steps[0].startswith("SEARCH s USING INTEGER PRIMARY KEY")
    assert "uq_cold_file_place (cold_drive_id=? AND folder_id=? AND name=?)" in steps[1]


# ---- the ledger ----


def test_a_phone_is_one_person_s_and_what_it_says_twice_is_kept_once(db: Database) -> None:
    anna, ben = person(db), person(db, "Ben")
    with db.writing() as session:
        phone = ledger.register(session, anna, KEY, "Chrome, Android")
        ledger.rename(phone, "  Anna's   phone ")
        assert ledger.register(session, anna, KEY, "Chrome, Android").name == "Anna's phone"
        assert ledger.register(session, ben, KEY, "Chrome, Android").id != phone.id
        for name in ("first", "second"):
            ledger.keep(session, phone, [Chosen(b"x" * 32, name, 1)])
        assert [item.name for item in ledger.page(session, phone.id, b"", 10)] == ["first"]
        with pytest.raises(NotFound):
            ledger.get(session, ben.id, OTHER)


@pytest.mark.parametrize("key", ["", "a" * 31, "A" * 32, "../../" + "a" * 26, "a" * 33])
def test_a_key_is_32_hexadecimal_digits(db: Database, key: str) -> None:
    anna = person(db)
    with db.writing() as session, pytest.raises(Invalid):
        ledger.register(session, anna, key, "phone")


def test_a_round_grows_until_it_is_finished_and_stays_then(db: Database) -> None:
    anna = person(db)

    def told(session: Session, *, finished: bool = False, **counts: int) -> tuple[int, int, bool]:
        row = ledger.note_round(session, phone, KEY, counts, finished=finished)
        session.expire(row)
        return row.found, row.sent, row.finished is not None

    with db.writing() as session:
        phone = ledger.register(session, anna, KEY, "phone")
        assert told(session, found=12) == (12, 0, False)
        assert told(session, found=12, sent=5) == (12, 5, False)
        assert told(session, found=12, sent=7, finished=True) == (12, 7, True)
        assert told(session, found=99) == (12, 7, True), "a late word of a closed page changes nothing"
        assert len(ledger.rounds(session, phone.id)) == 1


def test_a_phone_keeps_its_last_rounds(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "KEPT_ROUNDS", 3)
    anna = person(db)
    with db.writing() as session:
        phone = ledger.register(session, anna, KEY, "phone")
        for number in range(5):
            ledger.note_round(session, phone, f"{number:032x}", {"found": number}, finished=True)
        assert [row.found for row in ledger.rounds(session, phone.id)] == [4, 3, 2]


def test_forgetting_a_phone_forgets_its_list_and_rounds(db: Database) -> None:
    anna = person(db)
    with db.writing() as session:
        phone = ledger.register(session, anna, KEY, "phone")
        ledger.keep(session, phone, [Chosen(b"x" * 32, "1", 1)])
        ledger.note_round(session, phone, KEY, {}, finished=True)
        ledger.remove(session, phone)
    with db.reading() as session:
        assert (ledger.count(session, phone.id), list(ledger.rounds(session, phone.id))) == (0, [])


# ---- the API ----


def test_a_phone_tells_its_story_by_the_api(member: Caller, admin: Caller) -> None:
    assert member("PUT", f"/phones/{KEY}", {"name": "Bens"}).get_json()["name"] == "Bens"
    items = [{"digest": bytes([n]).hex() * 32, "name": f"{n}.jpg", "size": n} for n in range(3)]
    assert member("POST", f"/phones/{KEY}/items", {"items": items}).status_code == 204
    assert member("GET", f"/phones/{KEY}/items").get_json() == {"items": items, "after": None}
    state = {"found": 3, "sent": 2, "failed": 1, "bytes": 7, "finished": True}
    told = member("PUT", f"/phones/{KEY}/rounds/{OTHER}", state).get_json()
    assert told["finished"] and (told["found"], told["sent"], told["bytes"]) == (3, 2, 7)
    report = member("GET", f"/phones/{KEY}/audit").get_json()
    assert (report["total"], report["safe"], report["states"]["missing"]) == (3, 0, 3)
    assert admin("GET", f"/phones/{KEY}/audit").status_code == 404, "nobody else's"
    assert member("DELETE", f"/phones/{KEY}").status_code == 204
    assert member("GET", "/phones").get_json() == []


def test_the_audit_of_any_list_is_answered_in_its_order(member: Caller) -> None:
    digests = [bytes([n]).hex() * 32 for n in (3, 1, 2)]
    answer = member("POST", "/audit", {"digests": digests}).get_json()["items"]
    assert [one["digest"] for one in answer] == digests
    assert {one["state"] for one in answer} == {"missing"}
    assert member("POST", "/audit", {"digests": ["zz"]}).status_code == 422
    assert member("POST", "/audit", {"digests": ["0" * 64] * 10_001}).status_code in (413, 422)


def test_a_phone_is_told_what_was_deleted_here(member: Caller, db: Database) -> None:
    with db.writing() as session:
        session.add(Tombstone(user_id=member.user.id, digest=b"d" * 32))
    asked = [b.hex() * 32 for b in (b"d", b"e")]
    answer = member("POST", "/known", {"digests": asked}).get_json()
    assert answer == {"known": [], "deleted": [asked[0]]}


def test_what_a_whole_listing_no_longer_has_left_the_phone_and_nothing_is_deleted(member: Caller) -> None:
    member("PUT", f"/phones/{KEY}", {})
    digests = [bytes([n]).hex() * 32 for n in range(4)]
    chosen = [{"digest": digest, "name": f"{n}.jpg", "size": 1} for n, digest in enumerate(digests)]
    member("POST", f"/phones/{KEY}/items", {"items": chosen})

    def tell(listing: str, some: list[str], **more: bool) -> int:
        said = member("POST", f"/phones/{KEY}/present", {"listing": listing * 32, "digests": some} | more)
        assert said.status_code == 200, said.text
        return int(said.json["left"])

    assert tell("a", digests[:1]) == 0, "only the last page says so"
    assert tell("a", digests[1:3], whole=True) == 1
    assert tell("b", digests[3:], whole=True) == 3
    assert member("GET", f"/phones/{KEY}/audit").json["left"] == 3
    assert len(member("GET", f"/phones/{KEY}/items").json["items"]) == 4
    member("POST", f"/phones/{KEY}/items", {"items": chosen[:1]})  # chosen again
    assert member("GET", f"/phones/{KEY}/audit").json["left"] == 2
    assert member("POST", f"/phones/{KEY}/present", {"listing": "x", "digests": []}).status_code == 422


def test_the_audit_of_a_long_list_is_kept_and_made_by_a_job(
    member: Caller, db: Database, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "AT_ONCE", 2)
    monkeypatch.setattr(audit, "PAGE", 2)
    member("PUT", f"/phones/{KEY}", {})
    chosen = [{"digest": bytes([n]).hex() * 32, "name": f"{n}.jpg", "size": 1} for n in range(5)]
    member("POST", f"/phones/{KEY}/items", {"items": chosen})
    first = member("GET", f"/phones/{KEY}/audit").json
    assert (first["made"], first["again"], first["total"]) == (None, True, 0)

    def work() -> list[int]:
        with db.reading() as session:
            waiting = session.scalars(select(Job.id).where(Job.kind == kept.JOB, Job.state == JobState.WAITING)).all()
        for job_id in waiting:
            job = runner.claim(db, job_id)
            assert job is not None
            runner.run(db, Progress(db, lambda verb, request: {}, places, job), job)
            with db.reading() as session:
                assert session.get_one(Job, job_id).state is JobState.DONE
        return list(waiting)

    assert len(work()) == 1
    second = member("GET", f"/phones/{KEY}/audit").json
    assert second["made"] and not second["again"] and second["states"]["missing"] == second["total"] == 5
    assert [each["name"] for each in second["unsafe"]] == [f"{n}.jpg" for n in range(5)]
    assert work() == [], "it is fresh"
    member("POST", f"/phones/{KEY}/items", {"items": [{"digest": "ff" * 32, "name": "new.jpg", "size": 1}]})
    grown = member("GET", f"/phones/{KEY}/audit").json
    assert (grown["total"], grown["again"]) == (5, True) and len(work()) == 1
    with db.writing() as session:
        session.execute(update(PhoneReport).values(made=now() - kept.FRESH * 2))
    assert member("GET", f"/phones/{KEY}/audit").json["again"] and len(work()) == 1
