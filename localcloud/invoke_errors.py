"""The errors of InvokeEndpoint, in the service's texts where public reports quote them."""

from __future__ import annotations

from typing import Any

from seatrial.localcloud.api import ACCOUNT, AwsError, Place
from seatrial.localcloud.hosting import log_group
from seatrial.localcloud.http1 import Answer


class ModelError(AwsError):
    """The model, or its sandbox, gave no usable answer."""

    def __init__(self, message: str, fields: dict[str, Any]) -> None:
        super().__init__("ModelError", message, status=424)
        self.fields = fields


class InvokeErrors:
    """The errors of one endpoint's invocations."""

    def __init__(self, place: Place, endpoint_name: str) -> None:
        self._place, self._group = place, log_group(endpoint_name)

    def refused(self, answer: Answer, log_stream: str) -> ModelError:
        """The model answered with a 4xx or a 5xx."""
        side = "client" if answer.status < 500 else "server"
        text = answer.body.decode(errors="replace")
        message = f'Received {side} error ({answer.status}) from primary with message "{text}". '
        return self._error(message + self._see(), answer.status, text, log_stream)

    def timed_out(self, log_stream: str) -> ModelError:
        """The model took longer than an invocation may."""
        text = (
            "Your invocation timed out while waiting for a response from container primary. Review "
            "the latency metrics for each container in Amazon CloudWatch, resolve the issue, and "
            "try again."
        )
        message = f'Received server error (0) from primary with message "{text}". {self._see()}'
        return self._error(message, 0, text, log_stream)

    def too_large(self, max_body_bytes: int, log_stream: str) -> ModelError:
        """The model's answer is larger than the service lets through."""
        text = (
            f"localcloud: the model's answer is over {max_body_bytes} bytes; ask for fewer rows at "
            "once"
        )
        return self._error(text, 200, text, log_stream)

    def sandbox_failed(self, what: str, log_stream: str) -> ModelError:
        """There is no sandbox any more to answer."""
        return self._error(f"localcloud: {what}", 500, what, log_stream)

    def _error(self, message: str, status: int, text: str, log_stream: str) -> ModelError:
        arn = self._place.arn(f"log-group:{self._group}", service="logs")
        return ModelError(
            message,
            {
                "OriginalStatusCode": status,
                "OriginalMessage": text,
                "LogStreamArn": f"{arn}:log-stream:{log_stream}" if log_stream else arn,
            },
        )

    def _see(self) -> str:
        region = self._place.region
        return (
            f"See https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={self._group} in account {ACCOUNT} for more information."
        )
