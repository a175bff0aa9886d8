"""Google Takeout and Apple exports made on the spot: archives with the names and oddities that the real ones have."""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

GOOGLE = "Takeout/Google Photos"


def beside(taken: datetime, title: str = "x.jpg", **more: Any) -> bytes:
    """Google's JSON beside a photo."""
    facts = {
        "title": title,
        "description": "",
        "imageViews": "3",
        "creationTime": {"timestamp": "1700000000"},
        "photoTakenTime": {"timestamp": str(int(taken.replace(tzinfo=UTC).timestamp())), "formatted": "…"},
        "geoData": {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0},
        "url": "https://photos.google.com/photo/x",
    }
    return json.dumps(facts | more).encode()


def album(title: str) -> bytes:
    """The JSON of an album's folder."""
    return json.dumps({"title": title, "description": "", "access": "", "date": {"timestamp": "1561939200"}}).encode()


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip, some of it packed and some not."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, content) in enumerate(files.items()):
            archive.writestr(name, content, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[number % 2])
    return path


def tarred(path: Path, files: Mapping[str, bytes], mode: Any = "w:gz") -> Path:
    """A tgz."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_700_000_000
            archive.addfile(info, io.BytesIO(content))
    return path
