"""What the endpoint is told to record of each prediction."""

from __future__ import annotations

from seatrial.config import EndpointConfig
from seatrial.errors import ConfigError
from seatrial.serving.errors import ServingError
from seatrial.serving.recording import Recording, read_recording


def configured_recording(endpoint: EndpointConfig) -> Recording:
    """What the endpoint will record. No baseline holds a column that it will not record as it is.

    A baseline has values in it, and lies where everybody who watches the endpoint can read it.
    """
    try:
        return read_recording(endpoint.environment)
    except ServingError as error:
        raise ConfigError(
            "endpoint.environment cannot be used",
            got=str(error),
            allowed="what the server takes",
            do="Correct SEATRIAL_RECORD and its companions",
        ) from error
