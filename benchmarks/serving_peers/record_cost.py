"""CPU µs of one prediction record: what the serving image does of it, and json with print.

    python record_cost.py RECORDS BLOCKS

Run where seatrial.serving is installed. What recording adds to a request counts: making the record,
its JSON, and the write to a pipe that `cat` drains; not the event's id and time, which a request
has without it. Blocks of both ways take turns; CPU is this process's own, in and out of the kernel.
The best block counts, since other work on the machine only adds; the output has the medians too.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from seatrial.serving.caller import Caller
from seatrial.serving.invocation import Answer, Request
from seatrial.serving.record import Captured, Records, Served
from seatrial.serving.recorder import Recorder
from seatrial.serving.recording import Recording
from seatrial.serving.settings import Identity

JSON = "application/json"
IDENTITY = Identity("flights-late", "champion", "seatrial-flights/3")
CALLER = Caller(None, synthetic=False, time=None)
SERVED = Served(str(uuid.uuid4()), "2026-11-24T14:33:23Z", 0.1234, False, 1, 200)
# Sized so that the record's line has 750 bytes.
ASKED = b'{"instances":[[%s]]}' % b",".join(b"%.5f" % (n * 0.217) for n in range(20))
ANSWERED = b'{"predictions":[{"label":0,"score":0.1312345}]}'


def with_seatrial(descriptor: int) -> Callable[[], object]:
    """Writes one record as the serving image does."""
    recorder = Recorder(Records(descriptor), IDENTITY, Recording())
    request = Request(JSON, "", ASKED)
    given = Answer(200, JSON, "JSON", ANSWERED, rows=1)
    return lambda: recorder.record(CALLER, request, given, SERVED)


def with_json_and_print(descriptor: int) -> Callable[[], object]:
    """Writes the same record with the standard library."""
    stream = os.fdopen(os.dup(descriptor), "w")
    asked, answered = Captured(JSON, "JSON", ASKED), Captured(JSON, "JSON", ANSWERED)
    return lambda: print(json.dumps(_record(asked, answered)), file=stream, flush=True)


def _record(asked: Captured, answered: Captured) -> dict[str, Any]:
    parts = {"INPUT": ("endpointInput", asked), "OUTPUT": ("endpointOutput", answered)}
    return {
        "captureData": {
            name: {
                "observedContentType": part.content_type,
                "mode": mode,
                "data": part.body.decode("utf-8"),
                "encoding": part.encoding,
            }
            for mode, (name, part) in parts.items()
        },
        "eventMetadata": {"eventId": SERVED.event_id, "inferenceTime": SERVED.at},
        "eventVersion": "0",
        "seatrial": {
            "endpoint": IDENTITY.endpoint,
            "variant": IDENTITY.variant,
            "model_version": IDENTITY.model_version,
            "latency_ms": round(SERVED.latency_ms, 3),
            "cold": SERVED.cold,
            "rows": SERVED.rows,
            "synthetic": CALLER.synthetic,
            "status": SERVED.status,
        },
    }


@contextlib.contextmanager
def drained_pipe() -> Iterator[int]:
    """The end to write to of a pipe that `cat` reads."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as cat:
        assert cat.stdin is not None  # noqa: S101 - it is a pipe
        yield cat.stdin.fileno()
        cat.kill()


def line_bytes() -> int:
    """The length of one record's line."""
    reading, writing = os.pipe()
    with_seatrial(writing)()
    return len(os.read(reading, 65536))


def cpu_us(write: Callable[[], object], records: int) -> float:
    """Of one record, over a block of them."""
    begun = time.process_time()
    for _ in range(records):
        write()
    return (time.process_time() - begun) / records * 1e6


def main(records: int, blocks: int) -> None:
    """Measure, and print JSON."""
    found: dict[str, list[float]] = {"seatrial": [], "json+print": []}
    with drained_pipe() as descriptor:
        ways = {"seatrial": with_seatrial, "json+print": with_json_and_print}
        writers = {name: make(descriptor) for name, make in ways.items()}
        for _ in range(blocks):
            for name, write in writers.items():
                found[name].append(cpu_us(write, records))
    best = {name: min(values) for name, values in found.items()}
    medians = {name: statistics.median(values) for name, values in found.items()}
    written = {"line_bytes": line_bytes(), "cpu_us": best, "median_cpu_us": medians}
    sys.stdout.write(json.dumps(written))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
