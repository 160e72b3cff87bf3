"""Do something about a window's verdict: metrics always, the rest as the configuration says.

Reads   window/ (window.json), quality/, drift/, labels/, the configuration, and from S3 the
        verdicts on the windows before.
Writes  monitoring/: monitoring.json (Monitoring), monitoring.html; both, with the drift report and
        this window's verdict.json, to s3://<bucket>/monitoring/<endpoint>/ too. Exits 0 whatever
        the verdict.
"""

from __future__ import annotations

import argparse
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
from seatrial.contracts.verdicts import Act, WindowVerdict
from seatrial.errors import SeatrialError
from seatrial.monitoring.acts import Case, put_event, start_retraining
from seatrial.monitoring.cadence import parse_cadence
from seatrial.monitoring.history import folder_uri, read_earlier, read_history, write_verdict
from seatrial.monitoring.missed_windows import missed_windows
from seatrial.monitoring.policy import Decision, Past, Policy, decide, since
from seatrial.monitoring.reactions import (
    Findings,
    message,
    metric_data,
    publish,
    put_metrics,
    reasons,
)
from seatrial.monitoring.tracking import log_run
from seatrial.report.window_page import render_window
from seatrial.steps.entry import run

SERVICES = ("cloudwatch", "events", "s3", "sagemaker", "sns")
# More than any run of windows that a reaction waits for.
LOOK_BACK = 60
# A message comes last, since it tells what else was done.
ORDER: tuple[Act, ...] = ("retrain", "event", "notify")
KINDS: Mapping[Act, str] = {"retrain": "retraining", "event": "eventbridge", "notify": "sns"}


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


class Reacting:
    """One window's reactions, each kept in S3 as soon as it is done.

    A run that is killed in between does the rest when it is run again: only a message can then
    come twice.
    """

    def __init__(
        self, findings: Findings, config: Config, clients: Mapping[str, Any], now: datetime
    ) -> None:
        window = findings.window
        self.findings, self._config, self._clients, self._now = findings, config, clients, now
        self._s3 = S3(clients["s3"])
        span = {"started_at": window.started_at, "ended_at": window.ended_at}
        self.folder = folder_uri(config.bucket, window.endpoint_name, **span)
        self._past = Past(
            read_history(
                self._s3,
                config.bucket,
                window.endpoint_name,
                before=window.started_at,
                limit=LOOK_BACK,
            ),
            read_earlier(self._s3, config.bucket, window.endpoint_name, **span),
        )
        self.done: list[Reaction] = []
        self.failures: list[SeatrialError] = []

    def carry_out(self) -> None:
        """Decide, and do what is due; what fails is told, and the rest is done all the same."""
        rules = self._config.reactions
        policy = Policy(rules.acts, rules.after_windows, rules.cooldown_h)
        found = decide(self.findings.ailments, self._past, policy, now=self._now)
        kept = self._past.earlier.acts if self._past.earlier else ()
        self._keep(kept)
        for decision in sorted(found, key=lambda item: ORDER.index(item.act)):
            reaction = self._act(decision)
            self.done.append(reaction)
            if reaction.done:
                kept = tuple(dict.fromkeys((*kept, decision.act)))
                self._keep(kept)

    def _act(self, decision: Decision) -> Reaction:
        kind = KINDS[decision.act]
        if decision.waits is not None:
            return _not_done(kind, decision.waits)
        if self._config.reactions.dry_run:
            return _not_done(kind, "dry run")
        try:
            return self._do(decision)
        except SeatrialError as error:
            self.failures.append(error)
            return _not_done(kind, f"failed: {error}")

    def _do(self, decision: Decision) -> Reaction:
        verdict_uri = f"{self.folder}/monitoring.json"
        case = Case(self.findings, decision.ailments, reasons(self.findings), verdict_uri)
        if decision.act == "retrain":
            pipeline = str(self._config.reactions.retraining_pipeline)
            return start_retraining(case, pipeline, self._clients["sagemaker"])
        if decision.act == "event":
            return put_event(case, self._clients["events"])
        window = self.findings.window
        letter = message(
            self.findings,
            since=since(self.findings.ailments, self._past.windows, window.started_at),
            done=self.done,
            verdict_uri=verdict_uri,
        )
        return publish(letter, self._config.monitoring.alert_topic_arn, self._clients["sns"])

    def _keep(self, acts: Sequence[Act]) -> None:
        window = self.findings.window
        self._kept = WindowVerdict(
            endpoint_name=window.endpoint_name,
            endpoint_config_name=window.endpoint_config_name,
            started_at=window.started_at,
            ended_at=window.ended_at,
            ailments=self.findings.ailments,
            acts=tuple(acts),
            decided_at=self._now,
        )
        write_verdict(self._s3, self._config.bucket, self._kept)

    @property
    def windows(self) -> tuple[WindowVerdict, ...]:
        """The windows before, and this one."""
        return (*self._past.windows, self._kept)

    def upload(self, files: Sequence[Path]) -> None:
        """Put the files where the messages say they are."""
        for path in files:
            self._s3.upload(path, f"{self.folder}/{path.name}")


def _not_done(kind: str, why: str) -> Reaction:
    return Reaction.model_validate({"kind": kind, "target": "", "detail": why, "done": False})


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

    It is written before MLflow's run, which keeps a copy, and again with that run in it. An act
    that failed is raised when everything else is done and written.
    """
    path = output / "monitoring.json"
    reacting = Reacting(findings, config, clients, now())
    reacting.carry_out()
    done = reacting.done
    done.append(put_metrics(metric_data(findings), clients["cloudwatch"]))
    write_contract(verdict(findings, done), path)
    files = [path, *(item for item in artifacts if item.is_file())]
    if config.tracking.mlflow_uri is not None:
        done.append(log_run(config.tracking, findings, files))
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
    react(
        findings,
        config,
        clients,
        args.output,
        artifacts=[args.drift / "drift.json", args.drift / "drift.html"],
    )
    return 0


if __name__ == "__main__":
    run(main)
