"""A plan: when something happens by itself, as a person says it, and as cron writes it.

Only what can be said in plain words can be planned, so that everything planned can be said.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from appliance.errors import Invalid
from appliance.words import N_, Message


class Rhythm(StrEnum):
    """How often."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    HOURLY = "hourly"
    BY_HAND = "by_hand"


#: Monday first, as a family's calendar has it; cron counts from Sunday.
WEEKDAYS = (
    ("monday", N_("Monday")),
    ("tuesday", N_("Tuesday")),
    ("wednesday", N_("Wednesday")),
    ("thursday", N_("Thursday")),
    ("friday", N_("Friday")),
    ("saturday", N_("Saturday")),
    ("sunday", N_("Sunday")),
)
HOURS = (3, 4, 6, 8, 12)  # those that divide a day and leave two hours between two runs
LAST_DAY = 28  # which every month has
TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
CRON = re.compile(r"(\d+) (\d+|\*/\d+) (\d+|\*) \* (\*|[0-6](?:,[0-6])*)")


@dataclass(frozen=True)
class Plan:
    """When.  Fields that the rhythm does not need keep their defaults."""

    rhythm: Rhythm
    hour: int = 3
    minute: int = 0
    days: tuple[int, ...] = ()  # weekly: 0 is Monday
    day: int = 1  # monthly
    every: int = 0  # hourly

    @property
    def time(self) -> str:
        """``03:00``"""
        return f"{self.hour:02}:{self.minute:02}"

    def cron(self) -> str:
        """Five fields, or "" for by hand only."""
        match self.rhythm:
            case Rhythm.DAILY:
                return f"{self.minute} {self.hour} * * *"
            case Rhythm.WEEKLY:
                days = ",".join(str((day + 1) % 7) for day in sorted(self.days))
                return f"{self.minute} {self.hour} * * {days}"
            case Rhythm.MONTHLY:
                return f"{self.minute} {self.hour} {self.day} * *"
            case Rhythm.HOURLY:
                return f"{self.minute} */{self.every} * * *"
            case Rhythm.BY_HAND:
                return ""

    @classmethod
    def from_cron(cls, text: str) -> "Plan":
        """The inverse of :meth:`cron`.  Raises ValueError for what no plan writes."""
        if text == "":
            return cls(Rhythm.BY_HAND)
        found = CRON.fullmatch(text)
        if found is None:
            raise ValueError(f"not a plan: {text}")
        minute, hour, day, weekdays = found.groups()
        if hour.startswith("*/"):
            return cls(Rhythm.HOURLY, minute=int(minute), every=int(hour[2:]))
        if weekdays != "*":
            days = tuple(sorted((int(d) - 1) % 7 for d in weekdays.split(",")))
            return cls(Rhythm.WEEKLY, int(hour), int(minute), days=days)
        if day != "*":
            return cls(Rhythm.MONTHLY, int(hour), int(minute), day=int(day))
        return cls(Rhythm.DAILY, int(hour), int(minute))

    def words(self) -> Message:
        """``Every Sunday at 03:00``"""
        match self.rhythm:
            case Rhythm.DAILY:
                return Message(N_("Every day at {time}"), {"time": self.time})
            case Rhythm.WEEKLY:
                return Message(N_("Every {days} at {time}"), {"days": _listed(self.days), "time": self.time})
            case Rhythm.MONTHLY:
                return Message(N_("Every month on day {day} at {time}"), {"day": self.day, "time": self.time})
            case Rhythm.HOURLY:
                return Message(N_("Every {hours} hours"), {"hours": self.every})
            case Rhythm.BY_HAND:
                return Message(N_("Only when somebody starts it"))


def _listed(days: Sequence[int]) -> Message:
    """``Monday, Wednesday and Sunday``"""
    names = [Message(WEEKDAYS[day][1]) for day in days]
    listed = names[0]
    for name in names[1:-1]:
        listed = Message(N_("{these}, {next}"), {"these": listed, "next": name})
    return listed if len(names) == 1 else Message(N_("{these} and {last}"), {"these": listed, "last": names[-1]})


def parse(form: Mapping[str, str], days: Sequence[str] | None = None) -> Plan:
    """A form's values as a plan.  Raises Invalid naming each field that is wrong.

    Fields: ``rhythm``; ``time`` ("03:00"); ``days`` (weekday names, either the argument or one text with commas);
    ``day`` (of the month); ``every`` (hours).  Only those that the rhythm needs are looked at.
    """
    rhythm = _rhythm(form.get("rhythm", ""))
    problems: dict[str, Message | str] = {}
    hour, minute = 3, 0
    if rhythm in (Rhythm.DAILY, Rhythm.WEEKLY, Rhythm.MONTHLY):
        hour, minute = _time(form.get("time", ""), problems)
    chosen: tuple[int, ...] = ()
    if rhythm is Rhythm.WEEKLY:
        chosen = _weekdays(days if days is not None else form.get("days", "").split(","), problems)
    day, every = 1, 0
    if rhythm is Rhythm.MONTHLY:
        day = _number(form, "day", range(1, LAST_DAY + 1), N_("Choose a day from 1 to 28."), problems)
    if rhythm is Rhythm.HOURLY:
        every = _number(form, "every", HOURS, N_("Choose 3, 4, 6, 8 or 12 hours."), problems)
    if problems:
        raise Invalid(problems)
    return Plan(rhythm, hour=hour, minute=minute, days=chosen, day=day, every=every)


def _rhythm(text: str) -> Rhythm:
    try:
        return Rhythm(text)
    except ValueError:
        raise Invalid({"rhythm": N_("Choose how often.")}) from None


def _time(text: str, problems: dict[str, Message | str]) -> tuple[int, int]:
    at = TIME.fullmatch(text.strip())
    if at is None:
        problems["time"] = N_("Write a time like 03:00.")
        return 0, 0
    return int(at[1]), int(at[2])


def _weekdays(given: Sequence[str], problems: dict[str, Message | str]) -> tuple[int, ...]:
    numbers = {name: number for number, (name, _) in enumerate(WEEKDAYS)}
    names = {day.strip().lower() for day in given} - {""}
    if not names or names - set(numbers):
        problems["days"] = N_("Choose at least one day of the week.")
        return ()
    return tuple(sorted(numbers[name] for name in names))


def _number(
    form: Mapping[str, str], field: str, allowed: Sequence[int], why: str, problems: dict[str, Message | str]
) -> int:
    text = form.get(field, "").strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if number not in allowed:
        problems[field] = why
    return number
