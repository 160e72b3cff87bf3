"""The champion's alias follows what serves: the version that the endpoint was verified with last.

Whoever compares or rolls back moves it, with what it may do itself. The pipelines do not: writing
to the model registry of MLflow is nothing that jobs which run other people's models should be able
to, so their roles have no access to it. The next comparison finds what a pipeline has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.comparison.registering import MODEL_KEY
from seatrial.comparison.tracking import Champion, Tracking
from seatrial.comparison.validation import RUN_KEY
from seatrial.deployment.history import as_verified, read_history
from seatrial.deployment.scaling import as_deployed
from seatrial.endpoint import find_endpoint
from seatrial.errors import InputError
from seatrial.pipelines.registration import describe_package


@dataclass(frozen=True)
class Served:
    """What serves, and of which registered model's run it was made."""

    package_arn: str
    model: str
    run_id: str


@dataclass(frozen=True)
class Followed:
    """The champion now, and the alias's version before, None if there was none."""

    model: str
    alias: str
    champion: Champion
    before: str | None

    @property
    def moved(self) -> bool:
        """Whether the alias stood elsewhere."""
        return self.champion.version != self.before

    def __str__(self) -> str:
        where = f"version {self.champion.version} of {self.model}, which serves"
        if not self.moved:
            return f"{self.alias} is {where}"
        return f"{self.alias} is now {where}; before: {self.before or 'none'}"


def find_served(endpoint_name: str, bucket: str, clients: Mapping[str, Any]) -> Served | None:
    """What the endpoint serves, if that was verified and `seatrial compare` has registered it.

    `clients` are boto3's for sagemaker, s3 and, where concurrency is provisioned,
    application-autoscaling.
    """
    state = as_deployed(find_endpoint(endpoint_name, clients["sagemaker"]), clients)
    if state is None or state.serving is None:
        return None
    history = read_history(bucket, endpoint_name, clients["s3"])
    now = as_verified(history, state.serving)
    arn = next((item.model_package_arn for item in history.verified if item.serving == now), None)
    if arn is None:
        return None
    known = describe_package(arn, clients["sagemaker"]).get("CustomerMetadataProperties", {})
    if MODEL_KEY not in known or RUN_KEY not in known:
        return None
    return Served(arn, known[MODEL_KEY], known[RUN_KEY])


def follow(served: Served, alias: str, tracking: Tracking, *, dry_run: bool) -> Followed:
    """Put the alias on the version that serves, unless it is there or this is a dry run.

    InputError if the registered model has no version of that run any more.
    """
    before = tracking.champion(served.model, alias)
    serving = before
    if before is None or before.run_id != served.run_id:
        serving = tracking.version_of_run(served.model, served.run_id)
    if serving is None:
        raise InputError(
            f"the run that serves has no version of {served.model} in MLflow",
            got=f"run {served.run_id} of {served.package_arn}",
            allowed="a version that seatrial compare has made and nobody has deleted",
            do=f"Register the run as a version of {served.model}, or set "
            "comparison.champion_follows to false",
        )
    found = Followed(served.model, alias, serving, before.version if before else None)
    if found.moved and not dry_run:
        tracking.set_alias(served.model, alias, serving.version)
    return found
