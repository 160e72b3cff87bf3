"""What is recorded of a request, and what must not be: sample, sides, dropped or hashed columns."""

from __future__ import annotations

import base64
import io
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from seatrial.monitoring.batches import RecordBatch
from seatrial.monitoring.decoding import Decoded, Refused, decode_alike
from seatrial.monitoring.records import Record, read_line
from seatrial.serving.caller import Caller
from seatrial.serving.codec import CSV, JSON, JSON_LINES, NPY, decode, media_type
from seatrial.serving.errors import RequestError, StartError
from seatrial.serving.invocation import Answer, Request, refusal
from seatrial.serving.record import Records, Served
from seatrial.serving.recorder import Recorder
from seatrial.serving.recording import Recording, read_recording
from seatrial.serving.redaction import hash_value
from seatrial.serving.settings import Identity
from seatrial.serving.signature import Column, Output, Signature

KEY = "a key of our own"
SIGNATURE = Signature(
    model_file="",
    inputs=(
        Column("name", "string", required=True, onnx_input="name"),
        Column("born", "long", required=True, onnx_input="born"),
        Column("temp", "double", required=False, onnx_input="temp"),
    ),
    outputs=(Output("label", "string", "label", None), Output("score", "double", "score", None)),
    input_example=({"name": "A", "born": 1, "temp": 1.0},),
)
AT = datetime(2013, 2, 18, tzinfo=UTC)
NAMES, BORN = ["Zoë Quill", "Bob, Jr."], [19671224, 19880107]
ROWS = [
    {"name": name, "born": born, "temp": temp}
    for name, born, temp in zip(NAMES, BORN, [39.5, None], strict=True)
]


def array_body() -> bytes:
    kinds = [("name", "U9"), ("born", "i8"), ("temp", "f8")]
    rows = [(row["name"], row["born"], row["temp"] or np.nan) for row in ROWS]
    output = io.BytesIO()
    np.save(output, np.array(rows, dtype=kinds), allow_pickle=False)
    return output.getvalue()


BODIES = {
    CSV: 'Zoë Quill,19671224,39.5\n"Bob, Jr.",19880107,\n'.encode(),
    JSON: json.dumps({"dataframe_records": ROWS}).encode(),
    JSON_LINES: "\n".join(json.dumps(row) for row in ROWS).encode(),
    NPY: array_body(),
}


@dataclass
class Kept:
    """Stands in for Records."""

    records: list[dict[str, Any]] = field(default_factory=list)
    error: OSError | None = None

    def write(self, line: bytes, *_: str) -> None:
        if self.error is not None:
            raise self.error
        self.records.append(json.loads(line))


def recorder(kept: Kept, recording: Recording) -> Recorder:
    return Recorder(cast(Records, kept), Identity("e", "v", "m"), recording)


def caller(*, synthetic: bool = False) -> Caller:
    return Caller(None, synthetic=synthetic, time=None)


def served(event_id: str = "e-1", status: int = 200) -> Served:
    return Served(event_id, f"{AT:%FT%TZ}", 1.0, cold=False, rows=2, status=status)


def given(content_type: str = CSV) -> Answer:
    columns = decode(BODIES[content_type], media_type(content_type), SIGNATURE.inputs)
    return Answer(200, CSV, "CSV", b"late,0.5\nearly,0.25\n", 2, columns)


def recorded(recording: Recording, content_type: str = CSV) -> dict[str, Any]:
    kept = Kept()
    request = Request(content_type, "", BODIES[content_type])
    answer = given(content_type)
    assert recorder(kept, recording).record(caller(), request, answer, served()) is answer
    [record] = kept.records
    return record


@dataclass(frozen=True)
class Read:
    """What the monitor reads of records: numpy arrays by column, and what it puts aside."""

    columns: dict[str, np.ndarray]
    hashes: dict[str, np.ndarray]
    unobserved: frozenset[str]
    broken: list[Refused]
    weights: list[float]


def window(*records: dict[str, Any]) -> Read:
    lines = [read_line(json.dumps(record).encode()) for record in records]
    batch = RecordBatch([line for line in lines if isinstance(line, Record)])
    found = [
        part
        for alike in batch.alike(np.arange(len(lines)))
        for part in decode_alike(alike, SIGNATURE)
    ]
    parts = [part for part in found if isinstance(part, Decoded)]
    hashed = sorted({name for part in parts for name in part.hashes})

    def joined(arrays: list[Any]) -> np.ndarray:
        return np.concatenate([array.to_numpy(zero_copy_only=False) for array in arrays])

    return Read(
        {name: joined([part.columns[name] for part in parts]) for name in parts[0].columns},
        {
            name: joined([part.hashes.get(name, pa.nulls(len(part))) for part in parts])
            for name in hashed
        },
        frozenset().union(*(part.unobserved for part in parts)),
        [part for part in found if isinstance(part, Refused)],
        batch.weights.tolist(),
    )


def test_everything_is_recorded_unless_it_is_configured() -> None:
    assert read_recording({}) == Recording()
    assert Recording().wants("e", synthetic=False)
    assert Recording().marks == {}


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        pytest.param("both", ["endpointInput", "endpointOutput"], id="both"),
        pytest.param("request", ["endpointInput"], id="request"),
        pytest.param("response", ["endpointOutput"], id="response"),
    ],
)
def test_one_side_can_be_recorded_alone_and_the_other_is_unobserved(
    text: str, sides: list[str]
) -> None:
    record = recorded(read_recording({"SEATRIAL_RECORD": text}))
    assert list(record["captureData"]) == sides
    rows = window(record)
    assert rows.broken == []
    assert {len(values) for values in rows.columns.values()} == {2}
    inputs, outputs = {"name", "born", "temp"}, {"label", "score"}
    assert rows.unobserved == (inputs if "endpointInput" not in sides else set()) | (
        outputs if "endpointOutput" not in sides else set()
    )
    assert list(rows.columns) == ["name", "born", "temp", "label", "score"]
    assert rows.columns["name"].tolist() == (NAMES if "endpointInput" in sides else [None] * 2)


def test_off_records_nothing() -> None:
    kept, answer = Kept(error=OSError("never asked")), given()
    off = read_recording({"SEATRIAL_RECORD": "off"})
    request = Request(CSV, "", BODIES[CSV])
    assert recorder(kept, off).record(caller(synthetic=True), request, answer, served()) is answer


@pytest.mark.parametrize(("rate", "least", "most"), [(0, 0, 0), (0.25, 900, 1100), (1, 4000, 4000)])
def test_the_sample_has_its_share_and_the_event_s_id_decides(
    rate: float, least: int, most: int
) -> None:
    events = [str(uuid.UUID(int=number)) for number in range(4000)]
    sample = read_recording({"SEATRIAL_RECORD_SAMPLE_RATE": str(rate)})
    chosen = [event for event in events if sample.wants(event, synthetic=False)]
    assert least <= len(chosen) <= most
    assert chosen == [event for event in events if sample.wants(event, synthetic=False)]


def test_our_own_traffic_is_recorded_whatever_the_sample_rate() -> None:
    assert Recording(sample_rate=0).wants("e", synthetic=True)


def test_a_sampled_record_stands_for_those_that_are_not_there() -> None:
    record = recorded(Recording(sample_rate=1.0))
    record["seatrial"]["sample_rate"] = 0.25
    assert window(record).weights == [4]
    assert Recording(sample_rate=0.25).marks == {"sample_rate": 0.25}


HIDING = {
    "dropped": {"SEATRIAL_RECORD_DROP": "name, born"},
    "hashed": {"SEATRIAL_RECORD_HASH": "name,born", "SEATRIAL_RECORD_HASH_KEY": KEY},
    "one-each": {
        "SEATRIAL_RECORD_DROP": "name",
        "SEATRIAL_RECORD_HASH": "born",
        "SEATRIAL_RECORD_HASH_KEY": KEY,
    },
}


def every_form(record: dict[str, Any]) -> str:
    """The record's text, with what is escaped and what is in base64 spelled out beside it."""
    texts = [json.dumps(record, ensure_ascii=False), json.dumps(record)]
    for part in record["captureData"].values():
        data = part["data"]
        texts.append(data)
        if part["encoding"] == "BASE64":
            body = base64.b64decode(data)
            texts += [body.decode("latin-1"), body.replace(b"\0", b"").decode("latin-1")]
            texts.append(str(np.load(io.BytesIO(body)).tolist()))
    return "\n".join(texts)


@pytest.mark.parametrize("content_type", BODIES)
@pytest.mark.parametrize("hiding", HIDING)
def test_personal_data_is_in_no_form_in_a_record(content_type: str, hiding: str) -> None:
    recording = read_recording(HIDING[hiding])
    record = recorded(recording, content_type)
    text = every_form(record)
    for secret in ("Quill", "Zo", "Bob", "19671224", "19880107", KEY):
        assert secret not in text
    rows = window(record)
    assert rows.broken == []
    assert rows.unobserved == {"name", "born"}
    assert rows.columns["name"].tolist() == [None, None]
    assert np.isnan(rows.columns["born"]).all()
    np.testing.assert_array_equal(rows.columns["temp"], [39.5, np.nan])
    assert rows.columns["label"].tolist() == ["late", "early"]
    assert list(rows.hashes) == sorted(recording.hashed)
    for column, values in rows.hashes.items():
        shown = NAMES if column == "name" else BORN
        assert values.tolist() == [hash_value(column, value, KEY.encode()) for value in shown]


@pytest.mark.parametrize("content_type", BODIES)
def test_a_request_whose_every_column_is_dropped_has_its_answer_still(content_type: str) -> None:
    record = recorded(Recording(dropped=("name", "born", "temp")), content_type)
    assert record["captureData"]["endpointInput"]["data"] == ""
    rows = window(record)
    assert rows.broken == []
    np.testing.assert_array_equal(rows.columns["score"], [0.5, 0.25])


def test_a_refusal_that_quotes_the_request_is_withheld_with_it() -> None:
    kept = Kept()
    with pytest.raises(RequestError, match="Zoë") as caught:
        decode("Zoë Quill,Zoë,1\n".encode(), media_type(CSV), SIGNATURE.inputs)
    refused = refusal(caught.value, 400)
    request = Request(CSV, "", "Zoë Quill,Zoë,1\n".encode())
    recorder(kept, Recording(dropped=("name",))).record(caller(), request, refused, served())
    [record] = kept.records
    assert "Zo" not in every_form(record)
    assert [part["data"] for part in record["captureData"].values()] == ["", ""]


def test_a_hash_needs_its_key_and_knows_its_column() -> None:
    digest = hash_value("name", "Zoë", KEY.encode())
    assert len(digest) == 32
    assert digest == hash_value("name", "Zoë", KEY.encode())
    assert digest != hash_value("name", "Zoë", b"another key of ours")
    assert digest != hash_value("nick", "Zoë", KEY.encode())
    assert hash_value("born", 5, KEY.encode()) == hash_value("born", 5.0, KEY.encode())


def test_a_missing_value_has_no_hash() -> None:
    kept, body = Kept(), b"A,1,2\nB,2,\n"
    answer = Answer(
        200, CSV, "CSV", b"a,1\nb,2\n", 2, decode(body, media_type(CSV), SIGNATURE.inputs)
    )
    recording = Recording(hashed=("temp",), hash_key=KEY.encode())
    recorder(kept, recording).record(caller(), Request(CSV, "", body), answer, served())
    rows = window(*kept.records)
    assert rows.hashes["temp"].tolist() == [hash_value("temp", 2, KEY.encode()), None]


def test_records_of_before_and_after_a_change_are_one_window() -> None:
    before = recorded(Recording())
    after = recorded(read_recording(HIDING["one-each"]))
    after["eventMetadata"]["eventId"] = "e-2"
    rows = window(before, after)
    assert rows.broken == []
    assert rows.unobserved == {"name", "born"}
    assert rows.columns["name"].tolist() == [*NAMES, None, None]
    assert [value is None for value in rows.hashes["born"]] == [True, True, False, False]


@pytest.mark.parametrize(("text", "status"), [("refuse", 500), ("serve", 200)])
def test_what_cannot_be_recorded_is_counted_and_refused_or_served(
    text: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, request = Kept(error=OSError(28, "No space left")), Request(CSV, "", BODIES[CSV])
    writer = recorder(kept, read_recording({"SEATRIAL_RECORD_FAILURE": text}))
    for _ in range(2):
        assert writer.record(caller(), request, given(), served()).status == status
    assert "2 so far" in capsys.readouterr().err
    kept.error = None
    writer.record(caller(), request, given(), served())
    assert kept.records[0]["seatrial"]["unwritten"] == 2


@pytest.mark.parametrize(
    ("environment", "what"),
    [
        ({"SEATRIAL_RECORD": "all"}, "both, request, response, off"),
        ({"SEATRIAL_RECORD_SAMPLE_RATE": "1.1"}, "from 0 to 1"),
        ({"SEATRIAL_RECORD_SAMPLE_RATE": "-0.1"}, "from 0 to 1"),
        ({"SEATRIAL_RECORD_SAMPLE_RATE": "nan"}, "from 0 to 1"),
        ({"SEATRIAL_RECORD_SAMPLE_RATE": "half"}, "from 0 to 1"),
        ({"SEATRIAL_RECORD_FAILURE": "ignore"}, "refuse, serve"),
        ({"SEATRIAL_RECORD_HASH": "name"}, "needs a key"),
        ({"SEATRIAL_RECORD_HASH": "name", "SEATRIAL_RECORD_HASH_KEY": KEY[:15]}, "at least 16"),
        (
            {
                "SEATRIAL_RECORD_HASH": "name",
                "SEATRIAL_RECORD_DROP": "name",
                "SEATRIAL_RECORD_HASH_KEY": KEY,
            },
            "both dropped and hashed",
        ),
    ],
)
def test_a_configuration_that_is_none_is_refused(environment: dict[str, str], what: str) -> None:
    with pytest.raises(StartError, match=what) as caught:
        read_recording(environment)
    assert KEY[:15] not in str(caught.value)
    assert caught.value.do


def test_a_key_of_16_characters_is_taken() -> None:
    environment = {"SEATRIAL_RECORD_HASH": "name", "SEATRIAL_RECORD_HASH_KEY": KEY}
    assert len(KEY) == 16
    assert read_recording(environment).hash_key == KEY.encode()


def test_a_column_to_hide_must_be_one_of_the_model_s() -> None:
    Recording(dropped=("name",)).require_columns(SIGNATURE.input_names)
    with pytest.raises(StartError, match=r"got nme, allowed name, born, temp"):
        Recording(dropped=("nme",)).require_columns(SIGNATURE.input_names)
