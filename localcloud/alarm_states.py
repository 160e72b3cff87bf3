"""The states of metric alarms, which moto keeps and never looks at the metrics for.

An alarm here sees the present minute at once; CloudWatch sees it when it is over, and a little
later. What moto has of composite alarms and of metric math stays as it is.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from typing import Any

from seatrial.localcloud.metric_samples import FindSamples, read_statistic

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_WITHOUT_DATA = {"notBreaching": "OK", "breaching": "ALARM", "missing": "INSUFFICIENT_DATA"}


def evaluate(backend: Any, find: FindSamples, *, now: float) -> None:
    """Bring every alarm of moto's CloudWatch `backend` to the state that its metric gives it."""
    for alarm in list(backend.alarms.values()):
        if not alarm.metric_name or alarm.comparison_operator not in _COMPARE:
            continue
        points = _points(alarm, find, now=now)
        state, reason = _state(alarm, points)
        if state is not None and state != alarm.state_value:
            alarm.update_state(reason, json.dumps({"recentDatapoints": points}), state)


def _points(alarm: Any, find: FindSamples, *, now: float) -> list[float]:
    """The statistic of each of the latest periods that has data, the present one among them."""
    statistic = read_statistic(alarm.statistic or alarm.extended_statistic)
    dimensions = {item.name: item.value for item in alarm.dimensions}
    period_s = int(alarm.period)
    first = (now // period_s - int(alarm.evaluation_periods)) * period_s
    periods: dict[float, list[Any]] = {}
    for sample in find(alarm.namespace, alarm.metric_name, dimensions):
        if first <= sample.second <= now:
            periods.setdefault(sample.second // period_s, []).append(sample)
    values = [statistic(periods[number]) for number in sorted(periods)]
    return [value for value in values if value is not None]


def _state(alarm: Any, points: list[float]) -> tuple[str | None, str]:
    if not points:
        return _WITHOUT_DATA.get(alarm.treat_missing_data or "missing"), "localcloud: no data"
    threshold = float(alarm.threshold)
    breaching = [value for value in points if _COMPARE[alarm.comparison_operator](value, threshold)]
    needed = int(alarm.datapoints_to_alarm or alarm.evaluation_periods)
    reason = f"localcloud: {len(breaching)} of {len(points)} datapoints {points} breach {threshold}"
    return ("ALARM" if len(breaching) >= needed else "OK"), reason
