"""The way to an operator: clients, and the endpoint's lease."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from seatrial.aws import client
from seatrial.config import Config
from seatrial.deployment.history import lock_uri
from seatrial.deployment.operator import Operator, Pace
from seatrial.endpoint import CHANGE_DEADLINE_S
from seatrial.lease import SharedObject, holding

# localcloud is done within a second; AWS takes minutes, and allows many more calls than this.
POLL_S = 0.5
# The one that holds it may change the endpoint and change it back.
LEASE_WAIT_S = 2 * CHANGE_DEADLINE_S


def make_clients(config: Config) -> dict[str, Any]:
    """The clients that a deployment needs."""
    names = (
        *("sagemaker", "sagemaker-runtime", "logs", "firehose", "s3", "cloudwatch"),
        *("service-quotas", "scheduler", "application-autoscaling"),
    )
    return {name: client(name, region=config.region) for name in names}


@contextmanager
def operating(
    endpoint_name: str, config: Config, clients: Mapping[str, Any], *, poll_s: float = POLL_S
) -> Iterator[Operator]:
    """An operator of the endpoint, for as long as it holds the lease."""
    pace = Pace(poll_s)
    with holding(
        SharedObject(lock_uri(config.bucket, endpoint_name), clients["s3"]),
        lease_s=config.deployment.lease_s,
        wait_s=LEASE_WAIT_S,
        poll_s=poll_s,
    ) as lease:
        yield Operator(endpoint_name, clients, lease, pace)
