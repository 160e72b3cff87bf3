"""What localcloud's own services share: a handler's shape, and AWS's error shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# JSON in, JSON out; runs in a worker thread; raises AwsError for what the service refuses.
Handler = Callable[[dict[str, Any]], dict[str, Any]]

# Names the cloud that a process belongs to: in the environment of the daemon and of each process in
# an image, so that nothing of it survives: see sweep.py.
OWNER_VARIABLE = "SEATRIAL_LOCALCLOUD_OWNER"

# What moto uses too, so that its ARNs and ours name one account.
ACCOUNT = "123456789012"


class AwsError(Exception):
    """An error as AWS's JSON protocols carry it.

    `message` is AWS's own text where it is known (see the docs for the sources); a text of ours
    starts with `localcloud: `.
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


class NotOurs(Exception):  # noqa: N818 - a refusal to answer, not an error
    """Raised by a handler for a request that is moto's after all (tags of moto's resources …)."""


@dataclass(frozen=True)
class Place:
    """Where this cloud is: its region, its URL on loopback, and the folder for its files."""

    region: str
    endpoint_url: str
    work_dir: str

    def arn(self, resource: str, *, service: str = "sagemaker") -> str:
        """`arn:aws:<service>:<region>:<account>:<resource>`."""
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{resource}"


def validation_error(message: str) -> AwsError:
    """A ValidationException in localcloud's own words."""
    return AwsError("ValidationException", f"localcloud: {message}")
