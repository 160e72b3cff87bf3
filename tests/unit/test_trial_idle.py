"""How long a sandbox stays idle, found by asking after pauses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seatrial.config import load_config
from seatrial.contracts.trial import IdlePause
from seatrial.cost.prices import load_prices
from seatrial.errors import CloudError
from seatrial.trial.idle import Probe, at_most, bounds_s, measure_idle, next_pause_s
from seatrial.trial.plan import Trial

SETTINGS = load_config().trial


@dataclass
class Sandbox:
    """One that goes once it was idle for longer than `stays_s`; CloudWatch is `late_s` late."""

    stays_s: float
    late_s: float = 0.0
    fails_after: int = 1000
    moment: datetime = datetime(2026, 11, 28, tzinfo=UTC)
    since: datetime | None = None
    setups: int = 0
    requests: int = 0
    said: list[str] = field(default_factory=list)

    def ask(self) -> None:
        self.requests += 1
        if self.requests > self.fails_after:
            raise CloudError("gone", got="404", allowed="an answer", do="Try again")
        limit = timedelta(seconds=self.stays_s)
        if self.since is None or self.moment - self.since > limit:
            self.setups += 1
        self.since = self.moment

    def count(self) -> int:
        self.sleep(self.late_s)
        return self.setups

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    @property
    def probe(self) -> Probe:
        return Probe(self.ask, self.count, lambda: self.moment, self.sleep)


@pytest.mark.parametrize("stays_s", [75, 300, 301, 599, 600, 601, 1199])
def test_it_is_found_to_a_minute(stays_s: float) -> None:
    sandbox = Sandbox(stays_s)
    found = measure_idle(sandbox.probe, SETTINGS, sandbox.said.append)
    assert found.ended_early is None
    assert found.warm_s is not None
    assert found.cold_s is not None
    assert found.warm_s <= stays_s < found.cold_s
    assert found.cold_s - found.warm_s <= 60
    requests, seconds = at_most(SETTINGS)
    assert sandbox.requests <= requests
    assert sum(item.pause_s for item in found.pauses) <= seconds
    assert sandbox.said[0] == "idle for 60 s"


@pytest.mark.parametrize(
    ("stays_s", "warm_s", "cold_s"),
    [
        pytest.param(59, None, 60, id="shorter than the first pause"),
        pytest.param(1200, 1200, None, id="exactly as long as the last"),
        pytest.param(9999, 1200, None, id="longer"),
    ],
)
def test_what_lies_outside_is_said(
    stays_s: float, warm_s: float | None, cold_s: float | None
) -> None:
    found = measure_idle(Sandbox(stays_s).probe, SETTINGS, lambda _: None)
    assert (found.warm_s, found.cold_s) == (warm_s, cold_s)


def test_a_pause_is_as_long_as_it_really_was() -> None:
    # CloudWatch takes longer than the first two pauses, and the sandbox is idle meanwhile
    found = measure_idle(Sandbox(400, late_s=150).probe, SETTINGS, lambda _: None)
    assert [item.pause_s for item in found.pauses][:2] == [150, 300]
    assert found.warm_s is not None
    assert found.cold_s is not None
    assert found.warm_s <= 400 < found.cold_s


def test_an_error_ends_it_with_what_is_known() -> None:
    found = measure_idle(Sandbox(9999, fails_after=3).probe, SETTINGS, lambda _: None)
    assert found.ended_early is not None
    assert "gone: got '404'" in found.ended_early
    assert (found.warm_s, found.cold_s) == (120, None)


def test_a_warm_pause_over_a_cold_one_counts_for_nothing() -> None:
    pauses = [IdlePause(pause_s=s, cold=cold) for s, cold in ((60, False), (240, True))]
    assert bounds_s([*pauses, IdlePause(pause_s=480, cold=False)]) == (60, 240)
    assert next_pause_s(pauses, SETTINGS) == 150


def test_its_price_is_part_of_the_upper_bound() -> None:
    config, prices = load_config(), load_prices("us-east-1")
    usd = [
        Trial("fp32", Path(), "0" * 64, (), (1024, 2048), 5, idle=idle).max_usd(config, prices)
        for idle in (False, True)
    ]
    requests = at_most(config.trial)[0]
    assert usd[1] - usd[0] == pytest.approx(requests * 60 * 0.00002)
