"""`seatrial demo`: the flights' story on a localcloud of its own, with progress and a summary."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.config import Config, load_config
from seatrial.contracts import Profile, Readiness, read_contract
from seatrial.errors import InputError, SeatrialError
from seatrial.examples.flights.data import QUIET_WEEK, SUMMER_WEEK, within
from seatrial.examples.flights.page import write_page
from seatrial.examples.flights.story import (
    SMALL_ROWS,
    Scale,
    Story,
    WatchedWindow,
    find_check,
)
from seatrial.examples.flights.telling import StageBar, Teller
from seatrial.examples.flights.traffic import count_requests
from seatrial.localcloud import control, whereabouts
from seatrial.localcloud.images import default_image_map, serving_python, write_image_map
from seatrial.pipelines.execution import ExecutionStatus

MARK = "seatrial-demo"
STEPS = {"readiness": 7, "monitoring": 5}
READINESS_FILES = {
    "verdict": "JudgeReadiness/verdict/readiness.json",
    "report": "JudgeReadiness/verdict/report.html",
    "profile": "ProfileModel/profile/profile.json",
    "candidates": "OptimizeModel/candidates/optimization.json",
    "baseline": "BuildBaseline/baseline/baseline.json",
    "deployment": "DeployEndpoint/deployment/deployment.json",
    "monitoring seen to work": "ArmMonitoring/arming/arming.json",
}
MONITORING_FILES = {
    "verdict": "React/monitoring/monitoring.json",
    "Evidently's report": "DetectDrift/drift/drift.html",
    "quality": "CheckQuality/quality/quality.json",
    "label scores": "ScoreLabels/labels/labels.json",
}


def demo_config(out: Path, **overrides: Any) -> Config:
    """The defaults, with names for the flights and MLflow in the run's folder."""
    return load_config(
        None,
        project="flights",
        model_package_group="flights",
        endpoint={"name": "flights", "environment": {"SEATRIAL_ACCEPT_TIME": "1"}},
        # localcloud delivers records within a second; Firehose on AWS needs minutes
        monitoring={"arm_deadline_s": 60, "firehose_buffer_s": 1},
        tracking={"mlflow_uri": f"sqlite:///{out.absolute() / 'mlflow.db'}"},
        profile={"max_seconds_per_payload": 5, "max_seconds_per_candidate": 20},
        **overrides,
    )


def prepare(out: Path) -> None:
    """Empty the folder of an earlier demo; InputError if it holds anything else."""
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise InputError(
            "the output folder holds something else",
            got=str(out),
            allowed="a new folder, or one of an earlier demo",
            do="Name another folder",
        )
    control.down(out / "cloud")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARK).write_text("made by seatrial demo; it may be deleted\n", encoding="utf-8")


@contextmanager
def local_cloud(out: Path, config: Config, *, quota: str = "") -> Iterator[None]:
    """A localcloud for the time of the demo, with the environment that leads boto3 to it."""
    state_dir = out / "cloud"
    images = write_image_map(
        default_image_map(config.images.toolbox, config.images.serving, serving_python()),
        state_dir / "images.yaml",
    )
    info = control.up(
        state_dir,
        images_file=images,
        region=config.region,
        settings=control.CloudSettings(quota=quota),
    )
    wanted = whereabouts.environment(info)
    kept = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        control.down(state_dir)
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run_demo(out: Path, *, scale: Scale | None = None) -> Path:
    """Tell the whole story; return the page that links what was written."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    prepare(out)
    config = demo_config(out)
    teller = Teller(Console(), [])
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            with teller.stage("Start localcloud") as bar:
                stack.enter_context(local_cloud(out, config))
                bar.tick()
            tell(Story(out, config, scale or Scale()), teller)
    finally:
        page = write_page(teller.stages, out)
    teller.console.print()
    for stage in teller.stages:
        teller.console.print(f"{stage.seconds:6.1f} s  {stage.title}", highlight=False)
    total = time.monotonic() - started
    teller.console.print(f"[bold]{total:6.1f} s[/]  all of it. Read on at {page}", highlight=False)
    return page


def tell(story: Story, teller: Teller) -> None:
    """The stages, in order."""
    with teller.stage("Train, compare, register", 4) as bar:
        story.lay_foundation()
        bar.tick()
        runs = story.train_and_compare()
        bar.tick()
        for run in runs:
            bar.say(f"{run.name}: AUC {run.metric:.4f} on {len(story.validation)} held-out flights")
        package = story.register_best(runs)
        bar.tick()
        bar.say(f"registered {package}, pending approval")
    with teller.stage("Make the pipelines and the approval rule", 1) as bar:
        done = story.upsert_pipelines()
        bar.say(f"{', '.join(done.pipeline_arns)}; rule {done.rule_name}")
    with teller.stage("Approve: the readiness pipeline runs", STEPS["readiness"]) as bar:
        execution = story.approve_and_follow(package, bar.follow)
        bar.say_steps(execution)
        require(execution, "Succeeded")
        say_ready(bar, story.readiness(execution))
        link_execution(bar, story, execution, READINESS_FILES)
        serving = story.endpoint()
        bar.say(f"endpoint {serving.name} is {serving.status} on {serving.endpoint_config_name}")
    quiet = within(story.flights, QUIET_WEEK)
    with teller.stage("Serve a week of February", count_requests(quiet)) as bar:
        asked = story.serve(QUIET_WEEK, bar.tick)
        bar.say(f"{len(asked)} requests, {len(quiet)} predictions")
    with teller.stage("Watch that week", STEPS["monitoring"]) as bar:
        say_window(bar, story, story.watch(QUIET_WEEK, bar.follow))
    summer = within(story.flights, SUMMER_WEEK)
    with teller.stage("Serve a week of July", count_requests(summer)) as bar:
        asked = story.serve(SUMMER_WEEK, bar.tick)
        bar.say(f"{len(asked)} requests, {len(summer)} predictions")
    with teller.stage("Watch that week", STEPS["monitoring"]) as bar:
        say_window(bar, story, story.watch(SUMMER_WEEK, bar.follow))
    with teller.stage("Its labels arrive: watch it again", STEPS["monitoring"]) as bar:
        labels_uri = story.deliver_labels(asked)
        say_window(bar, story, story.watch(SUMMER_WEEK, bar.follow, labels_uri=labels_uri))
    tell_of_neighbours(story, teller)


def tell_of_neighbours(story: Story, teller: Teller) -> None:
    """A model that breaks a limit, by measurement; the endpoint in service is not touched."""
    before = story.endpoint().endpoint_config_name
    title = "Approve a model that breaks a limit"
    with teller.stage(title, STEPS["readiness"]) as bar:
        package = story.register_neighbours()
        execution = story.approve_and_follow(package, bar.follow)
        bar.say_steps(execution)
        require(execution, "Failed")
        link_execution(bar, story, execution, READINESS_FILES)
        check = find_check(story.readiness(execution), "MEMORY_TIER_QUOTA")
        bar.say(f"{check.code} {check.status}: {check.detail}; quota {check.limit:.0f} MB")
        bar.say(f"reason: {execution.failure_reason}")
        after = story.endpoint()
        same = "still" if after.endpoint_config_name == before else "NO LONGER"
        bar.say(f"endpoint {after.name} is {after.status}, {same} on {before}")
    with teller.stage(f"Profile the same model with {SMALL_ROWS} rows only", 2) as bar:
        readiness, profile = judge_small(story, execution)
        check = find_check(readiness, "MEMORY_TIER_QUOTA")
        peak = profile.candidates[0].peak_memory_mb
        bar.say(f"peak {peak:.0f} MB; {check.code} {check.status}: {check.detail}")
    story.keep_records()


def judge_small(story: Story, execution: ExecutionStatus) -> tuple[Readiness, Profile]:
    """Profile and judge an execution's candidate again, with its small payload alone."""
    folder = story.kept.keep_outputs(execution)
    small = story.out / "small-payload"
    shutil.copytree(folder / "OptimizeModel" / "candidates", small / "candidates")
    payloads = small / "candidates" / "payloads.jsonl"
    lines = payloads.read_text(encoding="utf-8").splitlines(keepends=True)
    payloads.write_text(lines[0], encoding="utf-8")
    config = small / "config.yaml"
    config.write_text(story.config.to_yaml(), encoding="utf-8")
    common = ["seatrial", "--config", str(config), "--json"]
    python = serving_python()
    run_verb(
        [
            *(*common, "profile"),
            *("--candidates", str(small / "candidates")),
            *("--out", str(small / "profile")),
            *(("--python", python) if python else ()),
        ]
    )
    run_verb(
        [
            *(*common, "judge"),
            *("--candidates", str(small / "candidates")),
            *("--profile", str(small / "profile")),
            *("--baseline", str(folder / "BuildBaseline" / "baseline")),
            *("--out", str(small / "verdict")),
        ]
    )
    return (
        read_contract(Readiness, small / "verdict" / "readiness.json"),
        read_contract(Profile, small / "profile" / "profile.json"),
    )


def run_verb(command: list[str]) -> None:
    """Run one of our own verbs as a program; exit 1 is a verdict, 2 a failure."""
    program = [sys.executable, "-c", "from seatrial.cli import main; main()", *command[1:]]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1):
        raise InputError(
            f"{' '.join(command[:5])} … failed",
            got=ended.stderr.strip()[-500:],
            allowed="exit code 0 or 1",
            do="Run it by hand",
        )


def require(execution: ExecutionStatus, status: str) -> None:
    """SeatrialError if the execution did not end as the story needs it to."""
    if execution.status != status:
        raise SeatrialError(
            f"the execution ended {execution.status}",
            got=execution.failure_reason,
            allowed=status,
            do=f"Read the logs of {execution.arn}",
        )


def say_ready(bar: StageBar, readiness: Readiness) -> None:
    """What was recommended, and what it costs."""
    tier, price = readiness.recommended, readiness.cost
    if tier is not None and price is not None:
        bar.say(
            f"ready: {readiness.candidate}, {tier.memory_size_mb} MB, "
            f"${price.usd_per_million_requests:.2f} per million requests of the sample mix"
        )
    warned = [check.code for check in readiness.checks if check.status in ("warn", "unknown")]
    if warned:
        bar.say(f"warnings: {', '.join(warned)}")


def link_execution(
    bar: StageBar, story: Story, execution: ExecutionStatus, files: dict[str, str]
) -> None:
    """Link those of the execution's files that are there."""
    folder = story.kept.folder(execution)
    for label, name in files.items():
        if (folder / name).exists():
            bar.link(label, folder / name)


def say_window(bar: StageBar, story: Story, watched: WatchedWindow) -> None:
    """The verdict on a week."""
    bar.say_steps(watched.execution)
    link_execution(bar, story, watched.execution, MONITORING_FILES)
    found = watched.monitoring
    bar.say(f"{found.window.rows} predictions: {'ALERT' if found.alert else 'no alert'}")
    for reason in found.reasons:
        bar.say(reason)
    for score in found.labels.metrics:
        if not score.decayed:  # those that decayed are among the reasons
            bar.say(
                f"{score.metric} {score.value:.3f}, 95 % interval {score.low:.3f} to "
                f"{score.high:.3f}"
            )
