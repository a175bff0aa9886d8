"""RAUC's way to the boot state (``bootloader=custom``): ``python -m appliance.upgrade.backend VERB [SLOT [STATE]]``.

``get-primary``, ``get-current`` and ``get-state SLOT`` print an answer; ``set-primary SLOT`` only makes a slot wait for
the restart that tries it; ``set-state SLOT good`` of the running slot keeps it, ``bad`` of the other one is what RAUC
says before it writes there.
"""

import sys

from appliance.errors import ApplianceError
from appliance.upgrade import boot
from appliance.upgrade.boot import Boot
from appliance.upgrade.loaders import SLOTS


def answer(slots: Boot, words: list[str]) -> str:
    """What is printed.  Raises ValueError for words that nobody knows."""
    match words:
        case ["get-primary"]:
            return slots.primary()
        case ["get-current"]:
            return slots.start.slot
        case ["get-state", slot] if slot in SLOTS:
            return "good" if slots.is_good(slot) else "bad"
        case ["set-primary", slot] if slot in SLOTS:
            slots.stage(slot)
        case ["set-state", slot, "good"] if slot in SLOTS:
            slots.commit(slot)
        case ["set-state", slot, "bad"] if slot in SLOTS:
            slots.unstage(slot)
        case _:
            raise ValueError(f"not known: {' '.join(words)}")
    return ""


def main() -> None:
    """Answer RAUC."""
    try:
        said = answer(boot.here(), sys.argv[1:])
    except (ApplianceError, OSError, ValueError) as error:
        sys.exit(str(error))
    if said:
        print(said)


if __name__ == "__main__":
    main()
