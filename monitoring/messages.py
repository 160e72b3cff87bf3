"""What people get: what moved, how much, since when, what was done about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.aws import explained
from seatrial.contracts import Reaction
from seatrial.monitoring.reactions import Findings, reasons

# SNS: a subject is at most 100 ASCII characters.
MAX_SUBJECT = 100
_DONE = {"retraining": "Retraining", "rollback": "Rollback"}


@dataclass(frozen=True)
class Message:
    """What people get."""

    subject: str
    text: str


def message(
    findings: Findings, *, since: datetime, done: Sequence[Reaction], verdict_uri: str
) -> Message:
    """What people get: what moved, how much, since when, what was done, and where to read on."""
    window = findings.window
    rolled_back = ["rolled back"] if any(item.endpoint == "changed" for item in done) else []
    what = ", ".join([*_headlines(findings), *rolled_back])
    subject = f"seatrial alert: {window.endpoint_name}: {what}"
    text = "\n".join(
        [
            f"The endpoint {window.endpoint_name} (configuration {window.endpoint_config_name})",
            f"needs a look. Window {window.started_at:%Y-%m-%d %H:%M} to "
            f"{window.ended_at:%Y-%m-%d %H:%M} UTC, {window.rows} rows.",
            *([f"So since {since:%Y-%m-%d %H:%M} UTC."] if since < window.started_at else []),
            "",
            *(f"- {reason}" for reason in reasons(findings)),
            "",
            f"Compared with {window.baseline_uri}.",
            *(f"{_DONE[item.kind]}: {item.detail}" for item in done if item.kind in _DONE),
            _endpoint_line(window.endpoint_name, done),
            f"More: {verdict_uri}, and monitoring.html and drift.html beside it.",
        ]
    )
    ascii_subject = subject.encode("ascii", errors="replace").decode()
    return Message(_shortened(ascii_subject), text)


def _endpoint_line(endpoint_name: str, done: Sequence[Reaction]) -> str:
    """Whether somebody has changed it, as far as that is known."""
    became = {item.endpoint for item in done}
    if "unknown" in became:
        return f"The endpoint may have been changed: look at what {endpoint_name} serves."
    if "changed" in became:
        return "The endpoint was changed: see the rollback."
    return "The endpoint was not changed."


def publish(letter: Message, topic_arn: str, sns: Any) -> Reaction:
    """Tell the topic's subscribers."""
    with explained(f"the alert to {topic_arn}", do="Check the topic and sns:Publish"):
        sent = sns.publish(TopicArn=topic_arn, Subject=letter.subject, Message=letter.text)
    detail = f"message {sent['MessageId']}: {letter.subject}"
    return Reaction(kind="sns", target=topic_arn, detail=detail)


def _headlines(findings: Findings) -> Iterator[str]:
    if findings.missed:
        yield _counted(len(findings.missed), "window missed", "windows missed")
    if findings.window.blind:
        yield "monitoring is blind"
    if findings.decayed:
        yield f"{', '.join(item.metric for item in findings.decayed)} decayed"
    elif findings.labels.decayed_slices:
        yield f"decay in {', '.join(item.name for item in findings.labels.decayed_slices)}"
    elif findings.labels.concept_drift:
        yield "concept drift"
    elif findings.labels.parted_slices:
        yield f"concept drift in {', '.join(item.name for item in findings.labels.parted_slices)}"
    if findings.moved:
        yield f"{', '.join(item.column for item in findings.moved)} moved"
    if findings.together:
        yield "columns moved together"
    if not findings.quality.success:
        yield _counted(len(findings.quality.failed), "quality failure", "quality failures")


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _shortened(subject: str) -> str:
    return subject if len(subject) <= MAX_SUBJECT else subject[: MAX_SUBJECT - 3] + "..."
