"""Sends each request where the policy says, and on to the next target if that one is busy."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from seatrial.client.exchange import Prediction
from seatrial.client.options import Options
from seatrial.client.retries import Retries
from seatrial.client.synchronous import InferenceClient
from seatrial.client.transport import make_runtime
from seatrial.errors import InvocationError
from seatrial.router.metrics import Decision, Metrics, Outcome
from seatrial.router.policy import Choice, Mode, Rate, Reason, choose, next_mode, targets_of
from seatrial.router.settings import Settings

_CONNECTIONS = 50  # botocore keeps as many open; more at once are made and closed


@dataclass(frozen=True)
class Routed:
    """A prediction, and which target gave it."""

    target: str
    prediction: Prediction


class Router:
    """Threads may share it; `metrics` counts every decision.

    A target that turns a request away (throttled, not ready) is not asked again while another one
    is left; the last one is asked as `options.retries` says. All targets serve the same model, so
    all get the same content type.
    """

    def __init__(
        self,
        settings: Settings,
        options: Options | None = None,
        *,
        runtime: Any = None,
        region: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = options or Options()
        if runtime is None:
            runtime = make_runtime(options, region=region, connections=_CONNECTIONS)
        once = replace(options, retries=Retries(attempts=1))
        self.settings, self.metrics = settings, Metrics()
        self._clients = {
            name: (
                InferenceClient(target.endpoint, once, runtime=runtime),
                InferenceClient(target.endpoint, options, runtime=runtime),
            )
            for name, target in settings.targets.items()
        }
        self._in_flight: Counter[str] = Counter()
        self._lock, self._clock = threading.Lock(), clock
        self._mode = Mode(False, clock())
        self._rate = None if settings.switch is None else Rate(settings.switch.window_s, clock())

    @property
    def switched(self) -> bool:
        """True while traffic is over the crossover."""
        return self._mode.switched

    def predict(self, data: Any, *, route: str, inference_id: str | None = None) -> Routed:
        """The prediction of the first target that gives one; the last one's error if none does."""
        inference_id = inference_id or str(uuid.uuid4())
        with self._lock:
            names = targets_of(route, self.settings, switched=self._decide_mode())
        reason: Reason = "switched" if self.switched else "first"
        while True:
            choice = self._take(names, reason)
            outcome: Outcome = "failed"
            try:
                client = self._clients[choice.target][0 if choice.rest else 1]
                prediction = client.predict(data, inference_id=inference_id)
                outcome = "answered"
                return Routed(choice.target, prediction)
            except InvocationError as error:
                if error.spill:
                    outcome = "turned away"
                if not (error.spill and choice.rest):
                    raise
                names, reason = choice.rest, "spilled"
            finally:
                self._give_back(choice, route, outcome)

    def _decide_mode(self) -> bool:
        switch = self.settings.switch
        if switch is not None and self._rate is not None:
            now_s = self._clock()
            self._rate.add(now_s)
            rate = self._rate.requests_a_month(now_s)
            self._mode = next_mode(self._mode, switch, rate, now_s)
        return self._mode.switched

    def _take(self, names: tuple[str, ...], reason: Reason) -> Choice:
        with self._lock:
            choice = choose(names, self.settings, self._in_flight, reason)
            self._in_flight[choice.target] += 1
        return choice

    def _give_back(self, choice: Choice, route: str, outcome: Outcome) -> None:
        with self._lock:
            self._in_flight[choice.target] -= 1
        self.metrics.count(Decision(route, choice.target, choice.reason, outcome))
