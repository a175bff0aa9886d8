"""The list of everything inside (SPDX 2.3), from what Debian and Python packages say of themselves."""

import datetime
import email.parser
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def of_debian(packages: Iterable[str], arch: str) -> list[dict[str, Any]]:
    """Entries for ``name=version`` lines."""
    locator = f"pkg:deb/debian/{{}}@{{}}?arch={arch}&distro=debian-13"
    pairs = (line.partition("=") for line in packages)
    return [_entry(name, version, locator) for name, _, version in pairs]


def of_python(site: Path) -> list[dict[str, Any]]:
    """Entries for installed Python packages, with the licence that each one names."""
    found = []
    for path in sorted(site.glob("*.dist-info/METADATA")):
        said = email.parser.HeaderParser().parsestr(path.read_text())
        entry = _entry(said["Name"], said["Version"], "pkg:pypi/{}@{}")
        entry["comment"] = (
            f"Licence as its authors name it: {said['License-Expression'] or said['License'] or 'not named'}"
        )
        found.append(entry)
    return found


def of_source(name: str, version: str, licence: str) -> dict[str, Any]:
    """An entry for what the build compiled from one of Debian's source packages."""
    entry = _entry(name, version, "pkg:deb/debian/{}@{}?arch=source&distro=debian-13")
    said = "Compiled by the build from Debian's source, in parts (image/film-parts.txt)."
    return {**entry, "licenseDeclared": licence, "comment": said}


def of_ours(name: str, version: str, licence: str) -> dict[str, Any]:
    """An entry for a part of the station's own that has another licence than the station."""
    return {**_entry(name, version, "pkg:generic/{}@{}"), "licenseDeclared": licence}


def document(name: str, version: str, entries: list[dict[str, Any]], epoch: int) -> str:
    """The whole document; the same text for the same contents."""
    made = datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    image = _entry(name, version, "pkg:generic/{}@{}")
    whole = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{name} {version}",
        "documentNamespace": f"urn:everpx:{name}:{version}:{epoch}",
        "creationInfo": {"created": made, "creators": ["Tool: everpx-build-image"]},
        "packages": [image, *entries],
        "relationships": [
            _related("SPDXRef-DOCUMENT", "DESCRIBES", image),
            *(_related(image["SPDXID"], "CONTAINS", one) for one in entries),
        ],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _entry(name: str, version: str, locator: str) -> dict[str, Any]:
    where = locator.format(name, version)
    kind = "Package-" + re.sub(r"[^A-Za-z0-9.-]", "-", where.partition("?")[0].removeprefix("pkg:"))
    return {
        "SPDXID": f"SPDXRef-{kind}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": where}],
    }


def _related(one: str, how: str, other: dict[str, Any]) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other["SPDXID"]}
