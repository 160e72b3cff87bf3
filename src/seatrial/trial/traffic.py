"""Requests to a temporary endpoint: so many clients, for so long, and what became of each."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock

from seatrial.contracts import Payload
from seatrial.contracts.trial import PhaseName, TrialPhase

THROTTLED = "ThrottlingException"


@dataclass(frozen=True)
class Phase:
    """How to send: `clients` at a time, until `requests` are sent or `seconds` are over."""

    name: PhaseName
    clients: int
    requests: int
    seconds: float


@dataclass(frozen=True)
class Sent:
    """What became of one request; `error` is None if it was answered."""

    latency_s: float
    error: str | None

    @property
    def throttled(self) -> bool:
        """True if the endpoint had no sandbox left."""
        return self.error is not None and self.error.startswith(THROTTLED)


@dataclass
class ErrorBudget:
    """How many requests may fail before a tier ends. Throttles under a burst are no errors."""

    max_errors: int
    errors: int = 0
    first: str = ""
    spent: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)

    def count(self, error: str) -> None:
        """One more error."""
        with self._lock:
            self.errors += 1
            self.first = self.first or error
            if self.errors > self.max_errors:
                self.spent.set()


# Sends one payload, and returns None or the error's code and message.
Ask = Callable[[Payload], str | None]


def send(
    phase: Phase,
    payloads: Sequence[Payload],
    ask: Ask,
    budget: ErrorBudget,
    clock: Callable[[], float] = time.perf_counter,
) -> TrialPhase:
    """Run a phase; payloads go round in turns. It stops early once the budget is spent.

    With one client a throttle is an error: then nobody else should be there.
    """
    until = clock() + phase.seconds
    # next() of an iterator over a tuple and of count() is one step for the interpreter
    order = itertools.cycle(tuple(payloads))
    numbers = itertools.count()

    def one_client() -> list[Sent]:
        found = []
        while next(numbers) < phase.requests and clock() < until and not budget.spent.is_set():
            payload = next(order)
            started = clock()
            error = ask(payload)
            sent = Sent(clock() - started, error)
            if error is not None and not (sent.throttled and phase.clients > 1):
                budget.count(error)
            found.append(sent)
        return found

    with ThreadPoolExecutor(phase.clients) as pool:
        clients = [pool.submit(one_client) for _ in range(phase.clients)]
        try:
            return summarise(phase, [sent for client in clients for sent in client.result()])
        except BaseException:  # Ctrl-C: the clients end with the request they are in
            budget.spent.set()
            raise


def summarise(phase: Phase, sent: Sequence[Sent]) -> TrialPhase:
    """The phase's figures."""
    latencies = sorted(item.latency_s for item in sent if item.error is None)
    errors = [item.error for item in sent if item.error is not None and not item.throttled]
    return TrialPhase(
        name=phase.name,
        clients=phase.clients,
        requests=len(sent),
        answered=len(latencies),
        throttled=sum(item.throttled for item in sent),
        errors=len(errors),
        first_error=errors[0][:300] if errors else None,
        latency_p50_ms=percentile_ms(latencies, 0.5),
        latency_p95_ms=percentile_ms(latencies, 0.95),
        latency_max_ms=percentile_ms(latencies, 1.0),
    )


def percentile_ms(ordered_s: Sequence[float], share: float) -> float | None:
    """The smallest latency that `share` of all do not exceed (nearest rank), in milliseconds.

    >>> percentile_ms([0.1, 0.2, 0.3, 0.4], 0.5)
    200.0
    """
    if not ordered_s:
        return None
    return 1000 * ordered_s[max(0, math.ceil(share * len(ordered_s)) - 1)]


def phases(max_concurrency: int, *, cold: int, warm: int, burst_s: float) -> Iterator[Phase]:
    """First the cold requests, then warm ones, then as many clients as allowed, then more."""
    over = max_concurrency + math.ceil(max_concurrency / 2)
    few = min(cold, max_concurrency)
    unlimited = 10**9
    yield Phase("cold", few, few, math.inf)
    yield Phase("warm", 1, warm, 10 * burst_s)
    yield Phase("burst", max_concurrency, unlimited, burst_s)
    yield Phase("over", over, unlimited, burst_s)
