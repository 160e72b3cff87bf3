"""What is done about a verdict: planned as plain values, then applied with the clients given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.aws import explained
from seatrial.contracts import (
    ClassifierVerdict,
    ColumnDrift,
    DriftReport,
    LabelScores,
    MetricScore,
    MissedWindow,
    QualityReport,
    Reaction,
    Window,
)
from seatrial.contracts.verdicts import Ailment
from seatrial.monitoring.decay_reasons import decay_reasons
from seatrial.monitoring.drift_reasons import drift_reasons
from seatrial.monitoring.missed_windows import missed_reason

NAMESPACE = "seatrial"
# SNS: a subject is at most 100 ASCII characters.
MAX_SUBJECT = 100
MAX_QUALITY_REASONS = 10
_DONE = {"retraining": "Retraining", "rollback": "Rollback"}


@dataclass(frozen=True)
class Findings:
    """All that the monitoring steps say of one window."""

    window: Window
    quality: QualityReport
    drift: DriftReport
    labels: LabelScores
    missed: tuple[MissedWindow, ...] = ()

    @property
    def decayed(self) -> tuple[MetricScore, ...]:
        """The metrics that are worse than the configuration allows."""
        return tuple(item for item in self.labels.metrics if item.decayed)

    @property
    def moved(self) -> tuple[ColumnDrift, ...]:
        """The columns that moved, if there is an alert about drift."""
        drifted = self.drift.status == "drift"
        return tuple(item for item in self.drift.columns if drifted and item.drifted)

    @property
    def together(self) -> ClassifierVerdict | None:
        """What the domain classifier found, if it alerts."""
        found = self.drift.classifier
        return found if found is not None and found.status == "drift" else None

    @property
    def ailments(self) -> tuple[Ailment, ...]:
        """What is wrong with the window, worst first."""
        found: tuple[tuple[Ailment, bool], ...] = (
            ("decay", self.labels.worse),
            ("drift", self.drift.status == "drift"),
            ("quality", not self.quality.success),
            ("blind", self.window.blind or bool(self.missed)),
        )
        return tuple(name for name, present in found if present)

    @property
    def alert(self) -> bool:
        """True if somebody has to look."""
        return bool(self.ailments)


@dataclass(frozen=True)
class Message:
    """What people get."""

    subject: str
    text: str


def reasons(findings: Findings) -> tuple[str, ...]:
    """Why there is an alert, as sentences: what was missed, decayed, moved or broken."""
    broken = findings.quality.failed
    found = [
        *([missed_reason(findings.missed)] if findings.missed else ()),
        *([_blind_reason(findings.window)] if findings.window.blind else ()),
        *decay_reasons(findings.labels),
        *drift_reasons(findings.moved, findings.together),
        *(
            f"Quality: {item.column or 'the table'} breaks {item.expectation}: {item.detail}."
            for item in broken[:MAX_QUALITY_REASONS]
        ),
    ]
    if len(broken) > MAX_QUALITY_REASONS:
        found.append(f"Quality: {len(broken) - MAX_QUALITY_REASONS} more expectations are broken.")
    return tuple(found)


def metric_data(findings: Findings) -> list[dict[str, Any]]:
    """CloudWatch's data points, one set per window."""
    values = {
        "Alert": float(findings.alert),
        "Rows": float(findings.window.rows),
        "QualityFailures": float(len(findings.quality.failed)),
        "BrokenLines": float(findings.window.broken_lines),
    }
    if findings.drift.status != "not enough data":
        values["DriftedColumns"] = float(len(findings.drift.drifted_columns))
    if findings.drift.classifier is not None and findings.drift.classifier.auc is not None:
        values["ClassifierAuc"] = findings.drift.classifier.auc
    if findings.labels.slice_level is not None:
        values["DecayedSlices"] = float(len(findings.labels.decayed_slices))
    if findings.window.completeness_ratio is not None:
        values["CompletenessRatio"] = findings.window.completeness_ratio
    values |= {item.metric.capitalize(): item.value for item in findings.labels.metrics}
    dimensions = [{"Name": "EndpointName", "Value": findings.window.endpoint_name}]
    return [
        {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": "None"}
        for name, value in values.items()
    ]


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


def put_metrics(data: Sequence[Mapping[str, Any]], cloudwatch: Any) -> Reaction:
    """Put the data points; they carry the present as their time, which CloudWatch asks for."""
    with explained("the metrics", do="Allow cloudwatch:PutMetricData to the job's role"):
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=list(data))
    names = ", ".join(f"{item['MetricName']} {item['Value']:g}" for item in data)
    return Reaction(kind="cloudwatch", target=NAMESPACE, detail=names)


def publish(letter: Message, topic_arn: str, sns: Any) -> Reaction:
    """Tell the topic's subscribers."""
    with explained(f"the alert to {topic_arn}", do="Check the topic and sns:Publish"):
        sent = sns.publish(TopicArn=topic_arn, Subject=letter.subject, Message=letter.text)
    detail = f"message {sent['MessageId']}: {letter.subject}"
    return Reaction(kind="sns", target=topic_arn, detail=detail)


def _headlines(findings: Findings) -> Iterator[str]:
    if findings.missed:
        yield f"{len(findings.missed)} windows missed"
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
        yield f"{len(findings.quality.failed)} quality failures"


def _shortened(subject: str) -> str:
    return subject if len(subject) <= MAX_SUBJECT else subject[: MAX_SUBJECT - 3] + "..."


def _blind_reason(window: Window) -> str:
    return (
        f"Monitoring is blind: {window.completeness_ratio:.1%} of {window.invocations} invocations "
        f"left a record, {window.min_completeness_ratio:.0%} are wanted; see whether records are "
        "delivered (SEATRIAL_RECORD, the log's subscription filter, Firehose's errors)."
    )
