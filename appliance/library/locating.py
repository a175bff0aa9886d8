"""Giving photos the name of the town they were taken in; part of the job that makes previews."""

from sqlalchemy import select, update

from appliance.jobs.progress import Progress
from appliance.library.models import Media

BATCH = 500


def named(latitude: float | None, longitude: float | None) -> dict[str, str]:
    """The columns ``place`` and ``country`` for coordinates; empty where nobody lives near."""
    if latitude is None or longitude is None:
        return {"place": "", "country": ""}
    from appliance.library.geography.towns import towns  # 15 MB that only photos with coordinates need

    found = towns().nearest(latitude, longitude)
    return {"place": found.town, "country": found.country}


def name_rest(progress: Progress) -> int:
    """Name the places of photos that have coordinates from before there were names; how many were named."""
    after = count = 0
    while True:
        with progress.db.reading() as session:
            missing = select(Media.id, Media.latitude, Media.longitude)
            missing = missing.where(Media.latitude.is_not(None), Media.country == "", Media.id > after)
            rows = session.execute(missing.order_by(Media.id).limit(BATCH)).all()
        if not rows:
            return count
        found = [(media_id, facts) for media_id, *place in rows if (facts := named(*place))["country"]]
        with progress.db.writing() as session:
            for media_id, facts in found:
                session.execute(update(Media).where(Media.id == media_id).values(**facts))
        count += len(found)
        after = rows[-1].id
