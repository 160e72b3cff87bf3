"""Long records: written in parts by the server, joined again by the monitor, nothing lost."""

from __future__ import annotations

import os
import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from seatrial.monitoring.lines import LineReader
from seatrial.monitoring.records import Record, read_line
from seatrial.monitoring.span import Span
from seatrial.serving.caller import Caller
from seatrial.serving.record import Captured, Records, RecordWriter, Served
from seatrial.serving.record_parts import DEFAULT_MAX_LINE_BYTES, LEAST_MAX_LINE_BYTES
from seatrial.serving.settings import Identity

AT = datetime(2013, 2, 18, 10, tzinfo=UTC)
HOUR = Span(AT, AT + timedelta(hours=1))
KIB_16 = 16 * 1024
BODY_BYTES = 4 * 2**20


def record(
    asked: bytes, given: bytes = b"0\n", *, event_id: str = "e-1", at: datetime = AT
) -> bytes:
    return RecordWriter(Identity("flights", "AllTraffic", "model-1"), {}).line(
        Caller("caller's", synthetic=False, time=None),
        Captured("text/csv", "CSV", asked),
        Captured("text/csv", "CSV", given),
        Served(event_id, f"{at:%FT%TZ}", 1.0, cold=False, rows=1, status=200),
    )


def written(line: bytes, max_line_bytes: int) -> list[bytes]:
    """The lines as they come out of a pipe, newline included."""
    reader, writer = os.pipe()
    lines: list[bytes] = []

    def read() -> None:
        with os.fdopen(reader, "rb") as file:
            lines.extend(file)

    thread = threading.Thread(target=read)
    thread.start()
    event = orjson.loads(line)["eventMetadata"]
    records = Records(writer, max_line_bytes=max_line_bytes)
    records.write(line, event["eventId"], event["inferenceTime"])
    os.close(writer)
    thread.join(20)
    return lines


@dataclass
class Found:
    """What was read of lines, and what was put aside with its reason."""

    records: list[Record]
    broken: list[tuple[bytes, str]]
    duplicate: int


def sort(lines: list[bytes]) -> Found:
    broken: list[tuple[bytes, str]] = []
    reader = LineReader([HOUR], lambda line, reason: broken.append((line, reason)))
    records = list(reader.read(lines))
    reader.finish()
    return Found(records, broken, reader.duplicates)


def joined(lines: list[bytes]) -> Record:
    found = sort(lines)
    assert found.broken == []
    assert found.duplicate == 0
    [only] = found.records
    return only


def three_parts(**changes: Any) -> list[bytes]:
    lines = written(record(b"UA,17\n" * 400, **changes), LEAST_MAX_LINE_BYTES)
    assert len(lines) >= 3
    return lines


@pytest.mark.parametrize("limit", [KIB_16, DEFAULT_MAX_LINE_BYTES])
@pytest.mark.parametrize(
    ("over", "split"),
    [
        pytest.param(-1, False, id="under"),
        pytest.param(0, False, id="exactly"),
        pytest.param(1, True, id="over"),
    ],
)
def test_a_line_has_at_most_its_limit(limit: int, over: int, split: bool) -> None:
    empty = len(record(b""))
    body = b"x" * (limit + over - empty)
    lines = written(record(body), limit)
    assert (len(lines) > 1) is split
    assert all(len(line) <= limit for line in lines)
    assert joined(lines).request.data == body


@pytest.mark.parametrize("limit", [KIB_16, DEFAULT_MAX_LINE_BYTES])
def test_four_mb_each_way_are_not_lost(limit: int) -> None:
    asked = random.Random(1).randbytes(BODY_BYTES)
    given = b'"a\\",\n' * (BODY_BYTES // 6)
    lines = written(record(asked, given), limit)
    assert all(len(line) <= limit for line in lines)
    whole = joined(lines)
    assert whole.request.data == asked
    assert whole.answer.data == given
    assert whole.inference_id == "caller's"


@pytest.mark.parametrize("seed", range(40))
def test_bodies_of_any_size_and_text_come_back_in_any_order(seed: int) -> None:
    chance = random.Random(seed)
    limit = chance.choice([LEAST_MAX_LINE_BYTES, 4096, KIB_16, chance.randint(1024, 50_000)])
    texts = [
        "".join(chance.choices('aé"\\\n\x00温🙂}{', k=int(2 ** chance.uniform(0, 16))))
        for _ in range(2)
    ]
    asked, given = (text.encode() for text in texts)
    lines = written(record(asked, given), limit)
    assert all(len(line) <= limit for line in lines)
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    chance.shuffle(lines)
    whole = joined(lines)
    assert (whole.request.data, whole.answer.data) == (asked, given)


def test_every_part_names_its_event_and_passes_the_log_s_filter() -> None:
    for number, line in enumerate(lines := three_parts(), 1):
        document = orjson.loads(line)
        assert '"captureData"' in line.decode()
        assert document["eventMetadata"] == {
            "eventId": "e-1",
            "inferenceTime": "2013-02-18T10:00:00Z",
        }
        assert document["seatrial"] == {"part": number, "parts": len(lines)}


def test_parts_of_several_records_may_be_mixed_and_joined_without_a_newline() -> None:
    first, second = three_parts(event_id="e-1"), three_parts(event_id="e-2")
    mixed = [a.rstrip() + b.rstrip() for a, b in zip(reversed(first), second, strict=True)]
    found = sort(mixed)
    assert [item.event_id for item in found.records] == ["e-1", "e-2"]
    assert found.broken == []


def test_a_missing_part_is_one_broken_line_that_says_which() -> None:
    lines = three_parts()
    del lines[1]
    found = sort(lines)
    assert found.records == []
    [broken] = found.broken
    assert broken[1] == f"part 2 of {len(lines) + 1} is missing"
    assert broken[0].split() == [line.rstrip() for line in lines]


def test_a_part_that_came_twice_is_no_second_record() -> None:
    lines = three_parts()
    found = sort([lines[0], *lines, lines[-1]])
    assert (len(found.records), found.duplicate, found.broken) == (1, 0, [])


def test_a_record_that_came_twice_counts_once() -> None:
    found = sort(three_parts() * 3)
    assert (len(found.records), found.duplicate, found.broken) == (1, 2, [])


def test_parts_made_outside_the_window_count_nowhere() -> None:
    found = sort(three_parts(at=AT - timedelta(seconds=1))[1:])
    assert found == Found([], [], 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b'"part":2', b'"part":0', id="no such part"),
        pytest.param(b'"part":2', b'"part":99', id="beyond the last"),
        pytest.param(b'"part":2', b'"part":"2"', id="not a number"),
        pytest.param(b'"record":"', b'"record":"*', id="not base64"),
        pytest.param(b'"parts":', b'"parts":9', id="of another number"),
        pytest.param(b'"2013', b'"when', id="no time"),
    ],
)
def test_a_part_that_is_none_is_put_aside_and_its_record_is_broken(old: bytes, new: bytes) -> None:
    lines = three_parts()
    assert old in lines[1]
    lines[1] = lines[1].replace(old, new)
    found = sort(lines)
    assert found.records == []
    assert lines[1] in [line for line, _ in found.broken]
    assert f"part 2 of {len(lines)} is missing" in [reason for _, reason in found.broken]


def test_parts_that_join_to_another_record_are_broken() -> None:
    lines = three_parts(event_id="e-2")
    found = sort([line.replace(b'"eventId":"e-2"', b'"eventId":"e-1"') for line in lines])
    assert found.records == []
    assert len(found.broken) == 1


def test_a_record_that_fits_is_read_as_before() -> None:
    [line] = written(record(b"UA,17\n"), DEFAULT_MAX_LINE_BYTES)
    assert isinstance(read_line(line), Record)
