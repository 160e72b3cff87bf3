"""What requests were like: spreads that merge, counted once, and without what was in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from one_day import CONTRACT, DAY, START

from seatrial.contracts.calls import CallGroup, Calls, Spread
from seatrial.monitoring.call_files import side_by_side
from seatrial.monitoring.calls import merged
from seatrial.monitoring.span import Span

HOUR = int(START.timestamp()) // 3600


def line(event_id: str, asked: str = "1.5\n", *, hour: float = 1, **ours: Any) -> bytes:
    given = "".join("2.5\n" for _ in asked.splitlines())
    sides = {"endpointInput": asked, "endpointOutput": given}
    return json.dumps(
        {
            "captureData": {
                side: {"observedContentType": "text/csv", "data": data, "encoding": "CSV"}
                for side, data in sides.items()
            },
            "eventMetadata": {
                "eventId": event_id,
                "inferenceTime": (START + timedelta(hours=hour)).isoformat(),
            },
            "seatrial": {
                "model_version": "model-1",
                "synthetic": False,
                "status": 200,
                "latency_ms": 4.0,
                "cold": False,
                "rows": len(asked.splitlines()),
                **ours,
            },
        }
    ).encode()


@pytest.fixture
def calls_of(gather: Callable[..., Any]) -> Callable[..., Calls]:
    def count(*lines: bytes, **more: Any) -> Calls:
        found = gather(lines, CONTRACT, DAY, **more).gathering.calls
        return found.calls("e", DAY, 0.9)  # type: ignore[no-any-return]

    return count


# A sample rate makes a line that Arrow leaves to be read by itself.
@pytest.mark.parametrize("ours", [{}, {"sample_rate": 1.0}], ids=["by-arrow", "one-by-one"])
def test_each_request_counts_once_with_its_sizes_and_times(
    calls_of: Callable[..., Calls], ours: dict[str, Any]
) -> None:
    found = calls_of(
        line("a", **ours),
        line("a", **ours),
        line("b", "1\n2\n3\n", hour=2.5, cold=True, latency_ms=40, **ours),
        line("c", model_version="model-0", **ours),
        line("d", status=400, latency_ms=900, **ours),
        line("ping", synthetic=True, **ours),
    )
    callers = found.callers
    assert (callers.requests, callers.failed, callers.cold, callers.marked) == (4, 1, 1, 4)
    assert (callers.request_bytes.total, callers.request_bytes.largest) == (4 + 6 + 4, 6)
    assert callers.response_bytes.total == 4 + 12 + 4
    assert (callers.server_ms.count, callers.server_ms.largest) == (3, 40)
    assert callers.rows.total == 5
    assert found.synthetic.requests == 1
    assert found.versions == {"model-1": 3, "model-0": 1}
    assert found.hours == {HOUR + 1: 3, HOUR + 2: 1}
    assert "1.5" not in found.model_dump_json()


def test_a_sampled_record_stands_for_several(calls_of: Callable[..., Calls]) -> None:
    found = calls_of(line("a", sample_rate=0.25))
    assert (found.callers.requests, found.callers.rows.total) == (4, 4)


def test_of_a_thinned_window_the_counts_are_of_all(calls_of: Callable[..., Calls]) -> None:
    blocks = [line(f"event-{number}") for number in range(400)]
    assert calls_of(*blocks, max_rows=100).callers.requests == 400


@pytest.mark.parametrize("latency_ms", ["soon", None, -1.0])
def test_a_time_that_is_none_does_not_cost_the_prediction(
    calls_of: Callable[..., Calls], latency_ms: Any
) -> None:
    found = calls_of(line("a", latency_ms=latency_ms, cold="perhaps"))
    assert (found.callers.requests, found.callers.server_ms.count, found.callers.marked) == (
        1,
        0,
        0,
    )


def test_what_had_columns_left_out_has_no_size(calls_of: Callable[..., Calls]) -> None:
    found = calls_of(line("a", dropped=["x"]))
    assert found.callers.request_bytes.count == 0


def test_a_percentile_is_at_most_a_cell_too_large() -> None:
    spread = Spread(cells={80: 90.0, 88: 10.0}, zeros=0, total=1, largest=2100)
    assert spread.percentile(90) == pytest.approx(1024 * 2 ** (1 / 8))
    assert spread.percentile(91) == 2100  # never over the largest
    assert Spread().percentile(50) is None
    assert Spread(zeros=3).percentile(50) == 0


@pytest.mark.parametrize(("value", "share"), [(2048, 0.1), (2049, 0.0), (1024, 1.0)])
def test_a_share_is_over_a_value_for_certain(value: float, share: float) -> None:
    assert Spread(cells={80: 90.0, 88: 10.0}, largest=2100).share_over(value) == share


def test_windows_together_are_as_one_and_as_complete_as_the_worst() -> None:
    def window(day: int, cell: int, complete: float | None) -> Calls:
        spread = Spread(cells={cell: 2.0}, total=8.0, largest=4.0 * day)
        return Calls(
            endpoint_name="e",
            started_at=START + timedelta(days=day),
            ended_at=START + timedelta(days=day + 1),
            completeness_ratio=complete,
            callers=CallGroup(requests=2, rows=spread),
            synthetic=CallGroup(requests=1),
            versions={"v": 2.0},
            hours={day: 2.0},
        )

    both = merged([window(1, 16, 0.5), window(2, 16, None)])
    assert both.callers.rows == Spread(cells={16: 4.0}, total=16.0, largest=8.0)
    assert (both.callers.requests, both.requests) == (4, 6)
    assert (both.completeness_ratio, both.versions, both.hours) == (0.5, {"v": 4}, {1: 2, 2: 2})


def test_of_windows_that_overlap_no_hour_counts_twice() -> None:
    def span(first: int, last: int) -> Span:
        return Span(START + timedelta(days=first), START + timedelta(days=last))

    spans = [span(0, 7), span(6, 7), span(7, 8), span(5, 8), span(8, 9)]
    assert side_by_side(spans) == [span(5, 8), span(8, 9)]
    assert side_by_side([span(0, 7), span(7, 8), span(7, 8)]) == [span(0, 7), span(7, 8)]
