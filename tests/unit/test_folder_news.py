"""Hearing from the kernel that something in a folder changed."""

import select
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.db import Database
from appliance.folder_news import NAMES, ONCE, WRITTEN, FolderNews


@pytest.fixture
def news() -> Iterator[FolderNews]:
    with closing(FolderNews()) as made:
        yield made


def told(news: FolderNews) -> bool:
    return bool(select.select([news], [], [], 0)[0])


def test_a_name_that_comes_or_goes_is_told(news: FolderNews, tmp_path: Path) -> None:
    assert news.listen(tmp_path, NAMES)
    assert not told(news) and not news.heard()
    (tmp_path / "here").touch()
    assert told(news) and news.heard() and not told(news)
    (tmp_path / "here").rename(tmp_path / "there")
    assert news.heard()
    (tmp_path / "there").unlink()
    assert news.heard()


def test_once_is_once_until_asked_again(news: FolderNews, tmp_path: Path) -> None:
    for _ in range(2):
        assert news.listen(tmp_path, WRITTEN | ONCE)
        (tmp_path / "file").write_text("one")
        assert news.heard()
        (tmp_path / "file").write_text("two")
        news.heard()  # what was told before it was read
        (tmp_path / "file").write_text("three")
        assert not news.heard()


def test_a_commit_is_told(news: FolderNews, db: Database) -> None:
    with db.writing() as session:
        session.connection().exec_driver_sql("create table told (number)")
    assert news.listen(db.path.parent, WRITTEN | ONCE)
    with db.reading() as session:
        session.connection().exec_driver_sql("select * from told").all()
    assert not news.heard()
    with db.writing() as session:
        session.connection().exec_driver_sql("insert into told values (1)")
    assert news.heard()


def test_what_is_not_there_cannot_tell(news: FolderNews, tmp_path: Path) -> None:
    assert not news.listen(tmp_path / "nowhere", NAMES)
    (tmp_path / "file").touch()
    assert not news.listen(tmp_path / "file", NAMES)


def test_where_the_system_has_none_left_nothing_is_heard(tmp_path: Path) -> None:
    news = FolderNews()
    news.close()
    assert not news.listen(tmp_path, NAMES) and not news.heard()
