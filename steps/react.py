"""Do something about a window's verdict: metrics always, a message on an alert, a run in MLflow.

Reads   window/ (window.json), quality/, drift/, labels/, the configuration.
Writes  monitoring/: monitoring.json (Monitoring). Exits 0 whatever the verdict.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.aws import client
from seatrial.config import Config, read_resolved_config
from seatrial.contracts import (
    DriftReport,
    LabelScores,
    Monitoring,
    QualityReport,
    Reaction,
    Window,
    read_contract,
    write_contract,
)
from seatrial.monitoring.reactions import (
    Findings,
    message,
    metric_data,
    publish,
    put_metrics,
    reasons,
)
from seatrial.monitoring.tracking import log_run
from seatrial.steps.entry import run


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
    )


def react(
    findings: Findings,
    config: Config,
    clients: Mapping[str, Any],
    output: Path,
    *,
    artifacts: Sequence[Path],
) -> Monitoring:
    """Tell people first, then metrics and MLflow; monitoring.json says what was done.

    It is written before MLflow's run, which keeps a copy, and again with that run in it.
    """
    path = output / "monitoring.json"
    done: list[Reaction] = []
    letter = message(findings)
    if letter is not None:
        done.append(publish(letter, config.monitoring.alert_topic_arn, clients["sns"]))
    done.append(put_metrics(metric_data(findings), clients["cloudwatch"]))
    write_contract(verdict(findings, done), path)
    if config.tracking.mlflow_uri is not None:
        files = [path, *(item for item in artifacts if item.is_file())]
        done.append(log_run(config.tracking, findings, files))
    result = verdict(findings, done)
    write_contract(result, path)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("window", "quality", "drift", "labels", "config", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args(argv)
    config = read_resolved_config(args.config)
    findings = Findings(
        window=read_contract(Window, args.window / "window.json"),
        quality=read_contract(QualityReport, args.quality / "quality.json"),
        drift=read_contract(DriftReport, args.drift / "drift.json"),
        labels=read_contract(LabelScores, args.labels / "labels.json"),
    )
    react(
        findings,
        config,
        {name: client(name, region=config.region) for name in ("cloudwatch", "sns")},
        args.output,
        artifacts=[args.drift / "drift.json", args.drift / "drift.html"],
    )
    return 0


if __name__ == "__main__":
    run(main)
