"""What a verdict finds, as plain values: ailments, reasons, and the metrics that are put."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
MAX_QUALITY_REASONS = 10


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


def put_metrics(data: Sequence[Mapping[str, Any]], cloudwatch: Any) -> Reaction:
    """Put the data points; they carry the present as their time, which CloudWatch asks for."""
    with explained("the metrics", do="Allow cloudwatch:PutMetricData to the job's role"):
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=list(data))
    names = ", ".join(f"{item['MetricName']} {item['Value']:g}" for item in data)
    return Reaction(kind="cloudwatch", target=NAMESPACE, detail=names)


def _blind_reason(window: Window) -> str:
    return (
        f"Monitoring is blind: {window.completeness_ratio:.1%} of the callers' invocations left a "
        f"record, {window.min_completeness_ratio:.0%} are wanted (CloudWatch counts "
        f"{window.invocations}, {window.synthetic_records} of them seatrial's own); see whether "
        "records are delivered (SEATRIAL_RECORD, the log's subscription filter, Firehose's errors)."
    )
