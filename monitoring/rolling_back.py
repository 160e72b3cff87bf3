"""Asking for the version before, and waiting for what came of it.

The rollback pipeline does it, with the role that may change the endpoint; React's may not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from seatrial.aws import S3, explained
from seatrial.config import Config
from seatrial.contracts import Reaction, RollbackReport
from seatrial.deployment.operating import LEASE_WAIT_S
from seatrial.endpoint import CHANGE_DEADLINE_S
from seatrial.errors import CloudError, DeploymentError
from seatrial.monitoring.acts import Case, request_token
from seatrial.pipelines.execution import ExecutionStatus, follow

POLL_S = 2.0
# A job takes minutes to start, another change of the endpoint is waited for, and then there is the
# change, and one back if it does not verify.
DEADLINE_S = 1800 + LEASE_WAIT_S + 2 * CHANGE_DEADLINE_S


def roll_back(
    case: Case,
    config: Config,
    clients: Mapping[str, Any],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Reaction:
    """Have the configuration that was judged taken back, once a window, if it serves still.

    CloudError if it could not be asked for; DeploymentError if it was, and did not succeed.
    """
    arn = _ask(case, config.rollback_pipeline, clients["sagemaker"])
    try:
        ended = _wait(arn, clients["sagemaker"], sleep, clock)
        report = _read_report(ended, config, S3(clients["s3"])) if _succeeded(ended) else None
    except CloudError as error:
        raise _unsure(arn, str(error)) from error
    if report is None:
        raise _unsure(arn, _why(ended))
    return _reaction(report, config.rollback_pipeline, arn)


def _ask(case: Case, pipeline: str, sagemaker: Any) -> str:
    detail = case.detail()
    judged = detail["endpointConfigName"]
    with explained(
        f"the start of {pipeline}", do="Run seatrial pipeline upsert and seatrial infra deploy"
    ):
        started = sagemaker.start_pipeline_execution(
            PipelineName=pipeline,
            PipelineExecutionDescription=f"{detail['endpointName']}: {', '.join(case.ailments)}",
            ClientRequestToken=request_token(pipeline, detail, judged),
            PipelineParameters=[{"Name": "EndpointConfigName", "Value": judged}],
        )
    return str(started["PipelineExecutionArn"])


def _wait(
    arn: str, sagemaker: Any, sleep: Callable[[float], None], clock: Callable[[], float]
) -> ExecutionStatus:
    """How it stands once it has ended, or at the deadline."""
    started_s = clock()
    for now in follow(arn, sagemaker, poll_s=POLL_S, sleep=sleep):
        if now.finished or clock() - started_s > DEADLINE_S:
            break
    return now


def _succeeded(ended: ExecutionStatus) -> bool:
    return ended.status == "Succeeded"


def _why(ended: ExecutionStatus) -> str:
    reasons = [step.failure_reason for step in ended.steps if step.failure_reason]
    return f"{ended.status}: {'; '.join(reasons) or ended.failure_reason or 'no reason given'}"


def _read_report(ended: ExecutionStatus, config: Config, s3: S3) -> RollbackReport:
    folder = f"runs/{config.rollback_pipeline}/{ended.execution_id}/RollBack/rollback"
    return RollbackReport.model_validate_json(
        s3.get_bytes(f"s3://{config.bucket}/{folder}/rollback.json")
    )


def _unsure(arn: str, seen: str) -> DeploymentError:
    return DeploymentError(
        "the rollback did not succeed",
        got=seen,
        allowed=f"an execution that ends within {DEADLINE_S} s, Succeeded",
        do=f"Look with seatrial pipeline status {arn}, then: seatrial rollback",
    )


def _reaction(report: RollbackReport, pipeline: str, arn: str) -> Reaction:
    if report.to is None:
        said = f"{report.kept} ({arn})"
        return Reaction(kind="rollback", target=pipeline, detail=said, done=False)
    serving, package = report.to.serving.endpoint_config_name, report.to.model_package_arn
    said = (
        f"{report.endpoint_name} serves {serving} of {package} again, verified, "
        f"in place of {report.judged_config_name} ({arn})"
    )
    return Reaction(kind="rollback", target=pipeline, detail=said, endpoint="changed")
