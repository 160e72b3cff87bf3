"""How often ordinary windows alert, against the budget, and how often drifted ones do.

    python benchmarks/drift.py [--short] [--only columns|classifier]

False alerts are counted twice: with the effect floor of the defaults, and without any, where the
budget alone has to hold. Rates are means over references, each with windows of its own; the
sampling error is that of those means (95 %, by the references' own spread).

With the domain classifier on, a window's alert is the columns' or its own; drifts are of how two
columns go together, each of which stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from seatrial.config import MonitoringConfig, load_config
from seatrial.contracts import Baseline, DriftReport, Summary
from seatrial.examples.flights.data import FEATURES, TIME, TRAINING, Period, load_flights, within
from seatrial.monitoring.baseline import Rows, sample, summarise_parts
from seatrial.monitoring.classifier_bounds import bound_for, judge_together, with_classifier
from seatrial.monitoring.columns import times_of
from seatrial.monitoring.drift import decide
from seatrial.monitoring.subject import Subject, make_baseline
from seatrial.monitoring.summary import summarise

Array = np.ndarray[Any, np.dtype[Any]]
Columns = dict[str, Array]
Change = Callable[[Columns, int], Columns]
HOURS, WEEK_H = 168, 168.0
START = np.datetime64("2024-01-01T00:00:00", "us")
NUMBERS, CATEGORIES = 20, 5


@dataclass(frozen=True)
class Rate:
    """A mean over references, with its 95 % sampling error."""

    mean: float
    error: float
    windows: int

    def __str__(self) -> str:
        return f"{self.mean:6.1%} ± {self.error:.1%} of {self.windows}"


def rate(found: list[list[bool]]) -> Rate:
    """Of lists of windows, one per reference; none seen of n is at most 3 / n."""
    means = np.array([np.mean(windows) for windows in found])
    count = sum(map(len, found))
    spread = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 0.0
    return Rate(float(means.mean()), max(1.96 * spread, 3 / count), count)


def independent(random: np.random.Generator, rows: int) -> Columns:
    """Columns that have nothing to do with each other, rows neither."""
    return _columns(random.normal(size=(rows, NUMBERS + CATEGORIES)))


def correlated(random: np.random.Generator, rows: int) -> Columns:
    """Columns that share a factor (correlation 0.8), rows independent."""
    shared = random.normal(size=(rows, 1))
    own = random.normal(size=(rows, NUMBERS + CATEGORIES))
    return _columns(np.sqrt(0.8) * shared + np.sqrt(0.2) * own)


def autocorrelated(random: np.random.Generator, rows: int) -> Columns:
    """Columns whose level wanders for days: each hour keeps 0.98 of the hour before."""
    from scipy.signal import lfilter

    per_hour = 6
    steps = random.normal(size=(-(-rows // per_hour) + 500, NUMBERS + CATEGORIES))
    hours = lfilter([1], [1, -0.98], steps, axis=0)[500:] * np.sqrt(1 - 0.98**2)
    level = np.repeat(hours, per_hour, axis=0)[:rows]
    return _columns(level + 0.3 * random.normal(size=level.shape))


SCENARIOS = {
    "independent": independent,
    "correlated": correlated,
    "autocorrelated": autocorrelated,
}


def _columns(values: Array) -> Columns:
    cut = np.digitize(values[:, NUMBERS:], (-1.0, 0.0, 1.0)).astype(str).astype(object)
    numbers = {f"n{at}": values[:, at] for at in range(NUMBERS)}
    return numbers | {f"c{at}": cut[:, at] for at in range(CATEGORIES)}


@dataclass(frozen=True)
class Monitor:
    """A baseline and what it was learnt from."""

    baseline: Baseline
    reference: Summary
    sample: Columns

    def judge(self, window: Mapping[str, Array]) -> DriftReport:
        """The verdict on a week."""
        summary = summarise(window, like=self.reference)
        report = decide(self.baseline, self.reference, summary, window_h=WEEK_H, min_rows=200)
        known = bound_for(self.baseline, WEEK_H)
        if known is None:
            return report
        found = judge_together(self.sample, window, self.reference, known)
        return with_classifier(report, found)


def learn(rows: Rows, config: MonitoringConfig) -> Monitor:
    """A monitor of these rows."""
    summary = summarise_parts([rows], set())
    subject = Subject(task="regression", target="y", input_columns=tuple(rows.columns))
    baseline = make_baseline(subject, [rows], summary, config, seed=1)
    return Monitor(baseline, summary, sample([rows], seed=1))


@dataclass(frozen=True)
class Trial:
    """How many references, windows for each, blocks (0: no time column) and rows in a window."""

    references: int
    windows: int
    blocks: int
    rows: int

    def run(
        self,
        draw: Callable[[np.random.Generator, int], Columns],
        config: MonitoringConfig,
        *changes: Change,
    ) -> list[Rate]:
        """The share of windows that alert, of what follows each reference, by change."""
        found: list[list[list[bool]]] = [[] for _ in changes]
        blocks = self.blocks or 12
        for number in range(self.references):
            values = draw(np.random.default_rng([7, number]), (blocks + self.windows) * self.rows)
            times = None
            if self.blocks:
                hours = np.arange(blocks * self.rows) * HOURS / self.rows
                times = START + (hours * 3600).astype("timedelta64[s]")
            first = {name: column[: blocks * self.rows] for name, column in values.items()}
            monitor = learn(Rows(first, times), config)
            for rates, change in zip(found, changes, strict=True):
                rates.append(
                    [
                        monitor.judge(change(window, number)).status == "drift"
                        for window in _windows(values, blocks, self)
                    ]
                )
        return [rate(rates) for rates in found]


def _windows(values: Columns, blocks: int, trial: Trial) -> Iterator[Columns]:
    for at in range(blocks, blocks + trial.windows):
        part = slice(at * trial.rows, (at + 1) * trial.rows)
        yield {name: column[part] for name, column in values.items()}


def unchanged(window: Columns, _: int) -> Columns:
    """An ordinary window."""
    return window


def shifted(window: Columns, number: int) -> Columns:
    """One of the columns of numbers 0.25 standard deviations higher."""
    name = f"n{number % NUMBERS}"
    return {**window, name: window[name] + 0.25}


def joined(window: Columns, _: int) -> Columns:
    """Two columns of numbers in the same order: each has the values that it had."""
    order = np.argsort(np.argsort(window["n0"]))
    return {**window, "n1": np.sort(window["n1"])[order]}


def parted(window: Columns, number: int) -> Columns:
    """A column of numbers in an order of its own."""
    random = np.random.default_rng([9, number])
    return {**window, "n0": random.permutation(window["n0"])}


def flights_weeks(config: MonitoringConfig) -> tuple[Rate, Rate]:
    """Alerts of the reference's own weeks, each left out, and of those from June to August."""
    flights = load_flights()
    winter = within(flights, TRAINING)

    def rows_of(frame: Any) -> Rows:
        return Rows({name: frame[name].to_numpy() for name in FEATURES}, times_of(frame, TIME))

    def weeks(first: date, count: int) -> Iterator[Any]:
        for number in range(count):
            start = first + timedelta(days=7 * number)
            yield within(flights, Period(str(start), str(start + timedelta(days=7))))

    own = []
    for week in weeks(date(2013, 1, 1), 12):
        rest = winter[~winter[TIME].isin(week[TIME])].reset_index(drop=True)
        own.append([learn(rows_of(rest), config).judge(rows_of(week).columns).status == "drift"])
    monitor = learn(rows_of(winter), config)
    summer = [
        [monitor.judge(rows_of(week).columns).status == "drift"]
        for week in weeks(date(2013, 6, 1), 13)
    ]
    return rate(own), rate(summer)


def say(line: str) -> None:
    """Print at once: a full run takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say_columns(config: MonitoringConfig, *, short: bool) -> None:
    """False alerts and detections of columns, one by one."""
    bare = config.model_copy(update={"drift_floor": 0.0})
    for blocks in (12, 26, 0):
        trial = Trial(10 if short else 100, 10, blocks, 1_000)
        for name, draw in scenarios(blocks):
            [without] = trial.run(draw, bare, unchanged)
            [floored] = trial.run(draw, config, unchanged)
            say(
                f"{_learnt(blocks):9} {name:15} no floor {without}   "
                f"floor {config.drift_floor:g} {floored}"
            )
    for blocks in (12, 0):
        trial = Trial(5 if short else 20, 5, blocks, 5_000)
        [seen] = trial.run(independent, config, shifted)
        say(f"0.25 sigma in one of 25, 5000 rows, {blocks} blocks: detected {seen}")
    own, summer = flights_weeks(config)
    say(f"flights, own weeks left out: {own}\nflights, June to August: detected {summer}")


def say_classifier(config: MonitoringConfig, *, short: bool) -> None:
    """The same with the domain classifier on, and drifts that no column shows."""
    both = config.model_copy(update={"domain_classifier": True})
    bare = both.model_copy(update={"drift_floor": 0.0})
    for blocks in (12, 0):
        trial = Trial(5 if short else 20, 10, blocks, 1_000)
        for name, draw in scenarios(blocks):
            change = parted if name == "correlated" else joined
            [without] = trial.run(draw, bare, unchanged)
            floored, seen = trial.run(draw, both, unchanged, change)
            [alone] = trial.run(draw, config, change)
            say(
                f"with classifier, {_learnt(blocks):9} {name:15} no floor {without}   "
                f"floor {both.drift_floor:g} {floored}   "
                f"two columns {change.__name__} {seen}, by columns alone {alone}"
            )
    own, summer = flights_weeks(both)
    say(f"with classifier, flights, own weeks left out: {own}, June to August: {summer}")


def scenarios(blocks: int) -> Iterator[tuple[str, Callable[[np.random.Generator, int], Columns]]]:
    """Those that such a reference is for: rows that are not independent need their times."""
    for name, draw in SCENARIOS.items():
        if blocks or name != "autocorrelated":
            yield name, draw


def _learnt(blocks: int) -> str:
    return f"{blocks} blocks" if blocks else "no times"


def main() -> None:
    """Print all rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer references")
    parser.add_argument("--only", choices=("columns", "classifier"))
    args = parser.parse_args()
    config = load_config().monitoring
    say(f"budget: one false alert in {config.false_alert_every_windows:g} windows")
    if args.only != "classifier":
        say_columns(config, short=args.short)
    if args.only != "columns":
        say_classifier(config, short=args.short)


if __name__ == "__main__":
    main()
