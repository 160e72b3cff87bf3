"""Is a deployed endpoint what was meant: the configuration it serves, and what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seatrial.contracts import GoldenPrediction, Payload
from seatrial.deployment import Target, log_group
from seatrial.endpoint import SYNTHETIC, EndpointState, invoke
from seatrial.errors import DeploymentError

if TYPE_CHECKING:
    import numpy as np

    from seatrial.serving.model import Model

    Array = np.ndarray[Any, Any]

# The same graph on another CPU: float32 sums in another order, not another answer.
GOLDEN_TOLERANCE = 1e-4
ANSWER_TYPE = "text/csv"


def verify_configuration(target: Target, state: EndpointState | None) -> None:
    """DeploymentError unless the endpoint serves the new configuration.

    The service can go back by itself: the endpoint is then InService on the old one.
    """
    if (
        state is None
        or state.status != "InService"
        or state.endpoint_config_name != target.endpoint_config_name
    ):
        seen = "no endpoint" if state is None else f"{state.status} on {state.endpoint_config_name}"
        reason = f" ({state.failure_reason})" if state and state.failure_reason else ""
        raise DeploymentError(
            f"{target.endpoint_name} does not serve the new configuration",
            got=seen + reason,
            allowed=f"InService on {target.endpoint_config_name}",
            do=f"Look into the log group {log_group(target.endpoint_name)}",
        )


def verify_predictions(
    target: Target, payloads: Sequence[Payload], model: Model, runtime: Any
) -> list[GoldenPrediction]:
    """Send each sample payload, and compare the answers with those of the model here.

    DeploymentError if a score is further off than rounding explains.
    """
    golden = []
    for payload in payloads:
        answer = invoke(
            target.endpoint_name,
            payload.body.encode(),
            runtime=runtime,
            content_type=payload.content_type,
            accept=ANSWER_TYPE,
            attributes=SYNTHETIC,
        )
        deviation = _deviation(model, payload, answer.body)
        if not deviation <= GOLDEN_TOLERANCE:
            raise DeploymentError(
                f"{target.endpoint_name} answers {payload.name} unlike the profiled model",
                got=f"a deviation of {deviation:.3g}",
                allowed=f"at most {GOLDEN_TOLERANCE:g}",
                do="Compare the image and the archive with those that were profiled",
            )
        if answer.event_id is None:
            raise DeploymentError(
                f"{target.endpoint_name} does not say under which event id it logged a prediction",
                got="no seatrial-event-id in the custom attributes",
                allowed="an id for each prediction",
                do="Serve with seatrial's serving image",
            )
        golden.append(
            GoldenPrediction(
                event_id=answer.event_id, payload=payload.name, max_deviation=deviation
            )
        )
    return golden


def _deviation(model: Model, payload: Payload, answer: bytes) -> float:
    """The largest absolute difference of a number in the answer; text has to be equal."""
    from seatrial.serving.codec import decode, decode_answer

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
