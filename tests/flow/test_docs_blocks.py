"""What the documentation tells a reader to type is typed: one session, one localcloud.

Its blocks are those of a text classifier that goes through the readiness pipeline to a watched
endpoint, and of a model of one's own that is judged on files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from doc_blocks import ALL, ROOT, Block

from seatrial.contracts import Arming, Baseline, Optimization, Readiness, read_contract

pytestmark = pytest.mark.flow

# In this order: the first starts localcloud, which others use.
ORDER = ("docs/first-hour.md", "docs/calling.md", "docs/own-model.md", "docs/readiness.md")
# What readers do not wait for either: fewer repetitions of the same measurements.
QUICK = {
    "optimization": {
        "candidates": ["fp32"],
        "repeats": 2,
        "seconds_per_batch": 0.05,
        "bootstrap_resamples": 100,
    },
    "profile": {
        "cold_start_repeats": 1,
        "requests_per_payload": 10,
        "max_seconds_per_payload": 1,
        "scaled_requests": 0,
        "growth_requests": 0,
        "tier_requests": 0,
    },
}


def to_run() -> list[Block]:
    """The blocks to run, in order; `last` ones at the end, repeated commands once."""
    mine = [block for block in ALL if block.language in ("bash", "python") and not block.kind]
    place = {name: number for number, name in enumerate(ORDER)}
    first = sorted(mine, key=lambda block: place.get(str(block.page.relative_to(ROOT)), len(place)))
    typed: set[str] = set()
    kept = []
    for block in first:
        if not set(block.commands) <= typed:
            kept.append(block)
        typed |= set(block.commands)
    return kept + [block for block in ALL if block.kind == "last"]


def script_of(blocks: list[Block], quick: Path) -> str:
    """The session as one script of bash; it says where it is, and ends localcloud in any case."""
    lines = ["set -euo pipefail", "trap 'seatrial cloud down >/dev/null' EXIT"]
    for block in blocks:
        text = block.text
        if block.language == "python":
            text = f"python - <<'PYTHON'\n{text}PYTHON\n"
        else:
            text = text.replace("\nYAML\n", f"\nYAML\ncat {quick} >> sentiment.yaml\n")
        lines += [f"echo '== {block.where}'", text]
    return "\n".join(lines)


@dataclass(frozen=True)
class Session:
    """The folder that it worked in, and what it printed."""

    folder: Path
    said: str

    def verdict(self, name: str, contract: Any) -> Any:
        """A file of the readiness pipeline's execution."""
        found = list((self.folder / "runs/sentiment/executions").glob(f"*/{name}"))
        assert len(found) == 1, f"{name}: {found}"
        return read_contract(contract, found[0])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("reader")
    quick = folder / "quick.yaml"
    quick.write_text("\n".join(f"{name}: {json.dumps(part)}" for name, part in QUICK.items()))
    programs = folder / "bin"
    programs.mkdir()
    run = "from seatrial.cli import main; main()"
    shim = (
        "#!/bin/bash\n"
        f'case $1 in --config) ;; *) set -- --config {quick} "$@" ;; esac\n'
        f"exec {sys.executable} -c '{run}' \"$@\"\n"
    )
    for name, text in (("seatrial", shim), ("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", "-c", script_of(to_run(), quick)],
        cwd=folder,
        # threads that wait for each other would spin, the more the busier the machine is
        env={**environment, "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return Session(folder, ended.stdout)


def test_each_block_was_run(session: Session) -> None:
    for block in to_run():
        assert f"== {block.where}" in session.said


def test_the_text_classifier_is_ready_deployed_and_watched(session: Session) -> None:
    assert "Succeeded" in session.said
    readiness = session.verdict("JudgeReadiness/verdict/readiness.json", Readiness)
    assert readiness.ready
    arming = session.verdict("ArmMonitoring/arming/arming.json", Arming)
    assert arming.armed
    assert [test.passed for test in arming.self_tests] == [True, True]


def test_all_of_its_preprocessing_is_in_the_graph(session: Session) -> None:
    (path,) = (session.folder / "runs/sentiment/executions").glob(
        "*/OptimizeModel/candidates/optimization.json"
    )
    candidate = read_contract(Optimization, path).survivors[0]
    assert candidate.agreement is not None
    assert candidate.agreement.label_agreement_ratio == 1.0


def test_sentences_are_watched_by_what_can_be_measured_of_them(session: Session) -> None:
    baseline = session.verdict("BuildBaseline/baseline/baseline.json", Baseline)
    watched = {item.column for item in baseline.bounds}
    assert watched == {"text: characters", "text: unseen words", "label", "score"}


def test_a_model_of_ones_own_has_a_verdict_and_a_report(session: Session) -> None:
    readiness = read_contract(Readiness, session.folder / "runs/own/verdict/readiness.json")
    assert readiness.candidate == "fp32"
    assert (session.folder / "runs/own/verdict/report.html").exists()
