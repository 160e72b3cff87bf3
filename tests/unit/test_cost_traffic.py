"""Traffic: shapes, CSV files of arrivals, and CloudWatch's counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.stub import Stubber

from seatrial.cost.arrivals import MAX_DAYS, read_arrivals, read_invocations
from seatrial.cost.prices import MONTH_S
from seatrial.cost.traffic import MAX_ARRIVALS, ShapeName, from_counts, month_of, rhythm_of
from seatrial.errors import InputError

SHAPES: tuple[ShapeName, ...] = ("steady", "diurnal", "bursty")


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "arrivals.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("requests", [1, 1000, 50_000])
def test_a_month_has_as_many_requests_as_were_asked_for(shape: ShapeName, requests: int) -> None:
    traffic = month_of(shape, requests, seed=3)
    assert traffic.requests == requests
    assert traffic.requests_a_month == requests
    assert (np.diff(traffic.arrivals_s) >= 0).all()
    assert traffic.arrivals_s[0] >= 0
    assert traffic.arrivals_s[-1] < MONTH_S


@pytest.mark.parametrize("shape", SHAPES)
def test_the_seed_decides(shape: ShapeName) -> None:
    first, again, other = (month_of(shape, 1000, seed=seed).arrivals_s for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_a_day_has_a_night_and_bursts_are_bursts() -> None:
    by_hour = month_of("diurnal", 500_000, seed=0).minute_counts[: 24 * 60].reshape(24, 60).sum(1)
    assert by_hour.argmax() in range(10, 14)
    assert by_hour.max() > 6 * by_hour.min()
    steady, bursty = (month_of(shape, 500_000, seed=0).minute_counts.max() for shape in SHAPES[::2])
    assert bursty > 10 * steady


@pytest.mark.parametrize("millions", [0.3, 1, 5, 50, 1000])
@pytest.mark.parametrize("shape", SHAPES)
def test_more_than_can_be_simulated_is_sampled_at_the_same_rate(
    shape: ShapeName, millions: float
) -> None:
    requests = round(millions * 1e6)
    traffic = rhythm_of(shape, seed=0).traffic(requests, seed=0, source="s", at_most=200_000)
    assert 80_000 <= traffic.requests <= 400_000  # the sampled days may be busy ones
    assert traffic.requests_a_month == requests
    assert traffic.minute_counts.sum() == requests
    sample = traffic.sample
    assert sample is not None
    assert set((sample.minutes // 60 % 24).tolist()) == set(range(24))
    # each piece is as busy as its minute
    busiest = np.bincount((traffic.arrivals_s // sample.piece_s).astype(int)).max()
    expected = traffic.minute_counts[sample.minutes].max() * sample.piece_s / 60
    assert busiest == pytest.approx(expected, rel=0.2, abs=8 * expected**0.5)


def test_what_can_be_simulated_is_not_sampled() -> None:
    rhythm = rhythm_of("diurnal", seed=0)
    exactly, over = (
        rhythm.traffic(number, seed=0, source="s", at_most=1000) for number in (1000, 1001)
    )
    assert exactly.sample is None
    assert over.sample is not None


def test_a_rhythm_gives_back_the_counts_that_it_is_of() -> None:
    traffic = from_counts(np.array([3.0, 0.0, 5.0]), seed=0, source="s")
    assert traffic.minute_counts.tolist() == [3, 0, 5]
    assert traffic.rhythm.span_s == 180
    assert traffic.rhythm.shares.tolist() == [3 / 8, 0, 5 / 8]


def test_too_many_counted_requests_are_refused() -> None:
    with pytest.raises(InputError, match="Give a shorter span"):
        from_counts(np.array([MAX_ARRIVALS + 1.0]), seed=0, source="s")


def test_no_requests_are_no_traffic() -> None:
    with pytest.raises(InputError, match="there is no traffic"):
        from_counts(np.zeros(3), seed=0, source="s")


@pytest.mark.parametrize(
    "text",
    [
        "0\n10\n20\n",
        "time\n20\n0\n10\n",
        "100,a\n110,b\n120,c\n\n",
        "2026-11-24T00:00:00Z\n2026-11-24T01:00:10+01:00\n2026-11-24T00:00:20\n",
        "\ufefft,x\r\n2026-11-24 00:00:00,1\r\n2026-11-24 00:00:10,1\r\n2026-11-24 00:00:20,1\r\n",
    ],
)
def test_arrivals_are_read_in_any_order_with_or_without_a_header(text: str, tmp_path: Path) -> None:
    traffic = read_arrivals(csv_file(tmp_path, text))
    assert traffic.arrivals_s.tolist() == [0, 10, 20]
    assert traffic.span_s == 30  # and one mean gap more
    assert traffic.source == "arrivals.csv"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0\n10\nten\n", "line 3"),
        ("time\n0\n\nnoon\n", "line 4"),
        ("0\n2026-11-24T00:00:00Z\n", "line 2"),
        ("2026-11-24T00:00:00Z\n5\n", "line 2"),
        ("0\nnan\n", "line 2"),
    ],
)
def test_a_line_that_is_no_arrival_is_named(text: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=line):
        read_arrivals(csv_file(tmp_path, text))


@pytest.mark.parametrize("text", ["", "time\n", "5\n", "5\n5\n"])
def test_a_span_that_cannot_be_told_is_asked_for(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--span-h"):
        read_arrivals(csv_file(tmp_path, text))


@pytest.mark.parametrize("span_s", [10, 11])
def test_a_given_span_is_taken(span_s: float, tmp_path: Path) -> None:
    assert read_arrivals(csv_file(tmp_path, "0\n10\n"), span_s=span_s).span_s == span_s


@pytest.mark.parametrize("span_s", [9.9, 0, -1])
def test_a_span_shorter_than_the_traffic_is_refused(span_s: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least the 10 s"):
        read_arrivals(csv_file(tmp_path, "0\n10\n"), span_s=span_s)


def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the arrivals"):
        read_arrivals(tmp_path / "nothing.csv")


def cloudwatch(answers: list[list[tuple[datetime, float]]], starts: list[datetime]) -> Any:
    """A client whose calls and answers botocore checks."""
    client = boto3.client(
        "cloudwatch",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - asked of nobody
    )
    stub = Stubber(client)
    for points, start in zip(answers, starts, strict=True):
        stub.add_response(
            "get_metric_statistics",
            {
                "Label": "Invocations",
                "Datapoints": [
                    {"Timestamp": time, "Sum": total, "Unit": "None"} for time, total in points
                ],
            },
            {
                "Namespace": "AWS/SageMaker",
                "MetricName": "Invocations",
                "Dimensions": [
                    {"Name": "EndpointName", "Value": "flights"},
                    {"Name": "VariantName", "Value": "AllTraffic"},
                ],
                "StartTime": start,
                "EndTime": start + timedelta(days=1),
                "Period": 60,
                "Statistics": ["Sum"],
            },
        )
    stub.activate()
    return client


END = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_invocations_are_spread_within_their_minutes() -> None:
    minute = timedelta(minutes=1)
    client = cloudwatch(
        [[(START + 5 * minute, 3.0), (START, 2.0)], [(START + timedelta(days=1, minutes=1), 4.0)]],
        [START, START + timedelta(days=1)],
    )
    traffic = read_invocations(client, "flights", "AllTraffic", end=END, days=2, seed=0)
    assert traffic.span_s == 2 * 86400
    counts = traffic.minute_counts
    assert (counts[0], counts[5], counts[1441], counts.sum()) == (2, 3, 4, 9)
    assert "flights" in traffic.source


def test_an_endpoint_that_nobody_invoked_is_no_traffic() -> None:
    client = cloudwatch([[], []], [START, START + timedelta(days=1)])
    with pytest.raises(InputError, match="no invocations of flights"):
        read_invocations(client, "flights", "AllTraffic", end=END, days=2, seed=0)


@pytest.mark.parametrize("days", [0, MAX_DAYS + 1])
def test_days_that_cloudwatch_does_not_keep_are_refused(days: int) -> None:
    with pytest.raises(InputError, match="1 to 14"):
        read_invocations(None, "flights", "AllTraffic", end=END, days=days, seed=0)
