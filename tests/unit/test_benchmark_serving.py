"""The serving benchmark's own arithmetic: when an answer is whole, and when a target is met."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from serving_peers.figures import Figures, Target, document, ratio, table, targets
from serving_peers.load import LoadError, request_bytes, whole_answer
from serving_peers.processes import parse_rollup

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 4\r\n\r\n0.5\n"


def figures(scale: float) -> Figures:
    """Two rounds of a server that is `scale` times as slow."""
    return Figures("JSON", *([scale, 2 * scale] for _ in range(6)), [1 / scale, 2 / scale], [1, 1])


def test_an_answer_is_whole_at_its_last_byte_and_not_before() -> None:
    assert [whole_answer(ANSWER[:size]) for size in range(len(ANSWER))] == [None] * len(ANSWER)
    assert whole_answer(ANSWER) == b"0.5\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ANSWER.replace(b"200 OK", b"503 No"), id="another-status"),
        pytest.param(ANSWER.replace(b"Content-Length: 4", b"X: 4"), id="no-length"),
    ],
)
def test_what_is_no_prediction_is_refused(answer: bytes) -> None:
    with pytest.raises(LoadError):
        whole_answer(answer)


def test_a_request_states_its_length() -> None:
    request = request_bytes("/invocations", "application/json", b"[1]")
    assert request.startswith(b"POST /invocations HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 3\r\n" in request
    assert request.endswith(b"\r\n\r\n[1]")


def test_memory_is_read_in_millions_of_bytes() -> None:
    memory = parse_rollup("0-1 ---p 0 00:00 0 [rollup]\nRss:  1000 kB\nPss:   500 kB\n")
    assert memory == (1.024, 0.512)


def test_a_ratio_is_of_what_was_measured_in_the_same_round() -> None:
    assert ratio([1.0, 10.0, 3.0], [1.0, 5.0, 3.0]) == 1.0


@pytest.mark.parametrize(
    ("got", "at_most", "met"),
    [
        pytest.param(1.9, True, True, id="under"),
        pytest.param(2.0, True, True, id="exactly"),
        pytest.param(2.1, True, False, id="over"),
        pytest.param(1.9, False, False, id="under-a-least"),
        pytest.param(2.0, False, True, id="exactly-a-least"),
        pytest.param(2.1, False, True, id="over-a-least"),
    ],
)
def test_a_target_is_met_at_its_limit(got: float, at_most: bool, met: bool) -> None:
    target = Target("what", got, 2.0, at_most=at_most)
    assert target.met is met
    assert str(target).startswith("met " if met else "NOT MET ")


def test_a_peer_that_did_not_run_has_no_target() -> None:
    found = {"floor": figures(1), "seatrial": figures(2)}
    assert not any("MLServer" in target.what for target in targets(found, 3.0))
    found["MLServer"] = figures(8)
    got = {target.what: target.got for target in targets(found, 3.0)}
    assert got["start to first prediction, wall, × floor"] == 2
    assert got["start to first prediction, wall, × MLServer"] == 0.25
    assert got["requests/s at 8 clients, × MLServer"] == 4
    assert got["CPU µs for one prediction record of 750 bytes"] == 3


def test_table_and_document_have_every_server() -> None:
    found = {"floor": figures(1), "seatrial": figures(2)}
    assert [line.split()[0] for line in table(found)][2:] == ["floor", "seatrial"]
    written = document(found, {"line_bytes": 750, "cpu_us": {"seatrial": 3.0, "json+print": 9.0}})
    assert written["servers"]["seatrial"]["median"]["p50_ms"] == 3
    assert all({"what", "got", "limit", "met"} <= set(target) for target in written["targets"])
