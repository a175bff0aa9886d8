"""The page of energy and cost: the last twelve months as two pictures, with a table behind them."""

from dataclasses import dataclass
from datetime import date

from flask_babel import format_date, gettext
from markupsafe import Markup
from sqlalchemy.orm import Session

from appliance import plugin
from console import charts
from plugins.smart_plugs import energy
from plugins.smart_plugs.driver import NAME


@dataclass(frozen=True)
class Row:
    """A month of the table."""

    title: str
    hours: list[float]  # one for each drive
    kwh: float
    cost: float


@dataclass(frozen=True)
class Shown:
    """Everything on the page."""

    year: energy.Year
    rows: list[Row]  # newest first
    hours_chart: Markup | str
    energy_chart: Markup | str
    price: int  # of 100 kWh
    currency: str

    @property
    def kwh(self) -> float:
        """Of the whole year."""
        return sum(row.kwh for row in self.rows)

    @property
    def cost(self) -> float:
        """Of the whole year."""
        return sum(row.cost for row in self.rows)


def year(session: Session) -> Shown:
    """Read and draw."""
    told = energy.year(session)
    options = plugin.options(session, NAME)
    rows = [
        Row(
            _title(month, "LLLL y"),
            [one.hours.get(month, 0.0) for one in told.drives],
            told.kwh(month),
            told.kwh(month) * options["price"] / 100,
        )
        for month in reversed(told.months)
    ]
    shown = Shown(told, rows, "", "", options["price"], options["currency"])
    return Shown(told, rows, _hours(told), _energy(told, shown.kwh), options["price"], options["currency"])


def _title(month: str, pattern: str) -> str:
    return str(format_date(date.fromisoformat(f"{month}-01"), pattern))


def _hours(told: energy.Year) -> Markup | str:
    series = [
        charts.Series(one.drive.name, f"is-{one.drive.colour}", [one.hours.get(month, 0.0) for month in told.months])
        for one in told.drives
    ]
    if not any(value for one in series for value in one.values):
        return ""
    label = gettext("Hours that each drive was on, month by month")
    return charts.bars(series, [_title(month, "LLL") for month in told.months], label, gettext("hours"))


def _energy(told: energy.Year, kwh: float) -> Markup | str:
    if kwh <= 0:
        return ""
    series = [charts.Series("", "", [told.kwh(month) for month in told.months])]
    label = gettext("Kilowatt hours through the plugs, month by month")
    return charts.bars(series, [_title(month, "LLL") for month in told.months], label, "kWh", 0.1)


def set_price(session: Session, price: str, currency: str) -> None:
    """Raises Invalid."""
    kept = {key: str(value) for key, value in plugin.options(session, NAME).items()}
    plugin.configure(session, NAME, kept | {"price": price, "currency": currency[:8]})
