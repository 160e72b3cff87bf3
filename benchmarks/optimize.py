"""What optimize gains, against the libraries it takes the place of; and that it keeps what is good.

    .venv/bin/python benchmarks/optimize.py [--short] [--json FILE]

Peers run in the same run: scikit-learn, XGBoost, LightGBM, and ONNX Runtime as its documentation
shows it. Every measurement is a fresh process, the entrants in turns, one thread each. Bytecode is
compiled for all of them (PYTHONDONTWRITEBYTECODE is taken out of their environment): without it
every cold start here takes about four times as long. CPU times and ratios are what counts; walls
on a shared machine swing.

int8 gains by VNNI, an instruction that not every CPU has. Weights use the reduced range unless this
CPU has it; on a CPU without it the figures for int8 are not reached, and are shown as they are.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import optimize_models as models
import optimize_trees as trees
import pandas as pd
from optimize_race import Entrant, Figures, race, write_columns
from optimize_report import Report, say

from seatrial.archives import unpack
from seatrial.config import load_config
from seatrial.contracts import Candidate, Optimization
from seatrial.localcloud.images import serving_python
from seatrial.optimization.cpu import this_cpu
from seatrial.optimization.data import ValidationData
from seatrial.optimization.optimizer import Job, optimize
from seatrial.optimization.trust import Trust

ROWS_PER_CALL = 1000
BY_MLFLOW = "scikit-learn by MLflow"


@dataclass(frozen=True)
class Optimised:
    """What optimize answered, and the candidates that have an archive, unpacked."""

    answer: Optimization
    folders: dict[str, Path]

    def candidate(self, name: str) -> Candidate:
        """The candidate of that name."""
        return next(item for item in self.answer.candidates if item.name == name)

    def gain(self, name: str, rows: int) -> float | None:
        """fp32's CPU time of a call over the candidate's, as optimize measured both."""
        cpu_ms = [
            next((call.cpu_ms for call in self.candidate(key).latencies if call.rows == rows), None)
            for key in ("fp32", name)
        ]
        return cpu_ms[0] / cpu_ms[1] if cpu_ms[0] and cpu_ms[1] else None


def run_optimize(
    report: Report,
    source: Path,
    frame: pd.DataFrame,
    target: str,
    candidates: Sequence[str],
    rows: Sequence[int],
) -> Optimised:
    """optimize as a user calls it, and what it says of each candidate."""
    config = load_config(
        None,
        optimization={
            "candidates": list(candidates),
            "batch_rows": list(rows),
            "cpu": "vnni" if report.vnni else None,
            "repeats": report.repeats,
        },
    )
    output = Path(tempfile.mkdtemp(dir=report.scratch))
    job = Job(
        source=source,
        validation=ValidationData("binary_classification", frame, target),
        calibration=frame,
        payloads=None,
        python=Path(serving_python() or sys.executable),
        given={},
        trust=Trust(),
    )
    answer = optimize(job, config, output)
    folders = {}
    for item in answer.candidates:
        say(f"    {item.name}: {_verdict(item)}")
        if item.archive is not None:
            folders[item.name] = unpack(
                output / item.archive, output / f"unpacked-{item.name}", max_mb=5120
            )
    return Optimised(answer, folders)


def _verdict(item: Candidate) -> str:
    speed = ", ".join(
        f"×{batch.speedup.value:.2f} at {batch.rows}" for batch in item.latencies if batch.speedup
    )
    told = item.rejection or item.passed_over
    why = f"{'rejected' if item.rejection else 'passed over'}: {told}" if told else "goes on"
    return f"{why}{f' ({speed})' if speed else ''}"


def boosted_trees(report: Report) -> None:
    """Three libraries' trees, each against what optimize makes of them."""
    frames = trees.flights(short=report.short)
    for name, module, make in (
        ("scikit-learn", "sklearn", trees.scikit_learn),
        ("XGBoost", "xgboost", trees.xgboost),
        ("LightGBM", "lightgbm", trees.lightgbm),
    ):
        say(f"\n{name}, boosted trees on flights")
        what = f"largest deviation from {name}"
        if find_spec(module) is None:
            report.target(what, None, at_most=1e-5, note=f"{module} is not installed")
            continue
        found = _trees(report, name, make(report.scratch / name, *frames))
        report.table(f"{name} trees", found, found[name])
        if name == "scikit-learn":
            _against_scikit_learn(report, found)
        report.target(what, found["seatrial fp32"].deviation(found[name]), at_most=1e-5)


def _trees(report: Report, name: str, made: trees.Trees) -> dict[str, Figures]:
    frame = made.validation[[*trees.FEATURES, trees.TARGET]]
    rows = [1, ROWS_PER_CALL]
    done = run_optimize(report, made.folder / "mlflow", frame, trees.TARGET, ["fp32"], rows)
    entrants = {name: Entrant(made.library, made.folder)}
    if made.library == "sklearn":
        entrants[BY_MLFLOW] = Entrant("mlflow", made.folder)
    entrants["seatrial fp32"] = Entrant("ours", done.folders["fp32"])
    entrants["plain ONNX Runtime"] = Entrant("onnxruntime", done.folders["fp32"])
    columns = {key: values[:ROWS_PER_CALL] for key, values in made.columns.items()}
    path = write_columns(columns, report.scratch / f"{name}.npz")
    return race(entrants, path, calls=200, repeats=report.repeats)


def _against_scikit_learn(report: Report, found: Mapping[str, Figures]) -> None:
    theirs, ours = found["scikit-learn"], found["seatrial fp32"]
    by_mlflow = ours.cold_cpu_ms / found[BY_MLFLOW].cold_cpu_ms
    report.target(
        "cold-start CPU over scikit-learn's",
        ours.cold_cpu_ms / theirs.cold_cpu_ms,
        at_most=1 / 20,
        note=f"{by_mlflow:.3f} of it as MLflow loads it",
    )
    report.target("single-row p50 over scikit-learn's", ours.p50_ms / theirs.p50_ms, at_most=1 / 10)
    report.target("peak memory over scikit-learn's", ours.peak_mb / theirs.peak_mb, at_most=1 / 2)


def nets(report: Report) -> None:
    """A convolutional net in static int8, a transformer in dynamic int8 and mapped."""
    note = "" if report.vnni else "this CPU has no VNNI, which the figure is for"
    rows = 200 if report.short else 1000  # fewer do not show that quality holds
    made = models.convolutional_net(report.scratch / "net", rows)
    done, found = _net(report, made, ["fp32", "int8-static"])
    report.target(
        "static int8 of a convolutional net over fp32",
        done.gain("int8-static", 1),
        at_least=3,
        note=_agreement(done, "int8-static", note),
    )
    made = models.transformer(report.scratch / "encoder", rows)
    done, found = _net(report, made, ["fp32", "fp32-mapped", "int8-dynamic"])
    report.target(
        "dynamic int8 of a transformer over fp32",
        done.gain("int8-dynamic", 1),
        at_least=2,
        note=_agreement(done, "int8-dynamic", note),
    )
    mapped = found.get("seatrial fp32-mapped")
    report.target(
        "CPU of a mapped load over the plain one's",
        mapped and mapped.load_cpu_ms / found["seatrial fp32"].load_cpu_ms,
        at_most=1 / 2,
        note=f"a model of {done.candidate('fp32').model_size_mb or 0:.0f} MB",
    )


def _net(
    report: Report, made: models.Made, candidates: Sequence[str]
) -> tuple[Optimised, dict[str, Figures]]:
    say(f"\n{made.name}")
    done = run_optimize(report, made.folder, made.frame, models.TARGET, candidates, [1, 8])
    entrants = {"plain ONNX Runtime": Entrant("onnxruntime", made.folder)}
    entrants |= {f"seatrial {key}": Entrant("ours", path) for key, path in done.folders.items()}
    columns = {key: values[:8] for key, values in made.columns.items()}
    found = race(
        entrants,
        write_columns(columns, report.scratch / "net.npz"),
        calls=20,
        repeats=report.repeats,
    )
    report.table(made.name, found, found["plain ONNX Runtime"])
    return done, found


def _agreement(done: Optimised, name: str, note: str) -> str:
    found = done.candidate(name).agreement
    if found is None:
        return note
    parts = [f"mean deviation {found.mean_deviation:.4f}"]
    if found.rank_correlation is not None:
        parts.append(f"rank correlation {found.rank_correlation:.4f}")
    return "; ".join([", ".join(parts), *([note] if note else [])])


def refusals(report: Report) -> None:
    """One model that int8 makes slower, and one that it makes worse: both stay fp32."""
    for make in (models.narrow_net, models.unscaled_net):
        made = make(report.scratch / make.__name__, 2000)
        say(f"\n{made.name}")
        done = run_optimize(
            report,
            made.folder,
            made.frame,
            models.TARGET,
            ["fp32", "int8-dynamic", "int8-static"],
            [1],
        )
        stayed = [item.name for item in done.answer.survivors] == ["fp32"]
        others = done.answer.candidates[1:]
        explained = all(item.rejection or item.passed_over for item in others)
        forms = [
            f"{item.name} has {done.gain(item.name, 1) or 0:.2f} of its speed by CPU time and an "
            f"AUC of {item.quality.get('auc', 0):.3f}"
            for item in others
        ]
        was = done.answer.original_quality.get("auc")
        report.target(
            f"{made.name} stays fp32, with the reason",
            float(stayed and explained),
            at_least=1,
            note=f"{', '.join(forms)}; its own is {was or 0:.3f}",
        )


def main() -> int:
    """Measure and print; exit 1 if a target is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rows and repeats")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--only", choices=list(SECTIONS), help="one section")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore", module="mlflow|sklearn|onnx.*")
    cpu = this_cpu()
    with tempfile.TemporaryDirectory(prefix="seatrial-benchmark-") as scratch:
        report = Report(args.short, Path(scratch), cpu.name, cpu.flags)
        say(f"{cpu.name}, {', '.join(cpu.flags)}; VNNI: {'yes' if report.vnni else 'no'}")
        for name, section in SECTIONS.items():
            if args.only in (None, name):
                section(report)
    return 0 if report.close(args.json) else 1


SECTIONS: dict[str, Callable[[Report], None]] = {
    "trees": boosted_trees,
    "nets": nets,
    "refusals": refusals,
}


if __name__ == "__main__":
    sys.exit(main())
