"""Measure one candidate in this process, which is fresh and of the serving environment.

    python3 -I measure_program.py measure MODEL_DIR ANSWER.json SECONDS CALL_SECONDS BATCH.json …
    python3 -I measure_program.py predict MODEL_DIR ANSWER.npz BATCH_ROWS ROWS.npz

Run by path: the serving environment has seatrial.serving and nothing else of seatrial, so this file
takes the standard library and the server's own Model, and imports that inside the clock. Measuring
is without numpy, as serving is; predicting the validation rows is no measurement, and has it.

One thread: a sandbox of the small tiers has about one CPU, and with more threads than CPUs the
scheduler would be measured. Peak memory is the kernel's high-water mark of this process (VmHWM).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

THREADS = 1
MIN_CALLS, MAX_CALLS = 5, 400
MIN_SLOW_CALLS = 2
SLOW = 10


def measure(folder: Path, seconds: float, call_s: float, batches: list[Path]) -> dict[str, Any]:
    """Start-up by phase, then each batch as often as `seconds` allow, then the peak of memory.

    Batches come smallest first. One of which a call should take longer than `call_s`, by its rows
    and the batch before, is left out, and so are those after it.
    """
    start_cpu = time.process_time()
    timer = Timer()
    from seatrial.serving.model import Model

    imported = timer.lap()
    model = Model.load(folder, threads=THREADS)
    loaded = timer.lap()
    columns = [json.loads(path.read_text(encoding="utf-8")) for path in batches]
    first_row = {name: values[:1] for name, values in columns[0].items()}
    timer.lap()
    model.answer(first_row)
    predicted = timer.lap()
    return {
        "import_ms": imported[0],
        "load_ms": loaded[0],
        "first_prediction_ms": predicted[0],
        "start_cpu_ms": start_cpu * 1000 + imported[1] + loaded[1] + predicted[1],
        **time_batches(model, columns, seconds, call_s),
        "peak_memory_mb": peak_memory_mb(),
        "versions": versions(),
    }


def time_batches(
    model: Any, batches: list[dict[str, Any]], seconds: float, call_s: float
) -> dict[str, Any]:
    """The batches that are not expected to take too long, and those that are."""
    found: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    for columns in batches:
        if found:
            rows = len(next(iter(columns.values())))
            expected_s = min(found[-1]["calls_ms"]) / found[-1]["rows"] * rows / 1000
            if expected_s > call_s:
                left_out.append({"rows": rows, "expected_s": expected_s})
                continue
        found.append(time_calls(model, columns, seconds))
    return {"batches": found, "left_out": left_out}


def time_calls(model: Any, columns: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The wall time of each call, and the CPU time per call.

    What is slow needs no second call to be warm, and not many to be known: a first call that takes
    ten times the `seconds` is the only one.
    """
    timer = Timer()
    model.answer(columns)
    first_ms, first_cpu_ms = timer.lap()
    rows = len(next(iter(columns.values())))
    if first_ms > SLOW * seconds * 1000:
        return {"rows": rows, "calls_ms": [first_ms], "cpu_ms": first_cpu_ms}
    slow = first_ms > seconds * 1000
    if not slow:
        model.answer(columns)
    least = MIN_SLOW_CALLS if slow else MIN_CALLS
    calls: list[float] = []
    cpu, ends = time.process_time(), time.perf_counter() + seconds
    while len(calls) < least or (len(calls) < MAX_CALLS and time.perf_counter() < ends):
        started = time.perf_counter()
        model.answer(columns)
        calls.append((time.perf_counter() - started) * 1000)
    cpu_ms = (time.process_time() - cpu) * 1000 / len(calls)
    return {"rows": rows, "calls_ms": calls, "cpu_ms": cpu_ms}


def predict(folder: Path, answer: Path, batch_rows: int, rows: Path) -> None:
    """Write the answer's columns, by number, without pickle."""
    import numpy as np

    from seatrial.serving.model import Model

    found = Model.load(folder, threads=THREADS).predict(read_columns(rows), batch_rows=batch_rows)
    plain = [values.astype(str) if values.dtype == object else values for values in found.values()]
    stored = {f"output-{index}": values for index, values in enumerate(plain)}
    np.savez(answer, names=np.array(list(found), dtype=str), **stored)  # type: ignore[arg-type]


def read_columns(path: Path) -> dict[str, Any]:
    """What seatrial.optimization.columns wrote: text as objects, with None where it is missing."""
    import numpy as np

    columns = {}
    with np.load(path, allow_pickle=False) as stored:
        for index, name in enumerate(stored["names"]):
            values = stored[f"column-{index}"]
            if f"missing-{index}" in stored:
                values = np.where(stored[f"missing-{index}"], None, values.astype(object))
            columns[str(name)] = values
    return columns


class Timer:
    """Wall and CPU time in ms since it was last asked."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self) -> tuple[float, float]:
        """Wall and CPU time since the last lap."""
        wall, cpu = time.perf_counter(), time.process_time()
        lap = (wall - self._wall) * 1000, (cpu - self._cpu) * 1000
        self._wall, self._cpu = wall, cpu
        return lap


def peak_memory_mb() -> float:
    """VmHWM; where there is no /proc, the resident set's peak as getrusage knows it."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def versions() -> str:
    """What predicted."""
    from importlib.metadata import version

    return f"Python {sys.version.split()[0]}, onnxruntime {version('onnxruntime')}"


def main(arguments: list[str]) -> int:
    """The program; a model that cannot be loaded is one line on stderr."""
    mode, folder, answer, amount, *rest = arguments
    try:
        if mode == "predict":
            predict(Path(folder), Path(answer), int(amount), Path(rest[0]))
        else:
            call_s, *files = rest
            batches = [Path(item) for item in files]
            found = measure(Path(folder), float(amount), float(call_s), batches)
            Path(answer).write_text(json.dumps(found), encoding="utf-8")
    except Exception as error:  # whatever the model makes the server's code raise
        sys.stderr.write(f"{type(error).__name__}: {error}\n".replace("\n", " ") + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
