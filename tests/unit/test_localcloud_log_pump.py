"""Every printed line becomes an event, whole, in order; only what no event can hold is torn."""

from __future__ import annotations

import asyncio

import pytest

from seatrial.localcloud.log_pump import pump

MAX_EVENT_BYTES = 2**20 - 26


def events_of(*chunks: bytes) -> list[str]:
    async def run() -> list[str]:
        stream, events = asyncio.StreamReader(), list[str]()
        for chunk in chunks:
            stream.feed_data(chunk)
        stream.feed_eof()
        await pump(stream, events.extend)
        return events

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("chunks", "events"),
    [
        pytest.param([b"one\ntwo\n"], ["one", "two"], id="lines"),
        pytest.param([b"o", b"ne\ntw", b"o\n"], ["one", "two"], id="lines-in-pieces"),
        pytest.param([b"one\nlast"], ["one", "last"], id="last-without-an-end"),
        pytest.param([b"one\n\n\ntwo\n"], ["one", "two"], id="empty-lines-are-no-events"),
        pytest.param([b"caf\xc3\xa9 \xff\n"], ["café \ufffd"], id="bytes-that-are-no-text"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_lines_become_events(chunks: list[bytes], events: list[str]) -> None:
    assert events_of(*chunks) == events


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        pytest.param(MAX_EVENT_BYTES - 1, [MAX_EVENT_BYTES - 1], id="under"),
        pytest.param(MAX_EVENT_BYTES, [MAX_EVENT_BYTES], id="exactly-at-limit"),
        pytest.param(MAX_EVENT_BYTES + 1, [MAX_EVENT_BYTES, 1], id="over"),
    ],
)
def test_what_no_event_can_hold_is_torn(size: int, sizes: list[int]) -> None:
    assert [len(event) for event in events_of(b"x" * size + b"\nnext\n")] == [*sizes, 4]
