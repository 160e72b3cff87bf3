"""One window's reactions: decided, carried out in order, each kept as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.aws import S3
from seatrial.config import Config
from seatrial.contracts import Reaction, Window
from seatrial.contracts.verdicts import Act, WindowVerdict
from seatrial.errors import DeploymentError, InputError, SeatrialError
from seatrial.monitoring.acts import Case, put_event, start_retraining
from seatrial.monitoring.history import folder_uri, read_earlier, read_history, write_verdict
from seatrial.monitoring.messages import message, publish
from seatrial.monitoring.policy import PATIENT, Decision, Past, Policy, decide
from seatrial.monitoring.reactions import Findings, reasons
from seatrial.monitoring.rolling_back import roll_back

# More than any run of windows that a reaction waits for.
LOOK_BACK = 60
# The rollback is waited for, and the message comes last, since it tells what else was done.
ORDER: tuple[Act, ...] = ("retrain", "rollback", "event", "notify")
KINDS: Mapping[Act, str] = {
    "retrain": "retraining",
    "rollback": "rollback",
    "event": "eventbridge",
    "notify": "sns",
}


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
            window.endpoint_config_name,
            read_history(
                self._s3,
                config.bucket,
                window.endpoint_name,
                before=window.started_at,
                limit=LOOK_BACK,
            ),
            read_earlier(self._s3, config.bucket, window.endpoint_name, **span),
        )
        _require_nothing_lost(window, self._past)
        self.done: list[Reaction] = []
        self.failures: list[SeatrialError] = []
        self._changing = False

    def carry_out(self) -> None:
        """Decide, and do what is due; what fails is told, and the rest is done all the same."""
        rules = self._config.reactions
        policy = Policy(rules.acts, rules.after_windows, rules.cooldown_h)
        found = decide(self.findings.ailments, self._past, policy, now=self._now)
        earlier = self._past.earlier
        self._keep(earlier.acts if earlier else (), earlier.refused if earlier else ())
        for decision in sorted(found, key=lambda item: ORDER.index(item.act)):
            reaction = self._act(decision)
            self.done.append(reaction)
            acts, refused = self._kept.acts, self._kept.refused
            if reaction.done:
                self._keep((*acts, decision.act), refused)
            elif reaction.target:  # whoever was asked has answered
                self._keep(acts, (*refused, decision.act))

    def _act(self, decision: Decision) -> Reaction:
        kind = KINDS[decision.act]
        if decision.waits is not None and not self._is_news(decision):
            return _not_done(kind, decision.waits)
        if self._config.reactions.dry_run:
            return _not_done(kind, "dry run")
        self._changing = self._changing or decision.act in PATIENT
        try:
            return self._do(decision)
        except SeatrialError as error:
            self.failures.append(error)
            # a change that was begun, and is not known to have ended well
            endpoint = "unknown" if isinstance(error, DeploymentError) else "unchanged"
            return _not_done(kind, f"failed: {error}", endpoint=endpoint)

    def attempt(self, kind: str, do: Callable[[], Reaction]) -> None:
        """Do what every window gets; what fails is told, and the rest is done all the same."""
        try:
            self.done.append(do())
        except SeatrialError as error:
            self.failures.append(error)
            self.done.append(_not_done(kind, f"failed: {error}"))

    def _is_news(self, decision: Decision) -> bool:
        """True of telling what was just begun, however short the last message is ago."""
        return self._changing and decision.act not in PATIENT

    def _do(self, decision: Decision) -> Reaction:
        verdict_uri, clients = f"{self.folder}/monitoring.json", self._clients
        why = reasons(self.findings)
        about = Case(self.findings, decision.ailments, why, verdict_uri, tuple(self.done))
        match decision.act:
            case "retrain":
                pipeline = str(self._config.reactions.retraining_pipeline)
                return start_retraining(about, pipeline, clients["sagemaker"])
            case "rollback":
                return roll_back(about, self._config, clients)
            case "event":
                return put_event(about, clients["events"])
            case "notify":
                return self._notify(verdict_uri)

    def _notify(self, verdict_uri: str) -> Reaction:
        letter = message(
            self.findings,
            since=self._past.since(self.findings.ailments, self.findings.window.started_at),
            done=self.done,
            verdict_uri=verdict_uri,
        )
        return publish(letter, self._config.monitoring.alert_topic_arn, self._clients["sns"])

    def _keep(self, acts: Sequence[Act], refused: Sequence[Act]) -> None:
        window = self.findings.window
        self._kept = WindowVerdict(
            endpoint_name=window.endpoint_name,
            endpoint_config_name=window.endpoint_config_name,
            started_at=window.started_at,
            ended_at=window.ended_at,
            ailments=self.findings.ailments,
            acts=tuple(dict.fromkeys(acts)),
            refused=tuple(dict.fromkeys(refused)),
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


def _not_done(kind: str, why: str, *, endpoint: str = "unchanged") -> Reaction:
    return Reaction.model_validate(
        {"kind": kind, "target": "", "detail": why, "done": False, "endpoint": endpoint}
    )


def _require_nothing_lost(window: Window, past: Past) -> None:
    """InputError where a verdict on another version would give way to one on no record at all.

    A window is judged for what serves now.
    """
    earlier = past.earlier
    if earlier is None or past.is_about(earlier) or window.records or not window.foreign_records:
        return
    raise InputError(
        "the window was judged for another version, and its verdict stays",
        got=f"{window.foreign_records} records of {', '.join(window.foreign_versions)}, and none "
        f"of {window.endpoint_config_name}, which serves now",
        allowed=f"a window in which {window.endpoint_config_name} answered",
        do=f"Read the verdict on {earlier.endpoint_config_name}, or judge a later window",
    )
