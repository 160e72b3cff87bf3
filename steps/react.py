"""Do something about a window's verdict: metrics always, the rest as the configuration says.

Reads   window/ (window.json), quality/, drift/, labels/, the configuration, and from S3 the
        verdicts on the windows before.
Writes  monitoring/: monitoring.json (Monitoring), monitoring.html with drift.html beside it; these,
        drift.json and this window's verdict.json to s3://<bucket>/monitoring/<endpoint>/ too.
        Exits 0 whatever the verdict.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial.aws import S3, client
from seatrial.config import Config, read_resolved_config
from seatrial.contracts import (
    DriftReport,
    LabelScores,
    MissedWindow,
    Monitoring,
    QualityReport,
    Reaction,
    Window,
    read_contract,
    write_contract,
)
from seatrial.monitoring.cadence import parse_cadence
from seatrial.monitoring.history import read_history
from seatrial.monitoring.missed_windows import missed_windows
from seatrial.monitoring.reacting import LOOK_BACK, Reacting
from seatrial.monitoring.reactions import Findings, metric_data, put_metrics, reasons
from seatrial.monitoring.tracking import log_run
from seatrial.report.window_page import render_window
from seatrial.steps.entry import run

SERVICES = ("cloudwatch", "events", "s3", "sagemaker", "sns")


def verdict(findings: Findings, reactions: Sequence[Reaction]) -> Monitoring:
    """`monitoring.json` for these findings."""
    return Monitoring(
        window=findings.window,
        quality=findings.quality,
        drift=findings.drift,
        labels=findings.labels,
        alert=findings.alert,
        reasons=reasons(findings),
        reactions=tuple(reactions),
        missed_windows=findings.missed,
    )


def react(
    findings: Findings,
    config: Config,
    clients: Mapping[str, Any],
    output: Path,
    *,
    artifacts: Sequence[Path],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Monitoring:
    """Act, then metrics and MLflow; monitoring.json says what was done, and what was not and why.

    It is written before MLflow's run, which keeps a copy, and again with that run in it. What
    failed is raised when everything else is done and written.
    """
    path = output / "monitoring.json"
    reacting = Reacting(findings, config, clients, now())
    reacting.carry_out()
    done = reacting.done
    reacting.attempt(
        "cloudwatch", lambda: put_metrics(metric_data(findings), clients["cloudwatch"])
    )
    write_contract(verdict(findings, done), path)
    files = [path, *(item for item in artifacts if item.is_file())]
    if config.tracking.mlflow_uri is not None:
        reacting.attempt("mlflow", lambda: log_run(config.tracking, findings, done, files))
    result = verdict(findings, done)
    write_contract(result, path)
    page = output / "monitoring.html"
    page.write_text(render_window(result, reacting.windows), encoding="utf-8")
    reacting.upload([*files, page])
    if reacting.failures:
        raise reacting.failures[0]
    return result


def find_missed(window_start: str, window: Window, bucket: str, s3: S3) -> tuple[MissedWindow, ...]:
    """The windows that a schedule missed before this one, going by the verdicts in S3."""
    history = read_history(
        s3, bucket, window.endpoint_name, before=window.started_at, limit=LOOK_BACK
    )
    return missed_windows(parse_cadence(window_start), window.started_at, history)


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("window", "quality", "drift", "labels", "config", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--window-start", default="", help="a schedule's windows, or a time")
    args = parser.parse_args(argv)
    config = read_resolved_config(args.config)
    clients = {name: client(name, region=config.region) for name in SERVICES}
    window = read_contract(Window, args.window / "window.json")
    findings = Findings(
        window=window,
        quality=read_contract(QualityReport, args.quality / "quality.json"),
        drift=read_contract(DriftReport, args.drift / "drift.json"),
        labels=read_contract(LabelScores, args.labels / "labels.json"),
        missed=find_missed(args.window_start, window, config.bucket, S3(clients["s3"])),
    )
    args.output.mkdir(parents=True, exist_ok=True)
    beside = shutil.copyfile(args.drift / "drift.html", args.output / "drift.html")
    react(findings, config, clients, args.output, artifacts=[args.drift / "drift.json", beside])
    return 0


if __name__ == "__main__":
    run(main)
