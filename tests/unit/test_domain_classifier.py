"""The domain classifier: it sees what no single column shows, within the same budget."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from seatrial.config import MonitoringConfig, load_config
from seatrial.contracts import Baseline, ClassifierBound, ClassifierVerdict, DriftReport, Summary
from seatrial.errors import InputError
from seatrial.monitoring.baseline import Rows, sample, summarise_parts
from seatrial.monitoring.classifier_bounds import (
    LEAST_ROWS,
    bound_for,
    judge_separation,
    judge_together,
    with_classifier,
    with_fewer_rows,
)
from seatrial.monitoring.domain_classifier import Separation, require_lightgbm, separate
from seatrial.monitoring.drift import decide
from seatrial.monitoring.learning import learn_bounds
from seatrial.monitoring.subject import Subject, make_baseline
from seatrial.monitoring.summary import summarise

WEEK_H, WEEKS, PER_WEEK = 168.0, 12, 336
NAMES = ("temp", "wind", "noise", "carrier")
SUBJECT = Subject(task="regression", target="delay", input_columns=NAMES)


def weeks(count: int, seed: int, *, apart: bool = False) -> dict[str, np.ndarray]:
    """Wind that follows temp, or that goes its own way: each column by itself is the same."""
    random = np.random.default_rng(seed)
    rows = count * PER_WEEK
    temp, own = random.normal(size=(2, rows))
    wind = own if apart else 0.9 * temp + np.sqrt(1 - 0.9**2) * own
    carriers = np.array(["UA", "AA", None], dtype=object)
    return {
        "temp": temp,
        "wind": np.where(random.random(rows) < 0.1, np.nan, wind),
        "noise": random.normal(size=rows),
        "carrier": random.choice(carriers, rows, p=[0.6, 0.3, 0.1]),
    }


def config(**changes: object) -> MonitoringConfig:
    values = {"domain_classifier": True, **changes}
    return load_config().monitoring.model_copy(update=values)


def reference_rows(*, timed: bool = True) -> Rows:
    if not timed:
        return Rows(weeks(4, 0), None)
    hours = np.arange(WEEKS * PER_WEEK) * WEEK_H / PER_WEEK
    start = np.datetime64("2024-01-01T00:00:00", "us")
    return Rows(weeks(WEEKS, 0), start + (hours * 3600).astype("timedelta64[s]"))


class Monitor:
    """A baseline of twelve weeks, or of the first four without times, and its sample."""

    def __init__(self, *, timed: bool) -> None:
        rows = reference_rows(timed=timed)
        self.summary: Summary = summarise_parts([rows], set())
        self.baseline: Baseline = make_baseline(SUBJECT, [rows], self.summary, config(), seed=1)
        self.sample = sample([rows], 1)
        known = bound_for(self.baseline, WEEK_H)
        assert known is not None
        self.known: ClassifierBound = known

    def together(self, window: dict[str, np.ndarray]) -> ClassifierVerdict:
        return judge_together(self.sample, window, self.summary, self.known)

    def columns(self, window: dict[str, np.ndarray]) -> DriftReport:
        found = summarise(window, like=self.summary)
        return decide(self.baseline, self.summary, found, window_h=WEEK_H, min_rows=200)


@pytest.fixture(scope="module")
def by_weeks() -> Monitor:
    return Monitor(timed=True)


@pytest.fixture(scope="module")
def by_chance() -> Monitor:
    return Monitor(timed=False)


@pytest.fixture(params=["by_weeks", "by_chance"])
def monitor(request: pytest.FixtureRequest) -> Monitor:
    found: Monitor = request.getfixturevalue(request.param)
    return found


def test_a_drift_that_no_column_shows_is_seen_and_named(monitor: Monitor) -> None:
    window = weeks(1, 7, apart=True)
    alone = monitor.columns(window)
    assert (alone.status, alone.drifted_columns) == ("no drift", ())
    found = monitor.together(window)
    assert found.status == "drift"
    assert found.auc is not None
    assert found.auc > max(found.bound.bound, 0.6)
    assert {item.column for item in found.columns[:2]} == {"temp", "wind"}
    assert sum(item.share for item in found.columns) == pytest.approx(1)
    report = with_classifier(alone, found)
    assert (report.status, report.classifier) == ("drift", found)


def test_ordinary_weeks_are_no_alert_but_for_the_budget(monitor: Monitor) -> None:
    """One in twenty: more than two of ten come once in eighty times."""
    found = [monitor.together(weeks(1, seed)).status for seed in range(20, 30)]
    assert found.count("drift") <= 2


def test_the_bound_is_of_as_many_rows_as_windows_are_judged_by(monitor: Monitor) -> None:
    timed = bool(monitor.baseline.calibrations)
    assert monitor.known.rows == (PER_WEEK if timed else 2 * PER_WEEK)
    assert monitor.known.blocks == (WEEKS if timed else 0)
    assert 0.5 < monitor.known.bound < 0.65
    assert monitor.known.columns == NAMES


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        pytest.param(LEAST_ROWS - 1, "not enough data", id="under"),
        pytest.param(LEAST_ROWS, "no drift", id="exactly"),
        pytest.param(LEAST_ROWS + 1, "no drift", id="over"),
    ],
)
def test_too_few_rows_are_not_enough_data(by_weeks: Monitor, rows: int, status: str) -> None:
    found = by_weeks.together({name: values[:rows] for name, values in weeks(1, 3).items()})
    assert found.status == status
    assert (found.auc is None) is (rows < LEAST_ROWS)
    if rows < LEAST_ROWS:
        assert found.detail == "199 rows with a column to see; a classifier needs 200"


def test_a_smaller_window_has_a_wider_bound() -> None:
    assert with_fewer_rows(known(0.6), 200) == known(0.6)
    smaller = with_fewer_rows(known(0.6), 50)
    assert (smaller.rows, smaller.bound) == (50, pytest.approx(0.7))


def test_a_window_without_a_recorded_column_is_not_enough_data(by_weeks: Monitor) -> None:
    nothing = Summary(rows=PER_WEEK, columns={})
    found = judge_together({}, {}, nothing, by_weeks.known)
    assert (found.status, found.auc) == ("not enough data", None)


def test_the_classifier_shares_the_budget_with_the_columns(by_weeks: Monitor) -> None:
    shared = by_weeks.baseline
    without = learn_bounds([reference_rows()], by_weeks.summary, config(domain_classifier=False))
    assert without.classifier == ()
    assert shared.calibrations[0].threshold > without.calibrations[0].threshold
    assert all(
        one.bound >= other.bound for one, other in zip(shared.bounds, without.bounds, strict=True)
    )


def test_it_is_off_unless_it_is_asked_for() -> None:
    assert load_config().monitoring.domain_classifier is False


def known(bound: float, floor: float = 0.55) -> ClassifierBound:
    return ClassifierBound(
        window_h=WEEK_H,
        columns=NAMES,
        rows=200,
        bound=bound,
        floor=floor,
        blocks=12,
        largest_block_auc=0.6,
    )


@pytest.mark.parametrize(
    ("auc", "bound", "status"),
    [
        pytest.param(0.62, 0.62, "no drift", id="exactly at the bound"),
        pytest.param(0.63, 0.62, "drift", id="over the bound"),
        pytest.param(0.549, 0.5, "no drift", id="under the floor"),
        pytest.param(0.55, 0.5, "drift", id="exactly at the floor"),
    ],
)
def test_a_drift_is_over_its_bound_and_not_under_the_floor(
    auc: float, bound: float, status: str
) -> None:
    assert judge_separation(Separation(auc, {"temp": 1.0}), known(bound)).status == status


def test_a_bound_that_nothing_can_pass_is_said() -> None:
    found = judge_separation(Separation(1.0, {"temp": 1.0}), known(1.0))
    assert found.status == "no drift"
    assert found.detail.endswith("or leave the classifier off")


def test_rows_of_an_hour_are_not_recognised_by_others_of_the_same_hour() -> None:
    """Folds at random put rows of every hour on both sides, and trees remember the hours."""
    random = np.random.default_rng(0)

    def hourly() -> dict[str, np.ndarray]:
        return {"temp": np.repeat(random.normal(size=100), 10)}

    first, second = hourly(), hourly()
    like = summarise_parts([Rows(first, None)], set())
    assert separate(first, second, like).auc < 0.75
    shuffled = [{"temp": random.permutation(side["temp"])} for side in (first, second)]
    assert separate(*shuffled, like).auc > 0.95


def test_the_same_rows_give_the_same_auc() -> None:
    like = summarise_parts([Rows(weeks(1, 0), None)], set())
    sides = weeks(1, 1), weeks(1, 2)
    assert separate(*sides, like) == separate(*sides, like)


def test_a_column_that_is_empty_or_constant_or_infinite_does_no_harm() -> None:
    window, rows = weeks(1, 1), weeks(1, 0)
    like = summarise_parts([Rows(rows, None)], set())
    window["temp"] = np.full(PER_WEEK, np.nan)
    window["wind"] = np.full(PER_WEEK, np.inf)
    window["carrier"] = np.full(PER_WEEK, None, dtype=object)
    assert separate(rows, window, like).auc > 0.9
    constant = {name: values[:1].repeat(PER_WEEK) for name, values in rows.items()}
    assert separate(constant, constant, like).auc == 0.5


def test_a_reference_with_too_small_blocks_is_refused() -> None:
    rows = reference_rows()
    with pytest.raises(InputError, match=r"336 rows in the smallest.*at least 337.*false"):
        learn_bounds([rows], summarise_parts([rows], set()), config(min_rows=337))


def test_without_lightgbm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    require_lightgbm()
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(InputError, match=r"pip install 'seatrial\[monitor,classifier\]'"):
        require_lightgbm()
