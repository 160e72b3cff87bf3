"""What a baseline is of: the one place where a Baseline is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from seatrial.config import MonitoringConfig
from seatrial.contracts import Baseline, ScoreCalibration, SlicedColumn, Summary, Task
from seatrial.monitoring.baseline import Rows
from seatrial.monitoring.learning import alert_rule, learn_bounds


@dataclass(frozen=True)
class Subject:
    """What is watched, as far as its rows do not tell."""

    task: Task
    target: str
    input_columns: tuple[str, ...]
    output_columns: tuple[str, ...] = ()
    model_package_arn: str | None = None
    candidate: str = "fp32"
    period: tuple[datetime | None, datetime | None] = (None, None)
    held_out_rows: int = 0
    quality: Mapping[str, float] = field(default_factory=dict)
    score_calibration: ScoreCalibration | None = None
    slices: tuple[SlicedColumn, ...] = ()


def make_baseline(
    subject: Subject,
    parts: Sequence[Rows],
    reference: Summary,
    monitoring: MonitoringConfig,
    *,
    seed: int,
) -> Baseline:
    """The baseline of these rows, whose summary `reference` is."""
    learnt = learn_bounds(parts, reference, monitoring, seed=seed)
    return Baseline(
        model_package_arn=subject.model_package_arn,
        task=subject.task,
        target=subject.target,
        rows=reference.rows,
        started_at=subject.period[0],
        ended_at=subject.period[1],
        input_columns=subject.input_columns,
        output_columns=subject.output_columns,
        bounds=learnt.bounds,
        bound_method=learnt.method,
        false_alert_every_windows=monitoring.false_alert_every_windows,
        alert_rule=alert_rule(monitoring, reference),
        calibrations=learnt.calibrations,
        classifier=learnt.classifier,
        score_calibration=subject.score_calibration,
        held_out_rows=subject.held_out_rows,
        seed=seed,
        quality=dict(subject.quality),
        candidate=subject.candidate,
        slices=subject.slices,
    )
