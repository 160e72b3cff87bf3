"""One tool's drift verdict on a window, as a process of its own: `programs.py TOOL FOLDER`.

The folder is one of monitoring_data.py. Each tool does what its documentation shows first. Prints
JSON: how many columns drifted, CPU seconds without imports, and the process's peak memory.
"""

from __future__ import annotations

import json
import re
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

Work = Callable[[], int]
BATCH_ROWS = 131_072


def decode(folder: Path) -> Work:
    """The window's Parquet decoded on one thread, and nothing else: the floor."""
    import pyarrow.parquet as pq

    def work() -> int:
        for file in sorted((folder / "window.parquet").iterdir()):
            for _ in pq.ParquetFile(file).iter_batches(BATCH_ROWS, use_threads=False):
                pass
        return 0

    return work


def seatrial(folder: Path) -> Work:
    """Summary and decision against the stored baseline, as DetectDrift makes them."""
    import pyarrow.parquet  # noqa: F401 - imported here, so that it does not count
    import scipy.special  # noqa: F401

    from seatrial.contracts import Baseline, Summary, read_contract, write_contract
    from seatrial.monitoring.drift import decide
    from seatrial.monitoring.window_rows import summarise_window

    def work() -> int:
        baseline = read_contract(Baseline, folder / "baseline.json")
        reference = read_contract(Summary, folder / "summary.json")
        window = summarise_window(folder / "window.parquet", like=reference)
        report = decide(baseline, reference, window, window_h=168, min_rows=200)
        write_contract(report, folder / "drift.json")
        return sum(column.drifted for column in report.columns)

    return work


def evidently(folder: Path) -> Work:
    """Its drift preset, and the report as HTML."""
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    def work() -> int:
        reference, window = (Dataset.from_pandas(frame) for frame in _frames(folder))
        found = Report([DataDriftPreset()]).run(window, reference)
        found.save_html(str(folder / "evidently.html"))
        return int(found.dict()["metrics"][0]["value"]["count"])

    return work


def nannyml(folder: Path) -> Work:
    """Univariate drift with its Jensen-Shannon distance, over one chunk."""
    from nannyml import UnivariateDriftCalculator

    def work() -> int:
        reference, window = _frames(folder)
        calculator = UnivariateDriftCalculator(
            column_names=list(reference.columns),
            continuous_methods=["jensen_shannon"],
            categorical_methods=["jensen_shannon"],
            chunk_number=1,
        )
        frame = calculator.fit(reference).calculate(window).to_df(multilevel=False)
        analysis = frame[frame["chunk_period"] == "analysis"]
        alerts = [name for name in frame.columns if name.endswith("_alert")]
        return int(analysis[alerts].iloc[0].sum())

    return work


def whylogs(folder: Path) -> Work:
    """A profile of the window against the reference's, which is stored as ours is."""
    import whylogs
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    def work() -> int:
        reference = whylogs.read(str(folder / "reference.whylogs")).view()
        window = whylogs.log(_read(folder / "window.parquet")).view()
        scores = calculate_drift_scores(window, reference, with_thresholds=True)
        return sum(1 for score in scores.values() if score and score["drift_category"] == "DRIFT")

    return work


def alibi_detect(folder: Path) -> Work:
    """Kolmogorov-Smirnov for numbers, chi-squared for text; gaps as 0, which it cannot have."""
    import numpy as np
    import pandas as pd
    from alibi_detect.cd import ChiSquareDrift, KSDrift

    def work() -> int:
        reference, window = _frames(folder)
        texts = [name for name in reference.columns if name[0] == "c"]
        numbers = [name for name in reference.columns if name not in texts]
        known = {name: pd.Categorical(reference[name]).categories for name in texts}

        def codes(frame: Any) -> Any:
            found = [pd.Categorical(frame[name], known[name]).codes for name in texts]
            return np.column_stack(found)

        moved = 0
        for detector, values in (
            (
                KSDrift(reference[numbers].fillna(0).to_numpy()),
                window[numbers].fillna(0).to_numpy(),
            ),
            (ChiSquareDrift(codes(reference)), codes(window)),
        ):
            found = detector.predict(values, drift_type="feature")
            moved += int(found["data"]["is_drift"].sum())
        return moved

    return work


def prepare_whylogs(folder: Path) -> Work:
    """The reference's profile, stored."""
    import whylogs

    def work() -> int:
        profile = whylogs.log(_read(folder / "reference.parquet"))
        profile.writer("local").option(base_dir=str(folder)).write(dest="reference.whylogs")
        return 0

    return work


def _read(path: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _frames(folder: Path) -> tuple[Any, Any]:
    return _read(folder / "reference.parquet"), _read(folder / "window.parquet")


TOOLS = {
    "decode": decode,
    "seatrial": seatrial,
    "evidently": evidently,
    "nannyml": nannyml,
    "whylogs": whylogs,
    "whylogs-reference": prepare_whylogs,
    "alibi-detect": alibi_detect,
}


def main() -> int:
    """Run one tool and print what it took."""
    warnings.simplefilter("ignore")
    work = TOOLS[sys.argv[1]](Path(sys.argv[2]))
    started_s = time.process_time()
    drifted = work()
    inside_s = time.process_time() - started_s
    peak_kb = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    found = {
        "drifted": drifted,
        "inside_s": inside_s,
        "peak_mb": int(peak_kb[1]) / 1024 if peak_kb else None,
    }
    sys.stdout.write("\n" + json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
