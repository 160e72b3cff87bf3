"""From a model to the few candidates that may serve it: convert, build, measure, guard, select.

    job = Job(source=Path("model"), validation=ValidationData("regression", frame, "price"), …)
    optimization = optimize(job, config, Path("candidates"))

The answer is in `optimization.json`, with a reason for every candidate that does not go on. It is
the last file to be written, so that a folder with one is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from seatrial.config import Config
from seatrial.contracts import Candidate, Optimization, write_contract
from seatrial.optimization import batches
from seatrial.optimization.cpu import Cpu, this_cpu
from seatrial.optimization.judging import Evidence, judge_all
from seatrial.optimization.measuring import Measured, measure
from seatrial.optimization.packing import disk_full_is_told, pack_survivors
from seatrial.optimization.preparing import Job, Tell, Work, build_drafts, prepare_work
from seatrial.optimization.question import ask, earlier_answer, frame_sha256, optimizer_versions
from seatrial.optimization.selection import select

__all__ = ["Job", "optimize"]


def optimize(
    job: Job,
    config: Config,
    output: Path,
    *,
    tell: Tell = lambda _: None,
    compile_with_neo: Callable[[Path], Candidate] | None = None,
) -> Optimization:
    """Write `optimization.json`, the payloads and the survivors' archives into `output`."""
    job.validation.require_labels()
    cpu = this_cpu()
    question = _question(job, config, cpu)
    earlier = earlier_answer(output, question)
    if earlier is not None:
        tell(f"the same question was answered before: taking the answer in {output}")
        return earlier
    with disk_full_is_told(output), TemporaryDirectory(prefix="seatrial-") as scratch:
        work = prepare_work(job, config, Path(scratch), tell)
        drafts = build_drafts(job, work, config, tell)
        measured = measure(
            {item.name: item.folder for item in drafts if item.folder is not None},
            work.signature,
            work.bench,
            tell,
        )
        candidates = list(judge_all(drafts, measured, _evidence(job, work, config)))
        if compile_with_neo is not None:
            candidates.append(compile_with_neo(work.original.model))
        chosen = select(
            candidates,
            max_survivors=config.optimization.max_survivors,
            min_gain_ratio=config.optimization.min_gain_ratio,
        )
        tell("packing the survivors")
        folders = {item.name: item.folder for item in drafts if item.folder is not None}
        packed = pack_survivors(chosen, folders, output)
        batches.write_payloads(work.payloads, output / "payloads.jsonl")
        answer = _answer(job, work, config, cpu, packed, measured, question)
        write_contract(answer, output / "optimization.json")
    return answer


def _evidence(job: Job, work: Work, config: Config) -> Evidence:
    return Evidence(job.validation, work.predictions, work.judge, config.guards)


def _answer(
    job: Job,
    work: Work,
    config: Config,
    cpu: Cpu,
    candidates: tuple[Candidate, ...],
    measured: Mapping[str, Measured],
    question: str,
) -> Optimization:
    versions = [run.versions for item in measured.values() for run in item.runs]
    return Optimization(
        model_package_arn=job.model_package_arn,
        flavor=work.origin.flavor,
        task=job.validation.task,
        origin=work.origin,
        original_size_mb=work.origin.size_mb,
        original_quality=work.judge.quality if work.judge else {},
        candidates=candidates,
        optimizer=optimizer_versions(),
        cpu=cpu.name,
        cpu_flags=cpu.flags,
        reduced_range=config.optimization.cpu != "vnni",
        measured_with=versions[0] if versions else None,
        seed=config.optimization.seed,
        inputs_sha256=question,
    )


def _question(job: Job, config: Config, cpu: Cpu) -> str:
    validation = job.validation
    files = {"model": job.source} | {f"given {name}": path for name, path in job.given.items()}
    if job.payloads is not None:
        files["payloads"] = job.payloads
    return ask(
        {
            "task": validation.task,
            "target": validation.target,
            "validation": frame_sha256(validation.frame),
            "calibration": frame_sha256(job.calibration),
            "guards": config.guards.model_dump(mode="json"),
            "optimization": config.optimization.model_dump(mode="json"),
            "model_package_arn": job.model_package_arn,
            "trusted": job.trust.by_user,
            "python": str(job.python),
            "cpu": [cpu.name, *cpu.flags],
        },
        files,
    )
