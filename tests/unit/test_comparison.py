"""What a comparison decides, from plain values: gains, guards, slices, and which runs compete."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.calibration import calibration_error
from seatrial.cli.compare_table import say_outcome
from seatrial.comparison.answering import Outcome
from seatrial.comparison.calibration import calibration_rise
from seatrial.comparison.decision import decide, margin_of, objections, within
from seatrial.comparison.mlflow_access import require_plugin
from seatrial.comparison.quality import (
    MAX_SLICES,
    Resampling,
    Rows,
    calibration_guards,
    drops_of,
    gain_of,
    slice_guards,
)
from seatrial.comparison.ranking import rank_runs
from seatrial.comparison.running import Figures, Tariff, running_guards, usd_per_million
from seatrial.config import ComparisonConfig, load_config
from seatrial.contracts import ComparedModel, Comparison, Estimate, Guard
from seatrial.cost.prices import load_prices
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.limits import load_limits
from seatrial.optimization.measuring import BatchRun, Run

SAMPLING = Resampling(200, 1)


def settings(**changes: Any) -> ComparisonConfig:
    return load_config(None, comparison=changes).comparison


def between(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high)


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [
        pytest.param(0.0001, 0.01, "better", id="all of it over zero"),
        pytest.param(0.0, 0.01, "cannot tell", id="from exactly zero"),
        pytest.param(-0.01, 0.01, "cannot tell", id="spans zero and the margin"),
        pytest.param(-0.002, 0.002, "tie", id="exactly the margin"),
        pytest.param(-0.002, 0.0021, "cannot tell", id="over the margin"),
        pytest.param(0.0005, 0.0015, "tie", id="surely better by too little"),
        pytest.param(-0.01, -0.0001, "worse", id="all of it under zero"),
        pytest.param(-0.01, 0.0, "cannot tell", id="up to exactly zero"),
        pytest.param(0.0, 0.0, "tie", id="the same predictions"),
        pytest.param(float("nan"), float("nan"), "cannot tell", id="no numbers"),
    ],
)
def test_the_interval_of_the_gain_decides(low: float, high: float, decision: str) -> None:
    assert decide(between(low, high), 0.002) == decision


def test_without_a_champion_there_is_nothing_to_be_better_than() -> None:
    assert decide(None, 0.002) == "no champion"
    assert objections("no champion", [], ()) == ()


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [
        pytest.param(0.0, 0.0099, "pass", id="under"),
        pytest.param(0.0, 0.01, "pass", id="at"),
        pytest.param(0.0, 0.0101, "unknown", id="reaches over"),
        pytest.param(0.01, 0.02, "unknown", id="from exactly the limit"),
        pytest.param(0.0101, 0.02, "fail", id="over"),
    ],
)
def test_a_change_is_within_its_limit_if_its_interval_is(
    low: float, high: float, status: str
) -> None:
    assert within(between(low, high), 0.01) == status


def test_margins_of_errors_are_shares_of_the_champions() -> None:
    assert margin_of("auc", 0.002, 0.8) == 0.002
    assert margin_of("rmse", 0.002, 50.0) == pytest.approx(0.1)


def guard(status: str, code: str = "LATENCY") -> Guard:
    return Guard.model_validate(
        {
            "code": code,
            "what": "of 1 rows",
            "status": status,
            "change": None,
            "limit": 1.5,
            "unit": "times",
            "detail": "twice as long",
        }
    )


@pytest.mark.parametrize(
    ("found", "blocked"),
    [
        pytest.param(guard("pass"), False, id="pass"),
        pytest.param(guard("fail"), True, id="fail"),
        pytest.param(guard("unknown"), True, id="unknown that blocks"),
        pytest.param(guard("unknown", "SLICE"), False, id="unknown that does not"),
        pytest.param(guard("fail", "SLICE"), True, id="a slice that loses"),
    ],
)
def test_a_guard_bars_a_better_challenger(found: Guard, blocked: bool) -> None:
    reasons = objections("better", [found], ["LATENCY"])
    assert bool(reasons) is blocked
    assert all("twice as long" in reason for reason in reasons)


def rows(count: int, noise: float, *, seed: int = 0) -> Rows:
    """A champion that sees half of the truth, and a challenger that sees it through `noise`."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=(2, count))
    truth = (signal.sum(axis=0) + random.normal(size=count) > 0).astype(int)

    def side(seen: Any) -> Predictions:
        score = 1 / (1 + np.exp(-seen))
        return Predictions((score > 0.5).astype(int), score[:, None])

    frame = pd.DataFrame({"group": np.where(np.arange(count) < count // 2, "a", None)})
    challenger = signal.sum(axis=0) + noise * random.normal(size=count)
    return Rows("binary_classification", truth, side(signal[0]), side(challenger), frame)


def test_the_same_difference_is_told_on_many_rows_and_not_on_few() -> None:
    few, many = (gain_of(drops_of(rows(n, 0.9), SAMPLING)["auc"]) for n in (40, 4000))
    assert decide(few, 0.002) == "cannot tell"
    assert decide(many, 0.002) == "better"
    assert many.low < many.value < many.high


def test_equal_predictions_are_a_tie_of_exactly_zero() -> None:
    same = rows(300, 0.5)
    both = Rows(same.task, same.truth, same.champion, same.champion, same.frame)
    gain = gain_of(drops_of(both, SAMPLING)["auc"])
    assert (gain.low, gain.value, gain.high) == (0, 0, 0)


def test_calibration_error_is_the_gap_between_score_and_share() -> None:
    truth = np.array([1.0, 0.0, 1.0, 1.0])
    assert calibration_error(truth, np.full(4, 0.75)) == pytest.approx([0.0])
    assert calibration_error(truth, np.full(4, 1.0)) == pytest.approx([0.25])
    once = np.array([[0.0, 4.0, 0.0, 0.0]])
    assert calibration_error(truth, np.full(4, 1.0), once) == pytest.approx([1.0])


def test_overconfidence_is_caught_although_it_ranks_the_same() -> None:
    found = rows(4000, 0.0)
    score = found.challenger.scores[:, 0]
    extreme = score**12 / (score**12 + (1 - score) ** 12)
    rise = calibration_rise(found.truth.astype(float), score, extreme, resamples=200, seed=1)
    assert rise.low > 0.02
    loud = Predictions(found.challenger.labels, extreme[:, None])
    pair = Rows(found.task, found.truth, found.challenger, loud, found.frame)
    drops = drops_of(pair, SAMPLING)
    assert drops["auc"].high == pytest.approx(0, abs=1e-9)
    statuses = {
        item.what: item.status for item in calibration_guards(pair, drops, SAMPLING, settings())
    }
    assert statuses == {"Brier score": "fail", "calibration error": "fail"}


def test_a_slice_that_loses_fails_and_one_of_few_rows_says_so() -> None:
    found = rows(1000, 0.5)
    broken = found.challenger.scores.copy()
    broken[:500] = 1 - broken[:500]
    pair = Rows(found.task, found.truth, found.champion, Predictions(None, broken), found.frame)
    config = settings(slices=["group"], min_slice_rows=500)
    statuses = {item.what: item for item in slice_guards("auc", pair, SAMPLING, config)}
    assert statuses["group=a"].status == "fail"
    assert statuses["group=missing"].status == "pass"
    config = settings(slices=["group"], min_slice_rows=501)
    few = list(slice_guards("auc", pair, SAMPLING, config))
    assert {item.status for item in few} == {"unknown"}
    assert few[0].detail == "500 rows of the 501 needed"


@pytest.mark.parametrize("values", [MAX_SLICES, MAX_SLICES + 1])
def test_a_column_of_too_many_values_is_no_slice(values: int) -> None:
    found = rows(100, 0.5)
    frame = found.frame.assign(group=[f"g{i % values}" for i in range(100)])
    pair = Rows(found.task, found.truth, found.champion, found.challenger, frame)
    guards = slice_guards("auc", pair, SAMPLING, settings(slices=["group"]))
    if values > MAX_SLICES:
        with pytest.raises(InputError, match=f"group with {values}.*at most {MAX_SLICES}"):
            list(guards)
    else:
        assert len(list(guards)) == values


def test_a_slice_of_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InputError, match=r"'origin', allowed group"):
        list(slice_guards("auc", rows(50, 0.5), SAMPLING, settings(slices=["origin"])))


def figures(
    ms: float, *, size_mb: float = 1.0, peak_mb: float = 100.0, jitter: float = 0.0
) -> Figures:
    runs = tuple(
        Run(
            import_ms=1,
            load_ms=1,
            first_prediction_ms=1,
            start_cpu_ms=1,
            batches=(BatchRun(rows=1, calls_ms=(ms * (1 + jitter * i),), cpu_ms=ms),),
            peak_memory_mb=peak_mb,
            versions="",
        )
        for i in (-1, 0, 1)
    )
    return Figures(runs, size_mb)


TARIFF = Tariff(load_limits(), load_prices("us-east-1"), usable_ratio=0.8)


def statuses(
    champion: Figures, challenger: Figures, tariff: Tariff | None = TARIFF
) -> dict[str, str]:
    found = running_guards(champion, challenger, settings(), tariff)
    return {item.code: item.status for item in found}


@pytest.mark.parametrize(
    ("ms", "jitter", "status"),
    [
        pytest.param(14.9, 0.0, "pass", id="under"),
        pytest.param(15.0, 0.0, "pass", id="at"),
        pytest.param(15.1, 0.0, "fail", id="over"),
        pytest.param(14.9, 0.2, "unknown", id="noise reaches over"),
    ],
)
def test_latency_is_guarded_by_its_ratio(ms: float, jitter: float, status: str) -> None:
    assert statuses(figures(10), figures(ms, jitter=jitter))["LATENCY"] == status


def test_latency_and_cost_below_the_floor_do_not_matter() -> None:
    assert statuses(figures(0.1), figures(5.0)) == {
        "LATENCY": "pass",
        "SIZE": "pass",
        "COST": "pass",
    }
    assert statuses(figures(0.1), figures(5.1))["LATENCY"] == "fail"


@pytest.mark.parametrize(
    ("size_mb", "status"), [(50, "pass"), (50.1, "fail")], ids=["at the floor", "over it"]
)
def test_size_below_the_floor_does_not_matter(size_mb: float, status: str) -> None:
    assert statuses(figures(1), figures(1, size_mb=size_mb))["SIZE"] == status
    assert statuses(figures(1, size_mb=30), figures(1, size_mb=size_mb))["SIZE"] == "pass"


def test_a_larger_tier_costs_more_for_the_same_time() -> None:
    small = usd_per_million(figures(100, peak_mb=819.2), TARIFF, settings())
    large = usd_per_million(figures(100, peak_mb=819.3), TARIFF, settings())
    assert small is not None
    assert large is not None
    assert (small[1], large[1]) == (1024, 2048)
    # 1024 MB has 0.58 of a CPU, 2048 more than one: twice the price, a fraction of the time
    assert small[0] == pytest.approx(1e6 * 0.00002 * 0.173)
    assert large[0] == pytest.approx(1e6 * 0.00004 * 0.1)


def test_a_cost_that_cannot_be_known_is_unknown() -> None:
    assert statuses(figures(1), figures(1), None)["COST"] == "unknown"
    assert statuses(figures(1), figures(1, peak_mb=9000))["COST"] == "unknown"


def test_names_that_look_like_markup_are_printed_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    side = ComparedModel(
        run_id="1",
        name="trees[/x]",
        version=None,
        quality={"auc": 0.7},
        model_size_mb=1,
        peak_memory_mb=60,
        latency_p50_ms={1: 0.1},
    )
    found = Comparison(
        experiment="e[/x]",
        task="binary_classification",
        rows=9,
        resamples=200,
        seed=1,
        metric="auc",
        logged_metric="auc",
        considered=1,
        skipped=(),
        champion=None,
        challenger=side,
        gain=None,
        tie_margin=None,
        decision="no champion",
        guards=(guard("pass", "SLICE").model_copy(update={"what": "g=[/red]"}),),
        accepted=True,
        reasons=(),
        inputs={},
    )
    say_outcome(Outcome("v.parquet", found), dry_run=True)
    said = capsys.readouterr().out
    for text in ("e[/x]", "challenger: trees[/x]", "g=[/red]", "would be registered"):
        assert text in said


def run(name: str, status: str = "FINISHED", **metrics: float) -> Any:
    return SimpleNamespace(
        info=SimpleNamespace(run_id=f"id-{name}", run_name=name, status=status),
        data=SimpleNamespace(metrics=metrics),
    )


def test_runs_are_ranked_and_those_left_out_have_a_reason() -> None:
    runs = [run("a", auc=0.7), run("b", auc=0.9), run("c", "FAILED", auc=1.0), run("d", rmse=1.0)]
    ranking = rank_runs(runs, "flights", "auc", lower=False)
    assert [item.name for item in ranking.runs] == ["b", "a"]
    assert ranking.skipped == ("c: failed", "d: logged no auc")
    assert rank_runs(runs, "flights", "auc", lower=True).runs[0].name == "a"


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        pytest.param([], "got 'no run'", id="none"),
        pytest.param([run("a", "FAILED")], "1 runs, all of them FAILED", id="failed"),
        pytest.param([run("a", rmse=1.0)], "has the metric: got 'auc', allowed rmse", id="metric"),
    ],
)
def test_nothing_to_compare_says_what_there_is(runs: list[Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        rank_runs(runs, "flights", "auc", lower=False)


def test_an_arn_of_something_else_is_no_tracking_uri() -> None:
    require_plugin("sqlite:///mlflow.db")
    require_plugin("arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/mine")
    with pytest.raises(InputError, match="list-mlflow-tracking-servers"):
        require_plugin("arn:aws:sagemaker:us-east-1:123456789012:pipeline/mine")


def test_an_arn_without_the_plugin_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"seatrial\[managed-mlflow\]"):
        require_plugin("arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-1")
