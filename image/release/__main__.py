"""The publisher's tool.  What each step is for, and in which order: docs/release.md.

python -m image.release key root-1.pem                          a new key; its public name is printed
python -m image.release keys keys-1.json --root NAME… --needed 2 --channel stable=NAME --release release.crt
python -m image.release keys keys-2.json --after keys-1.json …  the next list: what is not given stays
python -m image.release sign keys-2.json root-1.pem             one more signature, at whatever place the key lies
python -m image.release authority release-authority             the certificate above all that sign bundles
python -m image.release signer release --authority release-authority   one that signs bundles
python -m image.release bundle build/image/arm64 --signer release --authority release-authority.pem
python -m image.release announce stable.json --key stable.pem --version 1.4.0 --bundle MODEL,MANIFEST,SIZE,URL
python -m image.release check keys-1.json keys-2.json … [--channel stable=stable.json]
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError
from appliance.upgrade import documents, keys, trust
from appliance.upgrade.state import Clock, State, Station
from image.build import bundle
from image.build.keys import AUTHORITY, CERTIFICATE, KEY
from image.build.programs import BuildFailed, run
from image.release import certificates, signing

BEFORE_ALL = "0.0.0"


def main(words: list[str] | None = None) -> None:
    """Do one step, or say why not."""
    given = _options().parse_args(words)
    try:
        given.step(given)
    except ApplianceError as error:
        sys.exit(f"A station would refuse this: {error}")
    except (OSError, ValueError, BuildFailed) as error:
        sys.exit(str(error))


def make_key(given: argparse.Namespace) -> None:
    """A private key that only its owner can read; an existing file is never replaced."""
    pem = signing.new_key()
    with os.fdopen(os.open(given.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(pem)
        out.flush()
        os.fsync(out.fileno())
    print(signing.public(signing.opened(pem)))


def make_list(given: argparse.Namespace) -> None:
    """A list of keys without signatures: the first, or the one after another."""
    before = documents.opened(given.after.read_bytes(), keys.KIND, keys.FIELDS).body if given.after else _NOTHING
    channels = {**before["channels"], **_by_name(given.channel)}
    made = signing.list_of_keys(
        before["version"] + 1,
        given.root or before["root"]["keys"],
        given.needed or before["root"]["needed"],
        {name: having for name, having in channels.items() if having != [""]},
        [signing.certificate_hash(one.read_bytes()) for one in given.release] or before["release"],
        int(time.time()),
        given.days,
    )
    documents.opened(made, keys.KIND, keys.FIELDS)
    given.file.write_bytes(made)
    print(f"List number {before['version'] + 1}. Now it needs the signatures of its root keys and of those before it.")


def sign(given: argparse.Namespace) -> None:
    """Add the signatures of these keys."""
    made = signing.signed(given.file.read_bytes(), *(signing.opened(key.read_bytes()) for key in given.key))
    given.file.write_bytes(made)


def make_authority(given: argparse.Namespace) -> None:
    """NAME.pem goes into every image; NAME.key is needed once for each signer."""
    _write_pair(given.name.with_suffix(".pem"), certificates.authority("Everpx releases"), given.name)


def make_signer(given: argparse.Namespace) -> None:
    """NAME.crt and NAME.key, which sign bundles."""
    above = certificates.Pair(given.authority.with_suffix(".pem").read_bytes(),
                              given.authority.with_suffix(".key").read_bytes())  # fmt: skip
    _write_pair(given.name.with_suffix(".crt"), certificates.signer(above, f"Everpx {given.name.name}"), given.name)


def make_bundle(given: argparse.Namespace) -> None:
    """Sign the slot images of a build; what ``announce`` wants of it is printed.  Needs the program rauc."""
    built = json.loads((given.images / "build.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder)
        for source, name in ((given.authority, AUTHORITY), (given.signer.with_suffix(".crt"), CERTIFICATE),
                             (given.signer.with_suffix(".key"), KEY)):  # fmt: skip
            (keys / name).write_bytes(source.read_bytes())
        signed = bundle.made(given.images, built["model"], built["version"], keys, given.out or given.images, run)
        print(
            f"{built['model']},{bundle.manifest_hash(signed, keys, run)},{signed.stat().st_size},https://…/{signed.name}"
        )


def _write_pair(certificate: Path, pair: certificates.Pair, name: Path) -> None:
    for place, content, mode in ((name.with_suffix(".key"), pair.key, 0o600), (certificate, pair.certificate, 0o644)):
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())


def announce(given: argparse.Namespace) -> None:
    """A channel file, signed; the hash of a bundle's manifest is what ``rauc info`` says."""
    bundles: dict[str, dict[str, str | int]] = {}
    for one in given.bundle:
        model, manifest, size, url = one.split(",", 3)
        bundles[model] = {"manifest": manifest, "size": int(size), "url": url}
    made = signing.channel_file(given.channel, given.version, bundles, int(time.time()), given.min_version, given.days)
    made = signing.signed(made, signing.opened(given.key.read_bytes()))
    documents.opened(made, trust.KIND, trust.FIELDS)
    given.file.write_bytes(made)


def check(given: argparse.Namespace) -> None:
    """Read it all as a station does that has the first list, and knows the time."""
    state = State(keys.of_image(given.files[0].read_bytes()), BEFORE_ALL)
    for following in given.files[1:]:
        state = state.following(following.read_bytes())
    print(f"Good up to list number {state.keys.version}.")
    station, clock = Station("", BEFORE_ALL, 0), Clock(int(time.time()), synchronised=True)
    for channel, (file,) in _by_name(given.channel).items():
        said, _ = trust.hear(state, station, clock, channel, Path(file).read_bytes())
        print(f"{channel}: version {said.version} for {', '.join(said.offers)}.")


_NOTHING: dict[str, Any] = {"version": 0, "root": {"keys": [], "needed": 1}, "channels": {}, "release": []}


def _by_name(pairs: list[str]) -> dict[str, list[str]]:
    """``name=value,value`` as they are given."""
    return {name: values.split(",") for name, _, values in (pair.partition("=") for pair in pairs)}


def _options() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    options = argparse.ArgumentParser(prog="python -m image.release", description=__doc__, formatter_class=raw)
    steps = options.add_subparsers(required=True)

    step = steps.add_parser("key", help="make a key")
    step.add_argument("file", type=Path)
    step.set_defaults(step=make_key)

    step = steps.add_parser("keys", help="make a list of whom to trust, not signed yet")
    step.add_argument("file", type=Path)
    step.add_argument("--after", type=Path, help="the list that it follows")
    step.add_argument("--root", nargs="+", default=[], help="names of root keys")
    step.add_argument("--needed", type=int, default=0, help="how many of them have to sign (1, or as before)")
    step.add_argument("--channel", nargs="+", default=[], help="stable=NAME,NAME; stable= ends a channel")
    step.add_argument("--release", nargs="+", type=Path, default=[], help="certificates that sign bundles")
    step.add_argument("--days", type=int, default=signing.KEYS_GOOD_FOR)
    step.set_defaults(step=make_list)

    step = steps.add_parser("sign", help="add signatures to a document")
    step.add_argument("file", type=Path)
    step.add_argument("key", type=Path, nargs="+")
    step.set_defaults(step=sign)

    step = steps.add_parser("authority", help="make the certificate above all signers")
    step.add_argument("name", type=Path)
    step.set_defaults(step=make_authority)

    step = steps.add_parser("signer", help="make a certificate that signs bundles")
    step.add_argument("name", type=Path)
    step.add_argument("--authority", type=Path, required=True)
    step.set_defaults(step=make_signer)

    step = steps.add_parser("bundle", help="sign the slot images of a build")
    step.add_argument("images", type=Path, help="where a build put them")
    step.add_argument("--signer", type=Path, required=True, help="its .crt and .key")
    step.add_argument("--authority", type=Path, required=True, help="release-authority.pem")
    step.add_argument("--out", type=Path)
    step.set_defaults(step=make_bundle)

    step = steps.add_parser("announce", help="make and sign a channel file")
    step.add_argument("file", type=Path)
    step.add_argument("--key", type=Path, required=True)
    step.add_argument("--channel", default="stable")
    step.add_argument("--version", required=True)
    step.add_argument("--min-version", default=BEFORE_ALL, help="the lowest version that it can follow")
    step.add_argument("--bundle", action="append", required=True, metavar="MODEL,MANIFEST,SIZE,URL")
    step.add_argument("--days", type=int, default=signing.GOOD_FOR)
    step.set_defaults(step=announce)

    step = steps.add_parser("check", help="read lists and channel files as a station does")
    step.add_argument("files", type=Path, nargs="+")
    step.add_argument("--channel", nargs="+", default=[], help="stable=FILE")
    step.set_defaults(step=check)
    return options


if __name__ == "__main__":
    main()
