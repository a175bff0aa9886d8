"""Long work of the phones room: the audit of a long list."""

from typing import Any

from appliance.errors import NotFound
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.people.models import User
from appliance.phones import audit, kept, ledger
from appliance.phones.audit import Report
from appliance.phones.models import Phone
from appliance.words import N_


@job_kind("phones.audit", N_("Looking for what a phone has sent"), nice=10)
def look(progress: Progress, *, phone_id: int) -> dict[str, Any]:
    """Look for everything that a phone ever chose; each page in a transaction of its own, so nobody waits for it."""
    made, done, after = Report(), 0, b""
    with progress.db.reading() as session:
        phone = session.get(Phone, phone_id)
        if phone is None:
            raise NotFound(what="phone")
        user = session.get_one(User, phone.user_id)
        total = ledger.count(session, phone_id)
    while True:
        progress.step(N_("Looking for the copies"), done, total, unit="photos")
        with progress.db.reading() as session:
            items = ledger.page(session, phone_id, after, audit.PAGE)
            verdicts = audit.audit(session, progress.places, user, [item.digest for item in items])
        for item in items:
            made.add(item, verdicts[item.digest])
        done += len(items)
        if len(items) < audit.PAGE:
            break
        after = items[-1].digest
    made.unsafe.sort()
    made.names.sort()
    with progress.db.writing() as session:
        kept.keep(session, phone_id, total, made)
    return {"items": done, "safe": made.safe}
