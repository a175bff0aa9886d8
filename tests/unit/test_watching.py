"""What root keeps of news on a drive: bounded, handed out in lots, and kept until somebody has looked."""

import os
from pathlib import Path
from typing import Any

from appliance.watching import store
from appliance.watching.folders import Folders
from appliance.watching.store import News, Told, What


def told(folder: str, name: str, what: What = What.FILE) -> Told:
    return Told(what, os.fsencode(folder), os.fsencode(name))


def quiet() -> News:
    """As after the walk that every drive gets when it comes."""
    news = News()
    since = news.hand_out(0, 0)["since"]
    assert since and news
    news.hand_out(0, since)
    assert not news
    return news


def all_of(news: News) -> dict[str, Any]:
    """Everything, lot by lot."""
    found: dict[str, Any] = {}
    done = 0
    while True:
        lot = news.hand_out(done, 0)
        done = lot["number"]
        if not lot["folders"] and not lot["trees"]:
            return found
        for folder, names in lot["folders"]:
            found[folder] = None if names is None else found.get(folder, []) + names
        found |= dict.fromkeys(lot["trees"], "tree")


def test_each_thing_is_handed_out_once_however_often_it_was_told() -> None:
    news = quiet()
    for _ in range(3):
        for number in range(5):
            news.tell(told("Anna", f"{number}.jpg"))
        news.tell(told("Anna", "trip", What.TREE))
    assert all_of(news) == {"Anna": [f"{number}.jpg" for number in range(5)], "Anna/trip": "tree"}
    assert not news


def test_what_nobody_says_is_done_is_handed_out_again() -> None:
    news = quiet()
    news.tell(told("Anna", "one.jpg"))
    first = news.hand_out(0, 0)
    assert news, "it is not done"
    news.tell(told("Anna", "two.jpg"))
    again = news.hand_out(0, 0)
    assert again["folders"] == [["Anna", ["one.jpg", "two.jpg"]]]
    assert news.hand_out(first["number"], 0)["folders"] == again["folders"], "an old number says nothing"
    assert news.hand_out(news.hand_out(0, 0)["number"], 0)["folders"] == []
    assert not news


def test_a_name_told_while_it_was_looked_at_is_looked_at_again() -> None:
    news = quiet()
    news.tell(told("Anna", "one.jpg"))
    lot = news.hand_out(0, 0)
    news.tell(told("Anna", "one.jpg"))
    assert news.hand_out(lot["number"], 0)["folders"] == [["Anna", ["one.jpg"]]]


def test_a_large_lot_comes_in_parts() -> None:
    news = quiet()
    names = [f"{number:05d}" for number in range(store.LOT * 2 + 7)]
    for name in names:
        news.tell(told("Anna", name))
    assert sorted(all_of(news)["Anna"]) == names


def test_a_folder_with_too_much_news_is_looked_at_whole() -> None:
    news = quiet()
    news.tell(told("Bea", "one.jpg"))
    for number in range(store.MOST_NAMES + 10):
        news.tell(told("Anna", str(number)))
    found = all_of(news)
    assert found["Bea"] == ["one.jpg"] and found["Anna"] is None


def test_news_in_too_many_folders_means_everything() -> None:
    news = quiet()
    for number in range(store.MOST_FOLDERS + 1):
        news.tell(told(str(number), "one.jpg"))
    lot = news.hand_out(0, 0)
    assert lot["since"] and lot["folders"] == []
    news.tell(told("Anna", "after.jpg"))
    lot = news.hand_out(0, lot["since"])
    assert (lot["since"], lot["folders"]) == (0, [["Anna", ["after.jpg"]]])


def test_a_loss_after_the_look_began_needs_another_look() -> None:
    news = quiet()
    news.tell(Told(What.ALL))
    first = news.hand_out(0, 0)["since"]
    news.tell(Told(What.ALL))
    second = news.hand_out(0, first)["since"]
    assert second > first
    assert news.hand_out(0, second)["since"] == 0


def test_names_that_are_no_text_come_through() -> None:
    news = quiet()
    news.tell(Told(What.FILE, b"Anna \xff", b"\xfe.jpg"))
    ((folder, names),) = news.hand_out(0, 0)["folders"]
    assert (os.fsencode(folder), [os.fsencode(name) for name in names]) == (b"Anna \xff", [b"\xfe.jpg"])


def test_what_the_station_keeps_for_itself_is_no_news(tmp_path: Path) -> None:
    (tmp_path / ".everpx/incoming").mkdir(parents=True)
    (tmp_path / "Anna").mkdir()
    folders = Folders(tmp_path, tmp_path.stat().st_dev)
    try:
        (tmp_path / ".everpx/incoming/1").write_text("an upload")
        (tmp_path / ".everpx/incoming/1").rename(tmp_path / "Anna/one.jpg")
        (tmp_path / "everpx-drive.json").write_text("{}")
        assert list(folders.heard()) == [told("Anna", "one.jpg")]
    finally:
        folders.close()


def test_folders_beyond_the_limit_are_not_heard_and_that_is_known(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("appliance.watching.folders.MOST", 3)
    for name in ("2024", "2025", "2026"):
        (tmp_path / name).mkdir()
    folders = Folders(tmp_path, tmp_path.stat().st_dev)
    try:
        assert not folders.complete
        for name in ("2024", "2026"):
            (tmp_path / name / "new.jpg").write_text("x")
        assert list(folders.heard()) == [told("2026", "new.jpg")]
    finally:
        folders.close()
