"""What the profiler's figures are worth: memory peaks, the choice of a tier, latencies, verdicts.

    .venv/bin/python benchmarks/profiling.py [--only PART …] [--json FILE]

Not called profile.py: the standard library has a module of that name, which cProfile imports. It
needs Linux and the right to make cgroups: the truth is what the kernel does at a hard cap.
memory_profiler, a peer, is installed from the package index into --envs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from optimize_report import Target, say
from profiling_corpus import HEADROOM_RATIO, Case, run_corpus
from profiling_latency import report_latency
from profiling_peaks import METHODS, OURS, Peak, measure_peaks
from profiling_servers import compare_servers, report_servers
from profiling_threads import report_threads, try_threads
from profiling_tiers import AWS_REQUESTS, Choice, ModelRun, choices, run_models

from seatrial.localcloud.images import serving_python

PARTS = ("peaks", "tiers", "latency", "threads", "servers", "corpus")
FEWEST_CASES = 40
ALLOWED_EXCESS = 0.05


def report_peaks(peaks: Sequence[Peak]) -> list[Target]:
    """A line a program: the truth and each method's error."""
    methods = [name for name in METHODS if name in peaks[0].measured_mb]
    say(f"\n{'peak, MB':32}{'truth':>8}" + "".join(f"{name:>21}" for name in methods))
    for peak in peaks:
        errors = (f"{peak.error_mb(name):+.1f}{' ' if peak.met(name) else '!'}" for name in methods)
        say(f"{peak.program.name:32}{peak.truth_mb:8.0f}" + "".join(f"{e:>21}" for e in errors))
    missed = {name: sum(not peak.met(name) for peak in peaks) for name in methods}
    peers = ", ".join(f"{name} {missed[name]}" for name in methods if name not in OURS)
    say(f"more than 2 % and 10 MB off, of {len(peaks)}: {peers}")
    return [
        Target(f"programs missed by the {name}", missed[name], 0, at_least=False) for name in OURS
    ]


def report_choices(runs: Sequence[ModelRun]) -> list[Target]:
    """The tier chosen from one profile, and the best of all six measured."""
    found: list[Choice] = [choice for run in runs for choice in choices(run)]
    say(
        f"\n{'model':26}{'p95 bound ms':>14}{'chosen MB':>11}{'best MB':>9}{'cost over best':>18}"
        f"{'one pass by the other':>24}"
    )
    for item in found:
        excess = "breaks the bound" if item.excess_ratio is None else f"{item.excess_ratio:+.1%}"
        say(
            f"{item.model:26}{item.latency_p95_ms:14.1f}{item.chosen_mb or 0:11}"
            f"{item.best_mb or 0:9}{excess:>18}{item.truths_own_ratio:+24.1%}"
        )
    known = [item.excess_ratio for item in found if item.excess_ratio is not None]
    steady = [
        item.excess_ratio
        for item in found
        if item.excess_ratio is not None and item.truths_own_ratio <= ALLOWED_EXCESS
    ]
    most = max(run.requests for run in runs)
    return [
        Target(
            f"choices of {len(found)} that keep their bound", len(known), len(found), at_least=True
        ),
        Target(
            "cost over the best, the worst",
            max(known, default=None),
            ALLOWED_EXCESS,
            at_least=False,
            note=f"{max(steady, default=0.0):.3g} of the {len(steady)} of which the truth's passes "
            "agree as closely",
        ),
        Target(
            "requests a model", most, AWS_REQUESTS / 10, at_least=False, note="a tenth of AWS's"
        ),
    ]


def report_corpus(cases: Sequence[Case]) -> list[Target]:
    """What the gate says with the default headroom and with none, and what the kernel did.

    The headroom is the user's policy. So what a gate refuses is compared with the kernel's word on
    what that gate lets a model use; what it passes, with the whole tier.
    """
    say(f"\n{'model':44}{'MB':>6}{'peak':>8}  {'fits':6}{'80 %':6}{'gate':6}{'no headroom'}")
    for case in cases:
        gate, bare = case.passes(HEADROOM_RATIO), case.passes(0)
        say(
            f"{case.model:44}{case.memory_size_mb:6}{case.peak_mb:8.0f}  "
            f"{_word(case.fits):6}{_word(case.fits_usable):6}{_word(gate):6}{_word(bare)}"
        )
    targets = [Target("cases", len(cases), FEWEST_CASES, at_least=True)]
    on_purpose = sum(case.fits and not case.fits_usable for case in cases)
    say(f"fit the tier, but not with the default headroom: {on_purpose} of {len(cases)}")
    for name, headroom in (("the default headroom", HEADROOM_RATIO), ("no headroom", 0.0)):
        false_pass = sum(case.passes(headroom) and not case.fits for case in cases)
        could = [case.fits_usable if headroom else case.fits for case in cases]
        false_fail = sum(
            fits and not case.passes(headroom) for case, fits in zip(cases, could, strict=True)
        )
        targets += [
            Target(f"false passes with {name}", false_pass, 0, at_least=False),
            Target(
                f"share of false fails with {name}", false_fail / len(cases), 0.05, at_least=False
            ),
        ]
    return targets


def _word(yes: bool) -> str:
    return "yes" if yes else "no"


def model_figures(run: ModelRun) -> dict[str, object]:
    """What one model's run found: the truths, and the profile that they are held against."""
    return {
        "name": run.name,
        "truths": [asdict(item) for item in run.truths],
        "apart": [asdict(item) for item in run.apart],
        "profile": run.profile.model_dump(mode="json"),
    }


def install(envs: Path) -> Path | None:
    """memory_profiler below `envs`; None if it cannot be installed."""
    folder = envs / "memory_profiler"
    if not folder.exists():
        uv = Path(sys.executable).parent / "uv"
        command = [str(uv), "pip", "install", "--quiet", "--target", str(folder), "memory_profiler"]
        if subprocess.run(command, check=False).returncode:
            say("memory_profiler cannot be installed here and is left out")
            return None
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts, print them, and keep the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--models", nargs="+", default=(), metavar="NAME", help="of the tiers")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--envs", type=Path, default=Path.home() / ".cache" / "seatrial-benchmarks")
    args = parser.parse_args(argv)
    python = serving_python() or sys.executable
    targets: list[Target] = []
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as scratch:
        folders = {part: Path(scratch, part) for part in PARTS}
        for part in folders.values():
            part.mkdir()
        if "peaks" in args.only:
            peaks = measure_peaks(folders["peaks"], install(args.envs.resolve()))
            targets += report_peaks(peaks)
            figures["peaks"] = [asdict(item) for item in peaks]
        if {"tiers", "latency"} & set(args.only):
            choosing = "tiers" in args.only
            runs = run_models(folders["tiers"], python, args.models, choosing=choosing)
            figures["models"] = [model_figures(run) for run in runs]
            targets += report_latency(runs) if "latency" in args.only else []
            targets += report_choices(runs) if "tiers" in args.only else []
        if "threads" in args.only:
            tried = try_threads(folders["threads"], python)
            report_threads(tried)
            figures["threads"] = [asdict(item) for item in tried]
        if "servers" in args.only:
            alike = compare_servers(folders["servers"], python)
            report_servers(alike)
            figures["servers"] = [asdict(item) for item in alike]
        if "corpus" in args.only:
            cases = run_corpus(folders["corpus"], python)
            targets += report_corpus(cases)
            figures["corpus"] = [asdict(item) for item in cases]
    say("")
    for target in targets:
        say(target.line)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
