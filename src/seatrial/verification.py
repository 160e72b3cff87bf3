"""Is a deployed endpoint what was meant: model and image, what it predicts, and how fast."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.aws import explained
from seatrial.contracts import GoldenAnswer, GoldenPrediction, Payload
from seatrial.endpoint import SYNTHETIC, Answer, EndpointState, invoke
from seatrial.errors import DeploymentError

if TYPE_CHECKING:
    import numpy as np

    from seatrial.serving.model import Model

    Array = np.ndarray[Any, Any]

# The same graph on another CPU: float32 sums in another order, not another answer.
GOLDEN_TOLERANCE = 1e-4
ANSWER_TYPE = "text/csv"
# The 19th of 20 is a p95; more would make every deployment wait.
LATENCY_REQUESTS = 20


def verify_model(state: EndpointState, model_name: str, image: str, sagemaker: Any) -> None:
    """DeploymentError unless the configuration in use has that model, and the variant that image.

    `state` is an endpoint in service.
    """
    name = state.endpoint_config_name
    with explained(f"the configuration {name}", do="Allow sagemaker:DescribeEndpointConfig"):
        config = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    seen = config["ProductionVariants"][0].get("ModelName")
    if (seen, state.image) != (model_name, image):
        raise DeploymentError(
            f"{state.name} runs another model or image",
            got=f"{seen} in {state.image}",
            allowed=f"{model_name} in {image}",
            do=f"Look at DescribeEndpointConfig of {name}",
        )


@dataclass(frozen=True)
class Verified:
    """What the endpoint answered, and how far that is from what was expected."""

    prediction: GoldenPrediction
    answer: GoldenAnswer


def verify_predictions(
    endpoint_name: str, payloads: Sequence[Payload], model: Model, runtime: Any
) -> list[Verified]:
    """Send each sample payload, and compare the answers with those of the model here.

    DeploymentError if a score is further off than rounding explains.
    """
    verified = []
    for payload in payloads:
        answer = _ask(endpoint_name, payload.body, payload.content_type, runtime)
        deviation = _deviation(model, payload, answer.body)
        _check_deviation(endpoint_name, payload.name, deviation, "the profiled model")
        if answer.event_id is None:
            raise DeploymentError(
                f"{endpoint_name} does not say under which event id it logged a prediction",
                got="no seatrial-event-id in the custom attributes",
                allowed="an id for each prediction",
                do="Serve with seatrial's serving image",
            )
        verified.append(
            Verified(
                GoldenPrediction(
                    event_id=answer.event_id, payload=payload.name, max_deviation=deviation
                ),
                GoldenAnswer(
                    payload=payload.name,
                    content_type=payload.content_type,
                    body=payload.body,
                    answer=answer.body.decode(),
                ),
            )
        )
    return verified


def verify_answers(endpoint_name: str, golden: Sequence[GoldenAnswer], runtime: Any) -> None:
    """DeploymentError if the endpoint answers unlike it did when it was verified."""
    for item in golden:
        answer = _ask(endpoint_name, item.body, item.content_type, runtime)
        deviation = text_deviation(item.answer, answer.body.decode())
        _check_deviation(endpoint_name, item.payload, deviation, "it did when it was verified")


def measure_p95_ms(
    endpoint_name: str,
    payloads: Sequence[Payload],
    runtime: Any,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """The worst payload's p95 in milliseconds, as this client sees it; the sandbox is warm.

    By nearest rank, over LATENCY_REQUESTS calls for each payload, one after the other.
    """
    worst = 0.0
    for payload in payloads:
        _ask(endpoint_name, payload.body, payload.content_type, runtime)
        times_ms = []
        for _ in range(LATENCY_REQUESTS):
            started = clock()
            _ask(endpoint_name, payload.body, payload.content_type, runtime)
            times_ms.append((clock() - started) * 1000)
        worst = max(worst, p95(times_ms))
    return worst


def p95(values: Sequence[float]) -> float:
    """The nearest-rank 95th percentile.

    >>> p95([float(n) for n in range(1, 21)])
    19.0
    """
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def check_p95(endpoint_name: str, measured_ms: float, objective_ms: float) -> None:
    """DeploymentError if the endpoint is slower than the objective."""
    if measured_ms > objective_ms:
        raise DeploymentError(
            f"{endpoint_name} is slower than the objective",
            got=f"p95 {measured_ms:.1f} ms over {LATENCY_REQUESTS} warm requests",
            allowed=f"at most {objective_ms:g} ms (objectives.latency_p95_ms)",
            do="Compare with the profile: a larger tier has more CPU, or raise the objective",
        )


def text_deviation(expected: str, found: str) -> float:
    """The largest absolute difference of a number in two CSV texts; other words have to be equal.

    >>> text_deviation("0.5,late", "0.25,late")
    0.25
    >>> text_deviation("0.5,late", "0.5,early")
    inf
    """
    ours, theirs = list(_words(expected)), list(_words(found))
    if len(ours) != len(theirs):
        return math.inf
    return max((_word_distance(*pair) for pair in zip(ours, theirs, strict=True)), default=0.0)


def _words(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from line.split(",")


def _word_distance(ours: str, theirs: str) -> float:
    if ours == theirs:
        return 0.0
    try:
        distance = abs(float(ours) - float(theirs))
    except ValueError:
        return math.inf
    return math.inf if math.isnan(distance) else distance


def _ask(endpoint_name: str, body: str, content_type: str, runtime: Any) -> Answer:
    return invoke(
        endpoint_name,
        body.encode(),
        runtime=runtime,
        content_type=content_type,
        accept=ANSWER_TYPE,
        attributes=SYNTHETIC,
    )


def _check_deviation(endpoint_name: str, payload: str, deviation: float, unlike: str) -> None:
    if not deviation <= GOLDEN_TOLERANCE:
        raise DeploymentError(
            f"{endpoint_name} answers {payload} unlike {unlike}",
            got=f"a deviation of {deviation:.3g}",
            allowed=f"at most {GOLDEN_TOLERANCE:g}",
            do="Compare the image and the archive with those that were profiled",
        )


def _deviation(model: Model, payload: Payload, answer: bytes) -> float:
    """The largest absolute difference of a number in the answer; text has to be equal."""
    from seatrial.serving.arrays import decode, decode_answer

    columns = decode(payload.body.encode(), payload.content_type, model.signature)
    expected = model.predict(columns)
    found = decode_answer(answer, ANSWER_TYPE, model.signature)
    return max(_distance(here, found[name]) for name, here in expected.items())


def _distance(here: Array, there: Array) -> float:
    if len(here) != len(there):
        return float("inf")
    if here.dtype.kind in "OUS":
        return 0.0 if list(here) == list(there) else float("inf")
    return float(abs(here.astype(float) - there.astype(float)).max())
