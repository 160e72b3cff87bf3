"""What is to be done about a verdict: decided from the configuration and the windows before it.

Telling people and other systems (notify, event) happens at once. A training (retrain) and the way
back to the version before (rollback) wait until the same ailment was found in `after_windows`
windows in a row of the configuration that serves: one bad window may be a holiday, and what was
brought back gets windows of its own. Nothing is done again within `cooldown_h`, but an ailment of
this configuration that nobody was told of within it is told. Nor is anything done again for a
window that is judged again, unless more is found in it then; a rollback not even then. (Of a
training or a rollback that was just begun people are told all the same: reacting.py.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from seatrial.contracts.verdicts import Act, Ailment, WindowVerdict

PATIENT: frozenset[Act] = frozenset({"retrain", "rollback"})
# What is more to a window is more to tell; the version that it was about is gone all the same.
ONCE_A_WINDOW: frozenset[Act] = frozenset({"rollback"})


@dataclass(frozen=True)
class Policy:
    """The configuration's `reactions`."""

    acts: Mapping[Ailment, tuple[Act, ...]]
    after_windows: int
    cooldown_h: float


@dataclass(frozen=True)
class Decision:
    """One act: to be done, or why it is not."""

    act: Act
    ailments: tuple[Ailment, ...]
    waits: str | None

    @property
    def due(self) -> bool:
        """True if it is to be done now."""
        return self.waits is None


@dataclass(frozen=True)
class Past:
    """The windows before this one, in time order, and what was decided on it earlier, if it was.

    `endpoint_config_name` is what this window is about.
    """

    endpoint_config_name: str
    windows: Sequence[WindowVerdict]
    earlier: WindowVerdict | None = None

    def is_about(self, item: WindowVerdict) -> bool:
        """True if what served in that window serves in this one."""
        return item.endpoint_config_name == self.endpoint_config_name

    def run_of(self, ailment: Ailment) -> tuple[WindowVerdict, ...]:
        """The windows just before this one that all had the ailment, on the same configuration.

        A window of another configuration says nothing of the one that serves now.
        """
        run: list[WindowVerdict] = []
        for item in reversed(self.windows):
            if ailment not in item.ailments or not self.is_about(item):
                break
            run.append(item)
        return tuple(reversed(run))

    def answered_since(self, time: datetime, act: Act) -> tuple[WindowVerdict, ...]:
        """The windows before this one for which the act was carried out or refused after `time`."""
        return tuple(
            item for item in self.windows if act in item.answered and item.decided_at > time
        )

    def since(self, ailments: Iterable[Ailment], started_at: datetime) -> datetime:
        """The start of the first window of the longest run that leads up to this one."""
        runs = [self.run_of(ailment) for ailment in ailments]
        return min([started_at, *(run[0].started_at for run in runs if run)])


def decide(
    ailments: Sequence[Ailment], past: Past, policy: Policy, *, now: datetime
) -> tuple[Decision, ...]:
    """One decision for each act that the ailments ask for.

    >>> always = Policy({"drift": ("notify",)}, after_windows=1, cooldown_h=0)
    >>> past = Past("flights-1", [])
    >>> [item.act for item in decide(["drift"], past, always, now=datetime(2026, 1, 1))]
    ['notify']
    """
    wanted: dict[Act, list[Ailment]] = {}
    for ailment in ailments:
        for act in policy.acts.get(ailment, ()):
            wanted.setdefault(act, []).append(ailment)
    return tuple(
        Decision(act, tuple(asking), _waits(act, asking, past, policy, now))
        for act, asking in wanted.items()
    )


def _waits(
    act: Act,
    asking: Sequence[Ailment],
    past: Past,
    policy: Policy,
    now: datetime,
) -> str | None:
    earlier = past.earlier
    nothing_more = act in ONCE_A_WINDOW or (earlier and set(asking) <= set(earlier.ailments))
    if earlier and act in earlier.answered and nothing_more:
        return "already done when this window was judged before"
    lately = past.answered_since(now - timedelta(hours=policy.cooldown_h), act)
    told = {name for item in lately if past.is_about(item) for name in item.ailments}
    if lately and (act in PATIENT or told.issuperset(asking)):
        last = max(item.decided_at for item in lately)
        return f"last done at {last:%Y-%m-%d %H:%M} UTC, not again within {policy.cooldown_h:g} h"
    if act in PATIENT:
        longest = max(1 + len(past.run_of(ailment)) for ailment in asking)
        if longest < policy.after_windows:
            return f"window {longest} of {policy.after_windows} in a row"
    return None
