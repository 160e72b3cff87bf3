"""Deploy one target: look, plan, apply, verify, record; and back again if it does not verify.

All of it while the endpoint's lease is held. Wherever this is interrupted, running it again ends in
the same state: the plan holds what is missing, and the history says what was verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from seatrial.config import Config
from seatrial.contracts import Action, Deployment
from seatrial.deployment.alarms import plan_alarms
from seatrial.deployment.approval import approval_time
from seatrial.deployment.attempt import Attempt
from seatrial.deployment.existing import Existing, look
from seatrial.deployment.history import read_history, up_to, way_back, why_superseded
from seatrial.deployment.operator import Operator
from seatrial.deployment.planning import plan, plan_way_back
from seatrial.deployment.refusals import check_approved, check_endpoint, check_quotas, endpoint_tags
from seatrial.deployment.release import Release
from seatrial.deployment.target import Target, log_group
from seatrial.deployment.warming import check_warm
from seatrial.pipelines.registration import describe_package
from seatrial.readiness.facts import Account


def deploy(release: Release, config: Config, operator: Operator, account: Account) -> Deployment:
    """Bring the release into service and verify it; on any failure go back, and raise.

    A release that a later approval has overtaken is skipped, and the answer says so.
    """
    target = release.target
    package = describe_package(target.model_package_arn, operator.sagemaker)
    check_approved(package)
    approved_at = approval_time(release.event_time, package, operator.pace.now())
    history = read_history(config.bucket, target.endpoint_name, operator.clients["s3"])
    outcome = _planned(target, approved_at, operator.pace.now())
    skipped = why_superseded(history, target.serving, approved_at)
    if skipped is not None:
        return outcome.model_copy(update={"skipped": skipped})
    operator.settle()  # what a process that died has left under way
    existing = look(target, operator.clients)
    tags = endpoint_tags(existing.endpoint, operator.sagemaker)
    check_endpoint(existing.endpoint, tags, config.project)
    check_quotas(target.serverless, account, is_new=existing.endpoint is None)
    check_warm(config, target.serverless)
    release.publish()
    previous = way_back(history, existing.endpoint)
    history = up_to(history, previous)  # a rollback that was not recorded any more
    actions = whole_plan(target, existing, config, operator.clients)
    made = outcome.model_copy(
        update={
            "previous": previous,
            "actions": tuple(actions),
            "rollback": tuple(plan_way_back(target, previous)),
        }
    )
    return Attempt(release, config, operator, history, made).make()


def whole_plan(
    target: Target, existing: Existing, config: Config, clients: Mapping[str, Any]
) -> list[Action]:
    """The alarms first, so that they see the change."""
    alarms = plan_alarms(target, config, clients["cloudwatch"])
    return [*alarms, *plan(target, existing, config)]


def _planned(target: Target, approved_at: datetime, now: datetime) -> Deployment:
    return Deployment(
        endpoint_name=target.endpoint_name,
        variant_name=target.variant_name,
        model_name=target.model_name,
        serving=target.serving,
        previous=None,
        skipped=None,
        model_data_url=target.model_data_url,
        baseline_uri=target.baseline_uri,
        log_group=log_group(target.endpoint_name),
        records_uri=target.records_uri,
        actions=(),
        rollback=(),
        golden=(),
        latency_p95_ms=None,
        approved_at=approved_at,
        deployed_at=now,
    )
