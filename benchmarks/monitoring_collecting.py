"""What collecting a window's records costs, beside pyarrow's reading of the same file.

Each figure is the CPU of a fresh process, imports left out; the two take turns on the same file,
and the medians are compared. A record is a line of 700 bytes: 25 columns as CSV inside JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson

START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK_S = 7 * 24 * 3600
NUMBERS, TEXTS = 20, 5
MAX_RATIO = 3.0


def write_records(path: Path, count: int) -> None:
    """A week's log of one-row requests in order of time, one in a hundred delivered twice."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(count, NUMBERS)).round(5)
    texts = random.choice(["UA", "AA", "B6", "DL"], size=(count, TEXTS))
    scores = random.random(count).round(6)
    twice = random.random(count) < 0.01
    with path.open("wb") as file:
        for row in range(count):
            at = START + timedelta(seconds=int(WEEK_S * row / count))
            asked = ",".join([*map(repr, numbers[row].tolist()), *texts[row]]) + "\n"
            given = f"{int(scores[row] > 0.5)},{scores[row]}\n"
            line = orjson.dumps(_record(row, at, asked, given), option=orjson.OPT_APPEND_NEWLINE)
            file.write(line * (2 if twice[row] else 1))


def _record(row: int, at: datetime, asked: str, given: str) -> dict[str, Any]:
    def body(mode: str, data: str, content_type: str) -> dict[str, str]:
        return {
            "observedContentType": content_type,
            "mode": mode,
            "data": data,
            "encoding": "CSV",
        }

    return {
        "captureData": {
            "endpointInput": body("INPUT", asked, "text/csv"),
            "endpointOutput": body("OUTPUT", given, "text/csv; charset=utf-8"),
        },
        "eventMetadata": {
            "eventId": str(uuid.uuid5(uuid.NAMESPACE_OID, str(row))),
            "inferenceTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        },
        "eventVersion": "0",
        "seatrial": {
            "endpoint": "flights",
            "variant": "AllTraffic",
            "model_version": "model-1",
            "latency_ms": 1.234,
            "cold": False,
            "rows": 1,
            "synthetic": False,
            "status": 200,
        },
    }


def read_with_arrow(path: Path) -> Callable[[], int]:
    """pyarrow.json reading the file, with its defaults."""
    import pyarrow.json as pj

    return lambda: int(pj.read_json(path).num_rows)


def collect(path: Path) -> Callable[[], int]:
    """The file read, deduplicated, typed and written as a window."""
    import pandas.util  # noqa: F401 - an import of the step's, not to be counted
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401

    from seatrial.contracts import InputColumn, ModelSignature, OutputColumn
    from seatrial.monitoring.arrivals import BLOCK_BYTES, Block, whole_lines
    from seatrial.monitoring.span import Span
    from seatrial.monitoring.window import Gathering
    from seatrial.monitoring.window_file import WindowFile
    from seatrial.serving.signature import parse_signature

    kinds = [("double", f"n{number}") for number in range(NUMBERS)]
    kinds += [("string", f"c{number}") for number in range(TEXTS)]
    signature = ModelSignature(
        task="binary_classification",
        model_file="model.onnx",
        inputs=tuple(
            InputColumn(name=name, type=kind, required=False, onnx_input=name)
            for kind, name in kinds
        ),
        outputs=(
            OutputColumn(name="label", type="long", onnx_output="label"),
            OutputColumn(name="score", type="double", onnx_output="score"),
        ),
        label="label",
        score="score",
        input_example=({"n0": 1.0},),
    )

    def blocks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block

    def run() -> int:
        with TemporaryDirectory(dir=path.parent) as folder:
            gathering = Gathering(
                span=Span(START, START + timedelta(seconds=WEEK_S)),
                model_version="model-1",
                signature=parse_signature(signature.model_dump(mode="json")),
                file=WindowFile(Path(folder), signature),
                max_rows=10**9,
            )
            for text in whole_lines(blocks()):
                gathering.take(Block(text, None))
            gathering.finish()
            return gathering.events.rows

    return run


WAYS = {"pyarrow.json": read_with_arrow, "seatrial": collect}


def measure(way: str, path: Path) -> dict[str, Any]:
    """CPU seconds, rows and peak memory of one way, in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--file", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def in_this_process(way: str, path: Path) -> dict[str, Any]:
    """What `measure` starts."""
    run = WAYS[way](path)
    started = time.process_time()
    rows = run()
    cpu_s = time.process_time() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_s": cpu_s, "rows": rows, "peak_mb": peak_mb}


def compare(records: int, repeats: int) -> bool:
    """Print the figures; True if collecting costs no more than it may."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        write_records(path, records)
        found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        for _ in range(repeats):
            for way in WAYS:
                found[way].append(measure(way, path))
        size_mb = path.stat().st_size / 2**20
    cpu_s = {way: statistics.median(item["cpu_s"] for item in found[way]) for way in WAYS}
    ratio = cpu_s["seatrial"] / cpu_s["pyarrow.json"]
    print(f"{records} records, {size_mb:.0f} MB, medians of {repeats}")  # noqa: T201
    for way in WAYS:
        peak_mb = max(item["peak_mb"] for item in found[way])
        rows = found[way][0]["rows"]
        print(f"{way:14} {cpu_s[way]:6.2f} CPU s, {rows} rows, peak {peak_mb:.0f} MB")  # noqa: T201
    print(f"ratio {ratio:.2f}, allowed {MAX_RATIO:g}")  # noqa: T201
    return ratio <= MAX_RATIO


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS, required=True)
    parser.add_argument("--file", type=Path, required=True)
    args = parser.parse_args()
    sys.stdout.write(json.dumps(in_this_process(args.way, args.file)))
