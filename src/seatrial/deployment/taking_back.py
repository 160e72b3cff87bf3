"""The way back from a deployment, by whoever finds that it must not serve."""

from __future__ import annotations

import logging

from seatrial.config import Config
from seatrial.contracts import Deployment, DeploymentHistory
from seatrial.deployment.history import without, write_history
from seatrial.deployment.operator import Operator
from seatrial.deployment.removal import plan_removal
from seatrial.deployment.retention import remove_unused
from seatrial.deployment.scaling import plan_scaling
from seatrial.errors import CloudError

_log = logging.getLogger(__name__)


def take_back(
    operator: Operator, config: Config, history: DeploymentHistory, made: Deployment
) -> DeploymentHistory:
    """Undo a deployment: what was there before serves again; DeploymentError if it does not.

    Its model and configuration are left to `tidy_up`, which not everyone may do, with the history
    that is returned.
    """
    operator.serve(made.previous)
    if made.previous is None:
        operator.carry_out(plan_removal(operator.endpoint_name, operator.clients))
    elif config.warm.mode == "provisioned" and made.previous.provisioned_concurrency is not None:
        # a change lets go of what scales the endpoint; pings go on by themselves
        name, variant, clients = operator.endpoint_name, made.variant_name, operator.clients
        operator.carry_out(plan_scaling(name, variant, made.previous, config.warm, clients))
    if made.serving != made.previous:
        history = without(history, made.serving)
    write_history(history, config.bucket, operator.lease.fence, operator.clients["s3"])
    return history


def tidy_up(operator: Operator, history: DeploymentHistory, bucket: str) -> None:
    """Remove what is not needed any more; what cannot be removed now is left to the next time."""
    try:
        remove_unused(operator, history, bucket)
    except CloudError as error:
        _log.warning("left for the next deployment to remove: %s", error)
