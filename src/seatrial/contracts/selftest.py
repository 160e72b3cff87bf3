"""`selftest.json`: how often the monitor sees a drift of known size, and alerts about none."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from seatrial.contracts.base import Contract, Part
from seatrial.contracts.baseline import Calibration
from seatrial.contracts.deployment import SelfTest


class Rate(Part):
    """So many of `windows` windows; `low` and `high` bound the rate's 95 % interval (Wilson's)."""

    count: NonNegativeInt
    windows: PositiveInt
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)

    @property
    def ratio(self) -> float:
        """The share of the windows."""
        return self.count / self.windows


class Detection(Part):
    """How often this column counts as drifted when it alone is moved by `size`.

    `std`: its values are shifted by so many of the reference's standard deviations; `share`: so
    large a share of all rows takes on another category. `limit` is the score at which a drift
    begins: a window's own stray and the move have to reach it together.
    """

    column: str
    unit: Literal["std", "share"]
    size: PositiveFloat
    limit: NonNegativeFloat
    rate: Rate


class JointRates(Part):
    """How often the domain classifier alerts about windows of `rows` rows, drawn as others are.

    `false_alerts` are about windows as they are; `detected` are those in which one column's values
    were put in the order of another's, a column by itself being what it was. `bound` is the AUC
    that a window of so many rows has to pass.
    """

    rows: PositiveInt
    bound: NonNegativeFloat
    false_alerts: Rate
    detected: Rate


class MonitorRates(Part):
    """The rates for windows of `window_h` hours, of `rows` rows drawn from the held-out ones.

    Such rows come from all over the reference, so `false_alerts` is what chance does. What time
    does as well is in `calibration`, learnt from contiguous blocks; None without a time column.
    `together` is None without the domain classifier.
    """

    window_h: PositiveFloat
    rows: PositiveInt
    false_alerts: Rate
    false_alert_every_windows: float
    calibration: Calibration | None
    detections: tuple[Detection, ...]
    together: JointRates | None = None


class SelfTestReport(Contract):
    """Written by `seatrial monitor selftest`; `tests` are those that ArmMonitoring asks for."""

    held_out_rows: NonNegativeInt
    tests: tuple[SelfTest, ...]
    rates: tuple[MonitorRates, ...]

    @property
    def passed(self) -> bool:
        """True if ArmMonitoring would count the monitor as sound."""
        return all(test.passed for test in self.tests)
