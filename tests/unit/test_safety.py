"""Home's counters: true whoever writes the tables they are kept from."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from appliance.backup.models import ColdFile
from appliance.db import Database, now
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.library.models import Folder, Media, MediaKind, MediaMonth, StoredFile
from appliance.library.safety import safety
from appliance.people.models import Role, User

TAKEN = datetime(2026, 5, 6, tzinfo=UTC)


@pytest.fixture
def family(db: Database) -> Database:
    """Anna, a HOT and two COLD drives, three photos on HOT."""
    with db.writing() as session:
        session.add(User(id=1, name="Anna", folder="Anna", role=Role.ADMIN, password_hash="x"))
        for number, (role, tag) in enumerate([(DriveRole.HOT, 1), (DriveRole.COLD, 1), (DriveRole.COLD, 2)], 1):
            session.add(
                Drive(
                    id=number,
                    marker_id=str(number),
                    role=role,
                    number=tag,
                    name="drive",
                    colour="blue",
                    filesystem="ext4",
                    filesystem_uuid="u",
                    size=10,
                )
            )
        session.flush()
        session.add(Folder(id=1, drive_id=1, path=b"Anna/Photos"))
        session.flush()
        for number in (1, 2, 3):
            session.add(
                StoredFile(id=number, folder_id=1, name=b"%d" % number, size=1, modified_ns=1, digest=bytes([number]))
            )
            session.flush()
            session.add(
                Media(
                    id=number,
                    file_id=number,
                    user_id=1,
                    kind=MediaKind.PHOTO,
                    taken=TAKEN,
                    taken_from="exif",
                    month=202605,
                )
            )
    return db


def copy(session: Session, file: int, cold: int, digest: int | None = None) -> None:
    session.add(
        ColdFile(
            cold_drive_id=cold,
            folder_id=1,
            name=b"%d" % file,
            size=1,
            modified_ns=1,
            digest=bytes([digest or file]),
            proven=now(),
        )
    )
    session.flush()


def alone(db: Database) -> int:
    with db.reading() as session:
        return safety(session).on_one_drive_only


def test_a_proven_copy_makes_a_memory_safe(family: Database) -> None:
    assert alone(family) == 3
    with family.writing() as session:
        copy(session, 1, cold=2)
        copy(session, 1, cold=3)
        copy(session, 2, cold=2)
    assert alone(family) == 1
    with family.reading() as session:
        assert safety(session, user_id=1).safe == 2
        assert safety(session, user_id=99).total == 0


def test_a_copy_of_other_bytes_does_not_count(family: Database) -> None:
    with family.writing() as session:
        copy(session, 1, cold=2, digest=77)
    assert alone(family) == 3


def test_a_changed_file_is_on_one_drive_only_again(family: Database) -> None:
    with family.writing() as session:
        copy(session, 1, cold=2)
        session.execute(update(StoredFile).where(StoredFile.id == 1).values(digest=b"new"))
    assert alone(family) == 3


def test_losing_one_of_two_copies_keeps_it_safe_and_losing_both_does_not(family: Database) -> None:
    with family.writing() as session:
        copy(session, 1, cold=2)
        copy(session, 1, cold=3)
        session.execute(delete(ColdFile).where(ColdFile.cold_drive_id == 2))
    assert alone(family) == 2
    with family.writing() as session:
        session.execute(delete(ColdFile))
    assert alone(family) == 3


def test_copies_on_a_drive_that_lied_do_not_count(family: Database) -> None:
    with family.writing() as session:
        copy(session, 1, cold=2)
        session.execute(update(Drive).where(Drive.id == 2).values(state=DriveState.UNTRUSTWORTHY))
    assert alone(family) == 3


def test_months_are_counted_through_every_change(family: Database) -> None:
    with family.writing() as session:
        session.execute(update(Media).where(Media.id == 1).values(month=202604))
        session.execute(delete(Media).where(Media.id == 2))
    with family.reading() as session:
        assert dict(session.execute(select(MediaMonth.month, MediaMonth.count)).all()) == {202604: 1, 202605: 1}
