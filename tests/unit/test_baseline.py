"""The baseline: rows held out, bounds from blocks, and what the flights' own weeks say of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import ndtri

from seatrial.config import MonitoringConfig, load_config
from seatrial.contracts import DriftReport
from seatrial.errors import ConfigError, InputError
from seatrial.examples.flights.data import (
    FEATURES,
    QUIET_WEEK,
    SUMMER_WEEK,
    TIME,
    TRAINING,
    Period,
    load_flights,
    within,
)
from seatrial.monitoring.baseline import (
    Rows,
    can_stand_for_outputs,
    hold_out,
    sample,
    summarise_parts,
)
from seatrial.monitoring.bounds import cut_blocks, levels, require_blocks, upper_bound
from seatrial.monitoring.columns import times_of
from seatrial.monitoring.drift import decide
from seatrial.monitoring.learning import alert_rule, learn_bounds
from seatrial.monitoring.subject import Subject, make_baseline
from seatrial.monitoring.summary import summarise

if TYPE_CHECKING:
    import pandas as pd

DAY_H, WEEK_H = 24.0, 168.0
START = np.datetime64("2024-01-01T00:00:00", "us")
UNKNOWN = Subject(task="regression", target="y", input_columns=())


def monitoring(**changes: object) -> MonitoringConfig:
    return load_config().monitoring.model_copy(update={"min_rows": 50, **changes})


def hourly(days: int, rows_per_hour: int = 10, **columns: np.ndarray) -> Rows:
    times = START + np.repeat(np.arange(days * 24), rows_per_hour) * np.timedelta64(1, "h")
    return Rows(columns or {"x": np.zeros(len(times))}, times)


def weather(days: int, seed: int) -> np.ndarray:
    """A value per hour that wanders for days, and returns: autocorrelated, yet stationary."""
    random = np.random.default_rng(seed)
    level, levels = 0.0, []
    for step in random.normal(0, 1, days * 24):
        level = 0.98 * level + step
        levels.append(level)
    return np.repeat(levels, 10)


def verdict(rows: Rows, window: Mapping[str, np.ndarray], config: MonitoringConfig) -> DriftReport:
    reference = summarise_parts([rows], set())
    known = make_baseline(UNKNOWN, [rows], reference, config, seed=0)
    summary = summarise(window, like=reference)
    window_h = config.window_h[0]
    return decide(known, reference, summary, window_h=window_h, min_rows=config.min_rows)


def test_the_bound_is_a_prediction_interval_for_one_more_block() -> None:
    scores = np.array([0.2, 0.3, 0.4, 0.5, 0.6])
    t = 2.131847  # Student's t at 0.95 with 4 degrees of freedom
    expected = 0.4 + t * scores.std(ddof=1) * np.sqrt(1 + 1 / 5)
    assert upper_bound(scores, ndtri(0.95), 0) == pytest.approx(expected, rel=1e-6)


def test_a_level_is_what_its_score_would_be_the_bound_of() -> None:
    scores = np.array([0.2, 0.3, 0.4, 0.5, 0.9])
    for number, level in enumerate(levels(scores, 0)):
        others = np.delete(scores, number)
        assert upper_bound(others, level, 0) == pytest.approx(scores[number], rel=1e-6)


def test_blocks_that_hardly_differ_get_a_tenth_of_the_floor_as_their_spread() -> None:
    assert upper_bound(np.full(4, 0.25), 3, 0) == 0.25
    assert 0.25 + 0.01 * 3 < upper_bound(np.full(4, 0.25), 3, 0.1) < 0.25 + 0.01 * 20
    odd = levels(np.array([0.0, 0.0, 0.0, 0.0, 0.02]), 0.1)
    assert odd[-1] < 2  # two tenths of what matters


def test_blocks_are_contiguous_and_as_long_as_the_window() -> None:
    rows = hourly(28)
    assert rows.times is not None
    blocks = cut_blocks(rows.times, WEEK_H)
    assert [len(block) for block in blocks] == [7 * 24 * 10] * 4
    for block in blocks:
        assert (np.diff(block) == 1).all()


def test_rows_in_any_order_give_the_same_blocks() -> None:
    rows = hourly(28)
    assert rows.times is not None
    order = np.random.default_rng(0).permutation(len(rows))
    for plain, shuffled in zip(
        cut_blocks(rows.times, WEEK_H), cut_blocks(rows.times[order], WEEK_H), strict=True
    ):
        assert sorted(order[shuffled]) == list(plain)


@pytest.mark.parametrize(
    ("extra_days", "blocks"),
    [
        pytest.param(3, 4, id="under half a block"),
        pytest.param(4, 5, id="over half a block"),
    ],
)
def test_a_short_rest_at_the_end_is_no_block(extra_days: int, blocks: int) -> None:
    rows = hourly(28 + extra_days)
    assert rows.times is not None
    assert len(cut_blocks(rows.times, WEEK_H)) == blocks


@pytest.mark.parametrize(
    ("weeks", "enough"),
    [
        pytest.param(3, False, id="under"),
        pytest.param(4, True, id="exactly at"),
        pytest.param(5, True, id="over"),
    ],
)
def test_four_blocks_are_the_fewest_to_learn_from(weeks: int, enough: bool) -> None:
    rows = hourly(7 * weeks)
    assert rows.times is not None
    if enough:
        require_blocks(rows.times, WEEK_H)
    else:
        with pytest.raises(InputError, match=r"3 blocks of 168 h in 503 h.*window_h"):
            require_blocks(rows.times, WEEK_H)


def test_columns_that_stray_together_share_one_budget() -> None:
    random = np.random.default_rng(0)
    one = hourly(84, x=random.normal(size=84 * 240))
    many = hourly(84, **{f"x{number}": one.columns["x"] for number in range(20)})
    config = monitoring(window_h=(WEEK_H,))
    alone = learn_bounds([one], summarise_parts([one], set()), config).bounds
    among = learn_bounds([many], summarise_parts([many], set()), config).bounds
    assert (len(alone), len(among)) == (2, 40)
    # The twenty are one column: they stray together, and cost nothing of the budget.
    assert alone[0].bound > 0
    assert among[0].bound == pytest.approx(alone[0].bound)
    assert (among[0].blocks, among[0].block_rows) == (12, 1_680)


def test_columns_of_their_own_have_wider_bounds_than_one_alone() -> None:
    random = np.random.default_rng(0)
    values = {f"x{number}": random.normal(size=84 * 240) for number in range(20)}
    one, many = hourly(84, x0=values["x0"]), hourly(84, **values)
    config = monitoring(window_h=(WEEK_H,), drift_floor=0.0)
    alone = learn_bounds([one], summarise_parts([one], set()), config)
    among = learn_bounds([many], summarise_parts([many], set()), config)
    assert among.bounds[0].bound > alone.bounds[0].bound
    assert among.calibrations[0].threshold > alone.calibrations[0].threshold
    assert (among.calibrations[0].tail, among.calibrations[0].windows) == ("gumbel", 12)


def test_an_alert_of_two_columns_has_narrower_bounds() -> None:
    random = np.random.default_rng(0)
    many = hourly(84, **{f"x{number}": random.normal(size=84 * 240) for number in range(20)})
    summary = summarise_parts([many], set())
    one, two = (
        learn_bounds([many], summary, monitoring(window_h=(WEEK_H,), min_drifted_columns=fewest))
        for fewest in (1, 2)
    )
    assert two.bounds[0].bound < one.bounds[0].bound


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"critical_columns": ("y",)}, "got 'y', allowed x", id="unknown"),
        pytest.param({"min_drifted_columns": 2}, "at most 1", id="more than there are"),
    ],
)
def test_a_rule_that_no_window_can_meet_is_refused(changes: dict[str, object], said: str) -> None:
    rows = hourly(28)
    with pytest.raises(ConfigError, match=said):
        alert_rule(monitoring(**changes), summarise_parts([rows], set()))


def test_every_window_length_has_its_own_bounds() -> None:
    rows = hourly(84, x=weather(84, 0))
    learnt = learn_bounds(
        [rows], summarise_parts([rows], set()), monitoring(window_h=(DAY_H, WEEK_H))
    )
    by_length = {
        item.window_h: item.bound for item in learnt.bounds if item.metric == "wasserstein_std"
    }
    assert learnt.method == "contiguous blocks"
    assert [item.tail for item in learnt.calibrations] == ["order", "gumbel"]
    assert by_length[DAY_H] > by_length[WEEK_H]  # a day strays further than a week


def test_without_times_only_chance_is_allowed_for() -> None:
    rows = Rows({"x": np.random.default_rng(0).normal(size=5_000)}, None)
    learnt = learn_bounds([rows], summarise_parts([rows], set()), monitoring())
    assert learnt.method == "independent resampling"
    assert {item.bound for item in learnt.bounds} == {0}
    assert {item.largest_block_score for item in learnt.bounds} == {None}


def test_an_ordinary_week_of_autocorrelated_values_alarms_only_without_blocks() -> None:
    """Why bounds come from blocks: by chance alone every ordinary week is a drift."""
    config = monitoring(window_h=(WEEK_H,))
    alarms = {"contiguous blocks": 0, "independent resampling": 0}
    for seed in range(10):
        values = weather(7 * 13, seed)
        week = {"x": values[-7 * 240 :]}
        timed = hourly(7 * 12, x=values[: -7 * 240])
        for rows in (timed, Rows(timed.columns, None)):
            report = verdict(rows, week, config)
            method = "independent resampling" if rows.times is None else "contiguous blocks"
            alarms[method] += report.status == "drift"
    assert alarms["contiguous blocks"] <= 1
    assert alarms["independent resampling"] >= 9


def test_held_out_rows_are_in_no_summary() -> None:
    rows = Rows({"x": np.arange(1_000.0)}, None)
    kept, held_out = hold_out([rows], 50, seed=7)
    assert len(held_out["x"]) == 100
    assert set(kept[0].columns["x"]) | set(held_out["x"]) == set(rows.columns["x"])
    assert not set(kept[0].columns["x"]) & set(held_out["x"])


def test_the_seed_decides_what_is_held_out() -> None:
    rows = Rows({"x": np.arange(1_000.0)}, None)
    first, again, other = (hold_out([rows], 50, seed=seed)[1]["x"] for seed in (7, 7, 8))
    assert (first == again).all()
    assert set(first) != set(other)


@pytest.mark.parametrize(
    ("rows", "min_rows", "held_out"),
    [
        pytest.param(1_000, 200, 200, id="a verdict needs more than a tenth"),
        pytest.param(10_000, 200, 1_000, id="a tenth"),
        pytest.param(100_000, 200, 5_000, id="at most 5000"),
        pytest.param(400, 200, 200, id="half is the most"),
    ],
)
def test_held_out_rows_are_enough_for_a_verdict(rows: int, min_rows: int, held_out: int) -> None:
    part = Rows({"x": np.arange(float(rows))}, None)
    assert len(hold_out([part], min_rows, seed=1)[1]["x"]) == held_out


def test_a_reference_too_small_to_hold_rows_out_is_refused() -> None:
    with pytest.raises(InputError, match=r"399 rows.*at least 400 rows at monitoring.min_rows 200"):
        hold_out([Rows({"x": np.arange(399.0)}, None)], 200, seed=1)


def test_parts_of_different_length_are_held_out_and_sampled_alike() -> None:
    parts = [Rows({"x": np.arange(2_000.0)}, None), Rows({"score": np.arange(600.0)}, None)]
    kept, held_out = hold_out(parts, 50, seed=1)
    assert {name: len(values) for name, values in held_out.items()} == {"x": 60, "score": 60}
    assert [len(part) for part in kept] == [1_940, 540]
    assert {len(values) for values in sample(kept, 1).values()} == {540}
    summary = summarise_parts(kept, set())
    assert summary.rows == 1_940
    assert list(summary.columns) == ["x", "score"]


@pytest.mark.parametrize(
    ("rows", "enough"),
    [
        pytest.param(hourly(28), True, id="enough"),
        pytest.param(hourly(21), False, id="too few blocks"),
        pytest.param(Rows({"x": np.zeros(99)}, None), False, id="under twice min_rows"),
        pytest.param(Rows({"x": np.zeros(100)}, None), True, id="exactly twice min_rows"),
    ],
)
def test_predictions_for_validation_rows_are_used_if_there_are_enough(
    rows: Rows, enough: bool
) -> None:
    assert can_stand_for_outputs(rows, monitoring(window_h=(WEEK_H,))) is enough


# The flights of January to March against their own weeks, and against summer.


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return load_flights()


def rows_of(frame: pd.DataFrame) -> Rows:
    return Rows({name: frame[name].to_numpy() for name in FEATURES}, times_of(frame, TIME))


def judge_week(flights: pd.DataFrame, week: Period) -> DriftReport:
    """The week's verdict by a reference that has not seen it."""
    winter, held_out = within(flights, TRAINING), within(flights, week)
    reference = winter[~winter[TIME].isin(held_out[TIME])].reset_index(drop=True)
    config = load_config().monitoring
    return verdict(rows_of(reference), rows_of(held_out).columns, config)


@pytest.mark.parametrize(
    "week", [Period("2013-02-11", "2013-02-18"), QUIET_WEEK], ids=lambda week: week.start
)
def test_a_held_out_week_of_february_is_no_alert(flights: pd.DataFrame, week: Period) -> None:
    report = judge_week(flights, week)
    assert report.drifted_columns == ()
    assert report.status == "no drift"


def test_at_most_one_of_the_winters_own_weeks_alarms(flights: pd.DataFrame) -> None:
    """By independent resampling, or a fixed threshold of 0.1, each of the twelve does."""
    monday = date(2013, 1, 1)
    weeks = [monday + timedelta(days=7 * number) for number in range(12)]
    reports = [
        judge_week(flights, Period(str(week), str(week + timedelta(days=7)))) for week in weeks
    ]
    assert sum(report.status == "drift" for report in reports) <= 1


def test_a_week_of_july_alerts_about_the_weather(flights: pd.DataFrame) -> None:
    report = judge_week(flights, SUMMER_WEEK)
    assert report.status == "drift"
    assert set(report.drifted_columns) >= {"temp", "dewp"}
    assert report.columns[0].column == "temp"
