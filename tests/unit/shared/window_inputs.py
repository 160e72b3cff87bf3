"""A monitored window with something of everything, and one that is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from seatrial.contracts import (
    ColumnDrift,
    DriftReport,
    FailedExpectation,
    LabelScores,
    MetricScore,
    Monitoring,
    QualityReport,
    Reaction,
    Window,
)
from seatrial.contracts.distribution import Distribution
from seatrial.contracts.verdicts import WindowVerdict

START, WEEK = datetime(2026, 7, 6, tzinfo=UTC), timedelta(days=7)


def column(name: str, score: float, bound: float, *, drifted: bool) -> ColumnDrift:
    return ColumnDrift(
        column=name,
        metric="wasserstein_std",
        score=score,
        bound=bound,
        floor=0.1,
        drifted=drifted,
        reference_mean=1.0,
        window_mean=2.0,
        reference_missing_ratio=0,
        window_missing_ratio=0,
        new_categories=(),
    )


def distributions() -> tuple[Distribution, ...]:
    """One of numbers and one of categories, with names that are no words."""
    return (
        Distribution(
            column="temperature-in-fahrenheit",
            edges=(-10.0, 0.0, 10.0, 20.0),
            reference=(0.5, 0.3, 0.2),
            window=(0.1, 0.1, 0.8),
        ),
        Distribution(
            column="dew",
            categories=("UA", "<b>a category of a very long name</b>"),
            others=True,
            reference=(0.7, 0.2, 0.1),
            window=(0.0, 0.95, 0.05),
        ),
    )


def window(**changes: Any) -> Window:
    values = {
        "endpoint_name": "flights",
        "variant_name": "AllTraffic",
        "endpoint_config_name": "flights-1",
        "baseline_uri": "s3://lake/baselines/abc",
        "started_at": START,
        "ended_at": START + WEEK,
        "records": 168,
        "rows": 6384,
        "synthetic_records": 3,
        "duplicate_records": 0,
        "broken_lines": 1,
        "failed_requests": 0,
        "foreign_records": 0,
        "invocations": 172,
        "completeness_ratio": 0.98,
    }
    return Window(**{**values, **changes})


def alerting(**changes: Any) -> Monitoring:
    """Everything is wrong with it."""
    columns = (
        column("temperature-in-fahrenheit", 5.0, 2.6, drifted=True),
        column("dew", 3.0, 2.5, drifted=True),
        *(column(f"column-{number}", 0.2, 1.0, drifted=False) for number in range(14)),
        column("constant", 0.4, 0.0, drifted=True),
    )
    failed = FailedExpectation(
        expectation="expect_column_values_to_be_between",
        column="dew",
        unexpected_count=3,
        unexpected_ratio=0.1,
        detail="wanted max 100; for example -999",
    )
    auc = MetricScore(
        metric="auc",
        value=0.7,
        low=0.68,
        high=0.72,
        baseline=0.767,
        change=-0.067,
        decayed=True,
    )
    accuracy = auc.model_copy(update={"metric": "accuracy", "value": 0.653})
    found = {
        "window": window(),
        "quality": QualityReport(rows=6384, evaluated=60, failed=(failed,), success=False),
        "drift": DriftReport(
            rows=6384,
            window_h=168,
            status="drift",
            columns=columns,
            detail="12 blocks.",
            distributions=distributions(),
        ),
        "labels": LabelScores(
            status="scored", labelled_rows=6000, unmatched_labels=1, metrics=(accuracy, auc)
        ),
        "alert": True,
        "reasons": ("Decay: auc is 0.700.", "Drift: dew moved."),
        "reactions": (
            Reaction(kind="sns", target="topic", detail="message 1"),
            Reaction(kind="retraining", target="", detail="window 1 of 2 in a row", done=False),
        ),
    }
    return Monitoring.model_validate({**found, **changes})


def quiet() -> Monitoring:
    """Nothing is wrong, and there are no labels."""
    return alerting(
        quality=QualityReport(rows=6384, evaluated=60, failed=(), success=True),
        drift=DriftReport(rows=6384, window_h=168, status="no drift", columns=(), detail=""),
        labels=LabelScores(status="no labels", labelled_rows=0, unmatched_labels=0, metrics=()),
        alert=False,
        reasons=(),
        reactions=(),
    )


def history(weeks: int) -> list[WindowVerdict]:
    """Every third week an alert, up to the window's own."""
    first = START - (weeks - 1) * WEEK
    return [
        WindowVerdict(
            endpoint_name="flights",
            endpoint_config_name="flights-1",
            started_at=first + number * WEEK,
            ended_at=first + (number + 1) * WEEK,
            ailments=("drift",) if number % 3 == 0 else (),
            acts=("notify",) if number % 3 == 0 else (),
            decided_at=first + (number + 1) * WEEK,
        )
        for number in range(weeks)
    ]
