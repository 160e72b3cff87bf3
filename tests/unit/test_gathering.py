"""Every prediction counts once: late and misdated records, samples, updates, interruptions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from one_day import CONTRACT, DAY, START

from seatrial.contracts import InputColumn, Window
from seatrial.errors import InputError
from seatrial.monitoring.arrivals import Block
from seatrial.monitoring.bodies import UnfitError, read_bodies
from seatrial.monitoring.counts import completeness
from seatrial.monitoring.events import EVERYTHING, Events, Kind, hashes_of
from seatrial.monitoring.ledger import Elsewhere, read_elsewhere, write_ledger
from seatrial.monitoring.span import Span
from seatrial.serving.arrays import decode
from seatrial.serving.errors import ServingError
from seatrial.serving.signature import Column, Signature

Gather = Callable[..., Any]  # conftest.py


def line(event_id: str, hour: float = 1, *, asked: str = "1.5\n", **ours: Any) -> bytes:
    given = "".join("2.5\n" for _ in asked.splitlines())
    at = START + timedelta(hours=hour)
    sides = {"endpointInput": asked, "endpointOutput": given}
    return json.dumps(
        {
            "captureData": {
                side: {"observedContentType": "text/csv", "data": data, "encoding": "CSV"}
                for side, data in sides.items()
            },
            "eventMetadata": {"eventId": event_id, "inferenceTime": at.isoformat()},
            "seatrial": {
                "model_version": "model-1",
                "synthetic": False,
                "status": 200,
                **ours,
            },
        }
    ).encode()


@pytest.fixture
def collect(gather: Gather) -> Gather:
    return lambda *lines, **more: gather(lines, CONTRACT, DAY, **more)


def envelope(*messages: bytes, kind: str = "DATA_MESSAGE") -> bytes:
    events = [{"id": "1", "timestamp": 1, "message": text.decode()} for text in messages]
    return json.dumps({"messageType": kind, "logGroup": "g", "logEvents": events}).encode()


def test_cloudwatch_s_envelope_is_taken_off(collect: Gather) -> None:
    wrapped = envelope(line("a"), line("b")) + envelope(line("c"))
    found = collect(wrapped, line("d"), envelope(b"CWL CONTROL", kind="CONTROL_MESSAGE"))
    assert set(found.event_ids) == {"a", "b", "c", "d"}
    assert found.broken == []


def test_a_broken_message_in_an_envelope_is_put_aside_alone(collect: Gather) -> None:
    found = collect(envelope(line("a"), b"Traceback:", line("b")))
    assert set(found.event_ids) == {"a", "b"}
    assert [item["line"] for item in found.broken] == ["Traceback:"]


def test_one_bad_line_in_a_block_costs_no_other(collect: Gather) -> None:
    good = [line(f"e{number}", number % 24) for number in range(500)]
    bad = [b"null", b"{", b'{"a": 1}', line("\ud800".encode("utf-8", "surrogatepass").hex())[:-9]]
    for place, text in zip((0, 100, 300, 400), bad, strict=True):
        good.insert(place, text)
    found = collect(*good)
    assert len(found.frame) == 500
    assert sorted(item["line"] for item in found.broken) == sorted(x.decode() for x in bad)


@pytest.mark.parametrize("text", [b"{}", b'{"a": 1}', b'{"eventMetadata": {"eventId": "x"}}'])
def test_a_line_without_a_time_is_put_aside_of_an_object_whose_arrival_is_known(
    collect: Gather, text: bytes
) -> None:
    """Once it stopped the step: Arrow reads the line, and no time is neither early nor late."""
    alone = collect(Block(text, START + timedelta(hours=1)))
    assert [item["line"] for item in alone.broken] == [text.decode()]
    among = collect(Block(b"\n".join([line("a"), text, line("b")]), START + timedelta(hours=1)))
    assert (set(among.event_ids), len(among.broken)) == ({"a", "b"}, 1)


def test_the_same_lines_in_any_order_and_any_blocks_are_the_same_window(collect: Gather) -> None:
    lines = [line(f"e{number}", number % 24, asked="1\n2\n") for number in range(300)]
    lines += [line("e7", 7, asked="1\n2\n"), line("bad", asked="one\n"), b"oops"]
    once = collect(*lines)
    mixed = [lines[number] for number in np.random.default_rng(0).permutation(len(lines))]
    pieces = [Block(b"\n".join(mixed[i : i + 50]), None) for i in range(0, len(mixed), 50)]
    again = collect(*pieces)
    assert again.frame.equals(once.frame)
    assert again.counts == once.counts
    assert once.counts.duplicate_records == 1


@pytest.mark.parametrize(
    ("hours_after", "believed"),
    [
        pytest.param(1.99, True, id="under"),
        pytest.param(2, True, id="exactly"),
        pytest.param(2.01, False, id="over"),
    ],
)
def test_a_record_dated_after_its_arrival_is_put_aside(
    collect: Gather, hours_after: float, believed: bool
) -> None:
    found = collect(Block(line("e", 2 + hours_after), START + timedelta(hours=2)))
    assert found.counts.records == believed
    assert [("arrived before" in item["reason"]) for item in found.broken] == [True] * (
        not believed
    )


def test_a_line_without_a_time_counts_in_the_window_in_which_it_came(collect: Gather) -> None:
    came = [START - timedelta(hours=1), START, START + timedelta(hours=23), DAY.end]
    found = [collect(Block(b"oops", hour)).gathering.broken for hour in came]
    assert found == [0, 1, 1, 0]


def test_of_a_window_that_is_too_large_an_even_sample_is_kept(collect: Gather) -> None:
    lines = [line(f"e{number}", 24 * number / 4000) for number in range(4000)]
    found = collect(
        *(Block(b"\n".join(lines[i : i + 400]), None) for i in range(0, 4000, 400)), max_rows=1000
    )
    counts = found.counts
    assert 400 < counts.rows == counts.records <= 1000
    assert counts.sample_ratio in (0.25, 0.125)
    hours = np.bincount(found.frame["inference_time"].dt.hour, minlength=24)
    # 24 counts of a Poisson distribution: all within five standard deviations
    assert abs(hours - hours.mean()).max() < 5 * np.sqrt(hours.mean())
    assert completeness(found.gathering.events, DAY, 4000) == pytest.approx(1, abs=0.2)


def test_a_window_that_just_fits_is_kept_whole(collect: Gather) -> None:
    lines = [line(f"e{number}") for number in range(100)]
    assert collect(*lines, max_rows=100).counts.sample_ratio == 1
    assert collect(*lines, max_rows=99).counts.sample_ratio < 1


def test_duplicates_in_a_sample_are_found_all_the_same(collect: Gather) -> None:
    lines = [line(f"e{number}") for number in range(600)]
    blocks = [Block(b"\n".join(lines), None)] * 3
    found = collect(*blocks, max_rows=200)
    assert len(found.event_ids) == found.counts.records == len(found.frame)
    assert found.counts.duplicate_records == pytest.approx(1200, rel=0.3)


def test_where_the_endpoint_was_updated_what_is_judged_is_declared(collect: Gather) -> None:
    old = [line(f"old{hour}", hour, model_version="model-0") for hour in range(10)]
    new = [line(f"new{hour}", hour) for hour in range(10, 20)]
    found = collect(*old, *new)
    assert found.counts.foreign_records == 10
    assert found.gathering.foreign == {"model-0"}
    assert found.counts.judged_from == START + timedelta(hours=10)
    assert found.counts.judged_to is None
    assert collect(*new).counts.judged_from is None


def test_what_another_run_left_behind_is_cleared_away(collect: Gather, gather: Gather) -> None:
    found = collect(line("a"))
    (found.folder / "spilled").mkdir()
    (found.folder / "spilled" / "0").mkdir()
    from seatrial.monitoring.window_file import WindowFile

    file = WindowFile(found.folder, CONTRACT)
    file.close(EVERYTHING)
    assert not (found.folder / "spilled").exists()
    assert [path.name for path in (found.folder / "window.parquet").iterdir()] == ["part-0.parquet"]


class FakeS3:
    """Objects by key."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get_paginator(self, _: str) -> FakeS3:
        return self

    def paginate(self, **asked: str) -> list[dict[str, Any]]:
        keys = sorted(key for key in self.objects if key.startswith(asked["Prefix"]))
        return [{"Contents": [{"Key": key} for key in keys]}]

    def get_object(self, **asked: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[asked["Key"]])}

    def put_object(self, **given: Any) -> None:
        self.objects[given["Key"]] = given["Body"]


RECORDS = "s3://lake/predictions/e/AllTraffic"


class Days:
    """Collects days one after the other, as the step does, out of one growing log."""

    def __init__(self, gather: Gather) -> None:
        self.gather, self.s3, self.log = gather, FakeS3(), list[bytes]()

    def run(self, day: int) -> set[str]:
        span = Span(START + timedelta(days=day), START + timedelta(days=day + 1))
        elsewhere = read_elsewhere(self.s3, RECORDS, span)
        found = self.gather(self.log, CONTRACT, span, elsewhere=elsewhere)
        write_ledger(self.s3, RECORDS, span, found.gathering.events)
        self.late = found.counts.late_records
        return set(found.event_ids)


def test_a_late_record_counts_in_the_next_window_and_once(gather: Gather) -> None:
    days = Days(gather)
    days.log = [line("a", 1), line("b", 2), line("c", 25)]
    assert days.run(0) == {"a", "b"}
    days.log += [line("late", 3), line("a", 1)]  # and one that was delivered again
    assert days.run(1) == {"c", "late"}
    assert days.late == 1


def test_windows_collected_again_count_nothing_twice_and_lose_nothing(gather: Gather) -> None:
    days = Days(gather)
    days.log = [line("a", 1), line("b", 26)]
    days.run(0)
    days.log += [line("late", 3)]
    assert days.run(1) == {"b", "late"}
    days.log += [line("later", 4)]
    assert days.run(0) == {"a", "later"}, "what the next window counted is not taken back"
    assert days.run(1) == {"b", "late"}
    assert days.run(0) == {"a", "later"}


def test_a_window_collected_again_before_the_next_takes_what_came_meanwhile(
    gather: Gather,
) -> None:
    days = Days(gather)
    days.log = [line("a", 1)]
    days.run(0)
    days.log += [line("late", 3), line("b", 26)]
    assert days.run(0) == {"a", "late"}
    assert days.run(1) == {"b"}


def test_without_a_ledger_of_the_window_before_nothing_is_late(gather: Gather) -> None:
    days = Days(gather)
    days.log = [line("a", 1), line("b", 26)]
    assert days.run(1) == {"b"}


def test_late_records_do_not_count_for_this_window_s_completeness(gather: Gather) -> None:
    before = Elsewhere(span=DAY.before)
    found = gather([line("late", -1), line("a", 1)], CONTRACT, DAY, elsewhere=before)
    assert found.counts.late_records == 1
    assert completeness(found.gathering.events, DAY, 1) == 1


def test_a_ledger_that_is_none_is_a_clear_error() -> None:
    s3 = FakeS3()
    write_ledger(s3, RECORDS, DAY, Events())
    s3.objects = dict.fromkeys(s3.objects, b"not a ledger")
    with pytest.raises(InputError, match="Delete it"):
        read_elsewhere(s3, RECORDS, Span(DAY.end, DAY.end + timedelta(days=1)))


def test_hashes_are_the_same_in_every_process() -> None:
    assert hashes_of(["a", "b"]).tolist() == [13950350942979735504, 12688059582079114975]


@pytest.mark.parametrize("seed", range(3))
def test_events_are_new_once_however_they_are_added(seed: int) -> None:
    random, events, seen = np.random.default_rng(seed), Events(), set[int]()
    for _ in range(30):
        hashes = random.integers(0, 500, random.integers(1, 60)).astype(np.uint64)
        expected = []
        for value in hashes.tolist():
            expected.append(value not in seen)
            seen.add(value)
        assert events.are_new(hashes).tolist() == expected
        some = np.zeros(len(hashes))
        events.add(hash=hashes, kind=some, rows=some, weight=some, time_us=some)
    assert events.count(Kind.PREDICTION) == len(events)


@pytest.mark.parametrize(
    ("ratio", "least", "blind"),
    [
        pytest.param(0.91, 0.9, False, id="over"),
        pytest.param(0.9, 0.9, False, id="exactly"),
        pytest.param(0.89, 0.9, True, id="under"),
        pytest.param(0.0, 0.9, True, id="nothing came"),
        pytest.param(None, 0.9, False, id="nothing to compare with"),
    ],
)
def test_monitoring_is_blind_below_the_configured_share(
    ratio: float | None, least: float, blind: bool
) -> None:
    counts = ("records", "rows", "synthetic_records", "duplicate_records", "broken_lines")
    counts += ("failed_requests", "foreign_records")
    window = Window(
        endpoint_name="e",
        variant_name="v",
        endpoint_config_name="c",
        baseline_uri="s3://lake/b",
        started_at=DAY.start,
        ended_at=DAY.end,
        invocations=None if ratio is None else 100,
        completeness_ratio=ratio,
        min_completeness_ratio=least,
        **dict.fromkeys(counts, 0),
    )
    assert window.blind is blind


# Bodies that are read together mean what the server's own codec says they mean.
COLUMNS = tuple(
    Column(name, kind, required=False, onnx_input="")
    for name, kind in (
        ("text", "string"),
        ("real", "double"),
        ("small", "float"),
        ("whole", "long"),
        ("short", "integer"),
        ("flag", "boolean"),
    )
)
CELLS = {
    "text": ["UA", "", " a ", '"x, y"', '""', '"a""b"', "0x1F", 'a"b', '"a"b', "NA", "é", "text"],
    "real": ["1.5", "", " 2 ", "+7", "1e3", ".5", "nan", "inf", "1_0", "nan(1)", "1e400", "NA"],
    "small": ["1.5", "", "1e38", "1e39", "-3.5e38"],
    "whole": [
        "7",
        "",
        "007",
        "3.0",
        "3.5",
        "9007199254740993",
        "0x1F",
        "1e3",
        "99999999999999999999",
    ],
    "short": ["7", "", "2147483647", "2147483648", "-2147483648", "3.0"],
    "flag": ["true", "false", "1", "0", "", "TRUE", "True", "tRue", "yes"],
}
PLAIN = {"text": "UA", "real": "1.5", "small": "2", "whole": "3", "short": "4", "flag": "true"}


def row(**cells: str) -> bytes:
    return ",".join((PLAIN | cells).values()).encode() + b"\n"


def together(bodies: list[bytes], content_type: str = "text/csv") -> list[list[Any]] | None:
    try:
        found = read_bodies(pa.array(bodies, pa.binary()), content_type, COLUMNS, answers=False)
    except (UnfitError, ServingError, pa.ArrowInvalid):
        return None
    return [found.columns[column.name].to_pylist() for column in COLUMNS]


def alone(bodies: list[bytes], content_type: str = "text/csv") -> list[list[Any]] | None:
    columns: list[list[Any]] = [[] for _ in COLUMNS]
    for body in bodies:
        try:
            found = decode(body, content_type, Signature("", COLUMNS, (), ()))
        except ServingError:
            return None
        for values, column in zip(columns, found.values(), strict=True):
            values += [None if value != value else value for value in column.tolist()]
    return columns


@pytest.mark.parametrize(
    ("name", "cell"), [(name, cell) for name, cells in CELLS.items() for cell in cells]
)
def test_a_cell_read_together_is_what_the_server_read(name: str, cell: str) -> None:
    bodies = [row(), row(**{name: cell}), row()[:-1]]
    read = together(bodies)
    assert read is None or read == alone(bodies)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(b"text,real,small,whole,short,flag\n" + row(), id="header"),
        pytest.param(b'"text",real,small,whole,short,flag\n' + row(), id="quoted header"),
        pytest.param(b"\xef\xbb\xbf" + row(), id="byte order mark"),
        pytest.param(b"\n" + row(), id="empty line"),
        pytest.param(row() + b"\n" + row(), id="empty line between"),
        pytest.param(row().replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(row(text='"a\nb"') + row(), id="line break in quotes"),
        pytest.param(row(text='"a') + row(), id="open quotes"),
        pytest.param(b"UA,1\n", id="too few cells"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff" + row(), id="not UTF-8"),
    ],
)
def test_a_body_read_together_has_the_rows_that_the_server_saw(odd: bytes) -> None:
    bodies = [row(), odd, row() + row()]
    read = together(bodies)
    assert read is None or read == alone(bodies)


def test_ordinary_bodies_are_read_together() -> None:
    bodies = [
        row(),
        row(text="", real="", whole="", flag="") + row(text='"a, b"'),
        row(whole="3.0"),
    ]
    assert together(bodies) == alone(bodies) is not None
    header = b"flag,real,small,whole,short,text\n"
    headed = [header + b"true,1.5,2,3,4,UA\n", header + b"false,,,,,AA\n1,2,3,4,5,\n"]
    kind = "text/csv; header=present"
    assert together(headed, kind) == alone(headed, kind) is not None


@pytest.mark.parametrize("form", ["dataframe_records", "instances", "dataframe_split"])
def test_json_bodies_are_read_together(form: str) -> None:
    rows = [{"text": "UA", "real": 1, "whole": 2**60, "flag": None}, {"text": None, "real": 2.5}]
    names = [column.name for column in COLUMNS]
    bodies = []
    for part in (rows[:1], rows[1:], rows[:1]):
        data = {"columns": names, "data": [[item.get(name) for name in names] for item in part]}
        bodies.append(json.dumps({form: data if form == "dataframe_split" else part}).encode())
    kind = "application/json"
    exact = [bodies[0], bodies[2]]
    assert together(exact, kind) == alone(exact, kind) is not None
    assert together(bodies, kind) is None, "2**60 beside a missing one is not exact in float64"


def test_a_csv_of_all_quirks_in_one_block_is_read_like_one_by_one(gather: Gather) -> None:
    """Through the whole path: what cannot be read together is found and read alone."""
    signature = CONTRACT.model_copy(
        update={
            "inputs": tuple(
                InputColumn(name=column.name, type=column.type, required=False, onnx_input="x")
                for column in COLUMNS
            )
        }
    )
    bodies = [row(**{name: cell}) for name, cells in CELLS.items() for cell in cells]
    good = [body for body in bodies if alone([body]) is not None]
    lines = []
    for number, body in enumerate(bodies):
        document = json.loads(line(f"{number:03}", number / 10, asked="1\n"))
        document["captureData"]["endpointInput"]["data"] = body.decode()
        lines.append(json.dumps(document).encode())
    found = gather(lines, signature, DAY)
    assert (found.counts.records, len(found.broken)) == (len(good), len(bodies) - len(good))
    expected = [alone([body])[0][0] for body in good]
    assert list(found.frame["text"]) == expected
    assert next(csv.reader([good[3].decode()]))[0] == found.frame["text"].iloc[3]
