"""What Google and Apple say beside the photos: the names of Google's JSON files, albums, the bin, missing parts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.importer import apple, said, takeout
from plugins.importer.sources import Entry
from tests.takeouts import album, beside

DAY = datetime(2019, 7, 1, 12, tzinfo=UTC)
FOLDER = "Takeout/Google Photos/Photos from 2019"


def google(photo: str, text: str, **more: object) -> said.Said | None:
    """What is said of a photo by a JSON file of this name beside it."""
    paths = [f"{FOLDER}/{photo}", f"{FOLDER}/{text}"]
    return takeout.told([Entry(path, 9, 0) for path in paths], {paths[1]: beside(DAY, **more)})[0].get(paths[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("photo", "text"),
    [
        ("IMG_1234.jpg", "IMG_1234.jpg.json"),
        ("IMG_1234.jpg", "IMG_1234.jpg.supplemental-metadata.json"),
        ("IMG_20200101_123456789_BURST.jpg", "IMG_20200101_123456789_BURST.jpg.supplemental-.json"),
        ("PXL_20230501_101112131.PORTRAIT-01.COVER.jpg", "PXL_20230501_101112131.PORTRAIT-01.COVER.jpg.s.json"),
        ("a" * 47 + ".jpg", "a" * 46 + ".json"),
        ("IMG_1234(1).jpg", "IMG_1234.jpg(1).json"),
        ("IMG_1234(1).jpg", "IMG_1234(1).jpg.json"),
        ("IMG_1234(2).jpg", "IMG_1234.jpg.supplemental-metadata(2).json"),
        ("IMG_1234-edited.jpg", "IMG_1234.jpg.json"),
        ("IMG_1234-edited(1).jpg", "IMG_1234.jpg(1).json"),
        ("IMG_1234-bearbeitet.jpg", "IMG_1234.jpg.supplemental-metadata.json"),
        ("IMG_1234.MP4", "IMG_1234.HEIC.json"),
        ("IMG_1234.MOV", "IMG_1234.JPG.supplemental-metadata.json"),
        ("IMG_1234.MP", "IMG_1234.jpg.json"),
        ("中文名字.jpg", "中文名字.jpg.supplemental-metadata.json"),
    ],
)
def test_the_json_of_a_photo_is_found(photo: str, text: str) -> None:
    found = google(photo, text)
    assert found is not None and found.taken == DAY


@pytest.mark.parametrize(
    ("photo", "text"),
    [
        ("IMG_1234.jpg", "IMG_123.jpg.json"),
        ("IMG_1234(1).jpg", "IMG_1234.jpg.json"),
        ("IMG_1234.jpg", "IMG_1234.jpg(1).json"),
        ("IMG_12345.jpg", "IMG_1234.jpg.json"),
        ("IMG_1234.png", "IMG_1234.jpg.json"),
    ],
)
def test_the_json_of_another_photo_is_not_taken_for_it(photo: str, text: str) -> None:
    assert google(photo, text) is None


def test_what_is_said_is_kept_and_what_says_nothing_is_not() -> None:
    place = {"latitude": 48.85, "longitude": 2.35, "altitude": 0}
    found = google(
        "IMG_1.jpg", "IMG_1.jpg.json", title="Paris by night", description="cold", favorited=True, geoData=place
    )
    assert found == said.Said(DAY, "Paris by night", "cold", True, 48.85, 2.35)
    found = google("IMG_1.jpg", "IMG_1.jpg.json", title="IMG_1.jpg", trashed=True)
    assert found == said.Said(DAY, thrown_away=True)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"photoTakenTime": 3}', b'{"photoTakenTime": {"timestamp": "1e99"}}']
)
def test_nonsense_beside_a_photo_says_nothing(text: bytes) -> None:
    paths = [f"{FOLDER}/a.jpg", f"{FOLDER}/a.jpg.json"]
    found = takeout.told([Entry(path, 1, 0) for path in paths], {paths[1]: text})[0].get(paths[0], said.NOTHING)
    assert found.taken is None


@given(st.binary(max_size=200), st.text(max_size=60))
def test_whatever_anybody_writes_there_nothing_breaks(text: bytes, name: str) -> None:
    entries = [Entry(f"x/{name}", 1, 0), Entry("x/a.json", 1, 0), Entry("x/Photo Details.csv", 1, 0)]
    said.told(entries, {"x/a.json": text, "x/Photo Details.csv": text})


def test_parts_are_one_set_and_a_folder_with_a_title_is_an_album() -> None:
    one, two = "t/takeout-20260101T000000Z-001.zip", "t/takeout-20260101T000000Z-003.zip"
    photo = f"{one}/Takeout/Google Photos/Paris/a.jpg"
    texts = {
        f"{two}/Takeout/Google Photos/Paris/a.jpg.json": beside(DAY),
        f"{two}/Takeout/Google Photos/Paris/metadata.json": album("Paris"),
        f"{one}/Takeout/Google Photos/Photos from 2019/metadata.json": album("Photos from 2019"),
    }
    year = f"{one}/Takeout/Google Photos/Photos from 2019/b.jpg"
    entries = [
        Entry(photo, 1, 0, one),
        Entry(year, 1, 0, one),
        *(Entry(path, 1, 0, path[: len(one)]) for path in texts),
    ]
    told = said.told(entries, texts)
    assert told.files[photo] == said.Said(taken=DAY, albums=("Paris",)) and year not in told.files
    assert told.companions == set(texts)
    assert told.missing_parts == ("takeout-20260101T000000Z-002.zip",)


def test_apple_tells_dates_favourites_albums_and_what_was_thrown_away() -> None:
    top = "iCloud Photos Part 1 of 2.zip/iCloud Photos Part 1 of 2"
    details = (
        b"imgName,fileChecksum,favorite,hidden,deleted,originalCreationDate,viewCount,importDate\n"
        b'IMG_1.HEIC,AX,yes,no,no,"Saturday January 13,2018 9:24 AM GMT",3,"Monday May 4,2020 1:02 PM GMT"\n'
        b'IMG_2.JPG,AY,no,no,yes,"Saturday January 13,2018 9:25 AM GMT",3,"Monday May 4,2020 1:02 PM GMT"\n'
    )
    texts = {f"{top}/Photos/Photo Details.csv": details, f"{top}/Albums/Skiing.csv": b"Images\nIMG_1.HEIC\n"}
    names = [
        "Photos/IMG_1.HEIC",
        "Photos/IMG_1.MOV",
        "Photos/IMG_2.JPG",
        "Recently Deleted/IMG_3.JPG",
        "Photos/IMG_4.JPG",
    ]
    entries = [Entry(f"{top}/{name}", 1, 0) for name in names]
    found, ours = apple.told([*entries, *(Entry(path, 1, 0) for path in texts)], texts)
    taken = datetime(2018, 1, 13, 9, 24, tzinfo=UTC)
    assert found[entries[0].path] == said.Said(taken=taken, favourite=True, albums=("Skiing",))
    assert found[entries[1].path].taken == taken
    assert found[entries[2].path].thrown_away and found[entries[3].path].thrown_away
    assert entries[4].path not in found and ours == set(texts)
