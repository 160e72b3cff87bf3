"""The verdict: changed beyond the bound, and enough to matter, on enough rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from seatrial.contracts import (
    AlertRule,
    Baseline,
    CategoricalSummary,
    DriftBound,
    DriftReport,
    Summary,
)
from seatrial.errors import InputError
from seatrial.monitoring.bounds import chance_bounds
from seatrial.monitoring.chance import DRAWS
from seatrial.monitoring.distances import Signal
from seatrial.monitoring.drift import Judged, decide, vanished_categories
from seatrial.monitoring.drift_limits import Limit, bound_length, limits
from seatrial.monitoring.summary import summarise, summarise_reference, without_columns

ROWS, MIN_ROWS, WEEK_H = 5_000, 200, 168.0


def columns(seed: int, rows: int = ROWS) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "temp": random.normal(40, 10, rows),
        "gusts": np.where(random.random(rows) < 0.3, np.nan, random.exponential(5, rows)),
        "carrier": random.choice(np.array(["UA", "AA", "B6"], dtype=object), rows),
    }


REFERENCE_ROWS = columns(0, 50_000)
REFERENCE = summarise_reference(REFERENCE_ROWS, categorical=())


def baseline(
    bounds: Mapping[str, float] | None = None, *, floor: float = 0.1, window_h: float = WEEK_H
) -> Baseline:
    made = tuple(chance_bounds(REFERENCE, window_h=window_h, floor=floor))
    given = {**dict.fromkeys(REFERENCE.columns, 0.0), **(bounds or {})}
    return Baseline(
        model_package_arn=None,
        task="regression",
        target="delay",
        rows=REFERENCE.rows,
        started_at=None,
        ended_at=None,
        input_columns=tuple(REFERENCE.columns),
        output_columns=(),
        bounds=tuple(item.model_copy(update={"bound": given[item.column]}) for item in made),
        bound_method="contiguous blocks",
        false_alert_every_windows=20,
        held_out_rows=0,
        seed=1,
        quality={},
    )


def judge(
    window: Mapping[str, np.ndarray],
    known: Baseline | None = None,
    *,
    window_h: float = WEEK_H,
    min_rows: int = MIN_ROWS,
) -> DriftReport:
    summary = summarise(window, like=REFERENCE)
    return decide(known or baseline(), REFERENCE, summary, window_h=window_h, min_rows=min_rows)


def test_the_reference_itself_is_no_drift() -> None:
    report = judge(REFERENCE_ROWS)
    assert report.status == "no drift"
    assert report.drifted_columns == ()
    assert all(item.score == 0 for item in report.columns)


def test_rows_like_the_reference_are_no_drift() -> None:
    assert judge(columns(1)).status == "no drift"


def test_three_standard_deviations_are_drift() -> None:
    moved = columns(1)
    moved["temp"] = moved["temp"] + 30
    report = judge(moved)
    assert report.status == "drift"
    assert report.drifted_columns == ("temp",)
    worst = report.columns[0]
    assert (worst.column, worst.metric) == ("temp", "wasserstein_std")
    assert worst.score == pytest.approx(3, abs=0.1)
    assert worst.reference_mean == pytest.approx(40, abs=0.5)
    assert worst.window_mean == pytest.approx(70, abs=0.5)


def test_a_shift_that_the_blocks_explain_is_no_drift() -> None:
    moved = columns(1)
    moved["temp"] = moved["temp"] + 30
    assert judge(moved, baseline({"temp": 3.5})).status == "no drift"


def test_a_shift_too_small_to_matter_is_no_drift() -> None:
    moved = columns(1, 50_000)
    moved["temp"] = moved["temp"] + 0.9
    report = judge(moved)
    temp = next(item for item in report.columns if item.column == "temp")
    assert temp.bound < temp.score < temp.floor
    assert report.status == "no drift"


@pytest.mark.parametrize(
    ("score", "bound", "floor", "drifted"),
    [
        pytest.param(0.49, 0.5, 0.1, False, id="under the bound"),
        pytest.param(0.5, 0.5, 0.1, False, id="exactly at the bound"),
        pytest.param(0.51, 0.5, 0.1, True, id="over the bound"),
        pytest.param(0.09, 0.05, 0.1, False, id="under the floor"),
        pytest.param(0.1, 0.05, 0.1, True, id="exactly at the floor"),
        pytest.param(0.11, 0.05, 0.1, True, id="over the floor"),
    ],
)
def test_drift_needs_bound_and_floor(
    score: float, bound: float, floor: float, drifted: bool
) -> None:
    judged = Judged(Signal("temp", "wasserstein_std", score), Limit(bound, floor))
    assert judged.drifted is drifted


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        pytest.param(MIN_ROWS - 1, "not enough data", id="under"),
        pytest.param(MIN_ROWS, "drift", id="exactly at"),
        pytest.param(MIN_ROWS + 1, "drift", id="over"),
    ],
)
def test_few_rows_are_not_judged(rows: int, status: str) -> None:
    moved = columns(1, rows)
    moved["temp"] = moved["temp"] + 100
    report = judge(moved)
    assert report.status == status
    if status == "not enough data":
        assert report.columns == ()
        assert report.detail == "199 rows; a verdict needs at least 200"


def test_an_empty_window_is_not_judged() -> None:
    assert judge(columns(1, 0), min_rows=1).status == "not enough data"


def test_values_that_go_missing_are_drift() -> None:
    moved = columns(1)
    moved["gusts"][: ROWS // 2] = np.nan
    report = judge(moved, baseline({"gusts": 0.2}))
    assert report.drifted_columns == ("gusts",)
    assert report.columns[0].metric == "missing_ratio"
    assert report.columns[0].window_missing_ratio == pytest.approx(0.65, abs=0.03)


def test_a_column_that_is_not_recorded_is_not_judged() -> None:
    moved = columns(1)
    moved["temp"] = np.full(ROWS, np.nan)
    moved["carrier"][:2_000] = "WN"
    reference = without_columns(REFERENCE, ("temp",))
    report = decide(
        baseline(), reference, summarise(moved, like=reference), window_h=WEEK_H, min_rows=MIN_ROWS
    )
    assert {item.column for item in report.columns} == {"gusts", "carrier"}
    assert report.drifted_columns == ("carrier",)


def test_a_window_without_any_column_is_not_judged() -> None:
    nothing = without_columns(REFERENCE, REFERENCE.columns)
    report = decide(
        baseline(), nothing, summarise(columns(1), like=nothing), window_h=WEEK_H, min_rows=1
    )
    assert report.status == "not enough data"
    assert report.detail == "no column was recorded as it is"


def test_new_categories_are_named_the_most_frequent_first() -> None:
    moved = columns(1)
    moved["carrier"][:2_000] = "WN"
    moved["carrier"][2_000:2_500] = "DL"
    report = judge(moved)
    assert report.drifted_columns == ("carrier",)
    assert report.columns[0].new_categories == ("WN", "DL")


def test_a_category_that_should_have_come_has_vanished() -> None:
    moved = columns(1)
    moved["carrier"][moved["carrier"] == "UA"] = "AA"
    [report] = [item for item in judge(moved).columns if item.column == "carrier"]
    assert report.vanished_categories == ("UA",)
    assert report.new_categories == ()


@pytest.mark.parametrize(
    ("expected", "gone"),
    [
        pytest.param(9, (), id="under"),
        pytest.param(10, ("rare",), id="exactly"),
        pytest.param(11, ("rare",), id="over"),
    ],
)
def test_a_rare_category_that_did_not_come_has_not_vanished(
    expected: int, gone: tuple[str, ...]
) -> None:
    before = CategoricalSummary(counts={"often": 1000 - expected, "rare": expected}, missing=0)
    now = CategoricalSummary(counts={"often": 1000}, missing=0)
    assert tuple(vanished_categories(before, now)) == gone


def test_columns_are_ordered_by_what_it_takes_to_drift() -> None:
    moved = columns(1)
    moved["temp"] = moved["temp"] + 20
    moved["carrier"][:] = "UA"
    report = judge(moved, baseline({"temp": 1.9}))
    assert [item.column for item in report.columns] == ["carrier", "temp", "gusts"]
    ratios = [item.score / max(item.bound, item.floor) for item in report.columns]
    assert ratios == sorted(ratios, reverse=True)


@pytest.mark.parametrize("rows", [200, 500, 2_000])
def test_small_windows_of_ordinary_rows_seldom_alarm(rows: int) -> None:
    known = baseline(floor=0)  # the budget has to hold without the floor's help
    windows = 50
    alarms = sum(
        judge(columns(1000 + seed, rows), known).status == "drift" for seed in range(windows)
    )
    assert alarms <= 7  # 5 % of 50, and 3 standard deviations of that


def strict(*critical: str, fewest: int = 1) -> Baseline:
    rule = AlertRule(critical_columns=critical, min_drifted_columns=fewest)
    return baseline().model_copy(update={"alert_rule": rule})


@pytest.mark.parametrize(
    ("moved", "known", "status"),
    [
        pytest.param(("temp",), strict(fewest=2), "no drift", id="under"),
        pytest.param(("temp", "gusts"), strict(fewest=2), "drift", id="exactly"),
        pytest.param(("temp", "gusts", "carrier"), strict(fewest=2), "drift", id="over"),
        pytest.param(("temp",), strict("temp", fewest=2), "drift", id="a critical one"),
        pytest.param(("gusts",), strict("temp", fewest=2), "no drift", id="another one"),
    ],
)
def test_an_alert_needs_a_critical_column_or_enough_others(
    moved: tuple[str, ...], known: Baseline, status: str
) -> None:
    window = columns(1)
    for name in moved:
        window[name] = window[name] + 30 if name != "carrier" else np.full(ROWS, "WN", dtype=object)
    report = judge(window, known)
    assert report.status == status
    assert set(report.drifted_columns) == set(moved)
    assert f"{len(moved)} of 3 columns moved (2 make an alert" in report.detail


def with_blocks(rows: int) -> Baseline:
    known = baseline({"temp": 0.5})
    changed = {"block_rows": rows, "chance": 0.1}
    return known.model_copy(
        update={"bounds": tuple(item.model_copy(update=changed) for item in known.bounds)}
    )


def test_fewer_rows_than_the_blocks_had_add_what_chance_does() -> None:
    found = [
        limits(with_blocks(2_000), REFERENCE, rows=rows, window_h=WEEK_H)
        .by_signal["temp", "wasserstein_std"]
        .bound
        for rows in (300, 1_999, 2_000, 2_001)
    ]
    assert 0.53 < found[0] < 0.6
    assert found[1:] == [0.5, 0.5, 0.5]  # a row less adds nothing to a generous allowance


def test_the_verdict_says_how_reliable_its_budget_is() -> None:
    report = judge(columns(1))
    assert report.calibration is not None
    assert report.calibration.windows == DRAWS
    assert report.calibration.rate_low < 1 / 20 < report.calibration.rate_high
    assert "budget: one false alert in 20 windows, learnt from 1000 ordinary ones" in report.detail


def test_what_chance_does_shrinks_with_the_rows() -> None:
    known = baseline()
    few, many = (
        limits(known, REFERENCE, rows=rows, window_h=WEEK_H)
        .by_signal["temp", "wasserstein_std"]
        .bound
        for rows in (200, 20_000)
    )
    assert few == pytest.approx(10 * many, rel=0.3)


def test_the_same_window_gets_the_same_verdict_again() -> None:
    assert judge(columns(1)) == judge(columns(1))


def bounds(*lengths_h: float) -> tuple[DriftBound, ...]:
    return tuple(item for h in lengths_h for item in chance_bounds(REFERENCE, window_h=h, floor=0))


@pytest.mark.parametrize(
    ("window_h", "length_h"),
    [
        pytest.param(23.9, 24, id="a little under the shortest"),
        pytest.param(24, 24, id="exactly the shortest"),
        pytest.param(167.9, 24, id="under the longest"),
        pytest.param(168, 168, id="exactly the longest"),
        pytest.param(1000, 168, id="over the longest"),
    ],
)
def test_bounds_are_those_of_blocks_no_longer_than_the_window(
    window_h: float, length_h: float
) -> None:
    assert bound_length(bounds(168, 24), window_h) == length_h


def test_a_baseline_without_bounds_cannot_judge() -> None:
    with pytest.raises(InputError, match="Build the baseline again"):
        bound_length((), WEEK_H)


@pytest.mark.parametrize(
    ("window_h", "status"),
    [
        pytest.param(125, "not enough data", id="under"),
        pytest.param(126, "no drift", id="exactly at"),
        pytest.param(127, "no drift", id="over"),
    ],
)
def test_a_window_much_shorter_than_the_blocks_is_not_judged(window_h: float, status: str) -> None:
    report = judge(columns(1), window_h=window_h)
    assert report.status == status
    if status == "not enough data":
        assert "add 125 to monitoring.window_h" in report.detail


def test_without_blocks_the_length_of_the_window_does_not_matter() -> None:
    known = baseline().model_copy(update={"bound_method": "independent resampling"})
    assert judge(columns(1), known, window_h=1).status == "no drift"


def test_a_summary_needs_no_rows_to_be_judged_twice() -> None:
    """The decision reads the summary alone, so it can be taken again from the file."""
    again = Summary.model_validate_json(REFERENCE.model_dump_json())
    window = summarise(columns(1), like=again)
    report = decide(baseline(), again, window, window_h=WEEK_H, min_rows=MIN_ROWS)
    assert report == judge(columns(1))
