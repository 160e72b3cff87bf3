"""Back from a configuration that monitoring has judged, if it serves still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seatrial.config import Config
from seatrial.contracts import DeploymentHistory, VerifiedDeployment
from seatrial.deployment.history import read_history
from seatrial.deployment.operator import Operator
from seatrial.deployment.rollback import Rollback, planned, record, serve_again
from seatrial.errors import DeploymentError, SeatrialError
from seatrial.pipelines.registration import describe_package

StatusOf = Callable[[str], str]


@dataclass(frozen=True)
class Earlier:
    """The version before; `passed_over` says why those in between are not it."""

    to: VerifiedDeployment | None
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The rollback that was made, or why the endpoint was left as it is."""

    done: Rollback | None = None
    kept: str | None = None


def find_judged(history: DeploymentHistory, config_name: str) -> VerifiedDeployment | None:
    """The verified deployment of that configuration, the newest if its concurrency changed."""
    verified = history.verified
    return next(
        (item for item in verified if item.serving.endpoint_config_name == config_name), None
    )


def find_earlier(
    history: DeploymentHistory, judged: VerifiedDeployment, status_of: StatusOf
) -> Earlier:
    """The newest one before `judged` that is another model, and whose package is approved still.

    The same model with another memory or concurrency would answer as badly.
    """
    passed_over: list[str] = []
    for item in history.verified[history.verified.index(judged) + 1 :]:
        name = item.serving.endpoint_config_name
        if item.model_name == judged.model_name:
            passed_over.append(f"{name} is the same model")
        elif (status := status_of(item.model_package_arn)) != "Approved":
            passed_over.append(f"{name} is of {item.model_package_arn}, which is {status}")
        else:
            return Earlier(item, tuple(passed_over))
    return Earlier(None, tuple(passed_over))


def roll_back_judged(operator: Operator, config: Config, config_name: str) -> Answer:
    """Bring the version before back, if the endpoint serves that configuration still.

    What was deployed in between stays. One that crashed after the change is finished. If the
    version before does not verify, the judged one serves again, and it is a DeploymentError.
    """
    name, state = operator.endpoint_name, operator.settle()
    serves = state.serving.endpoint_config_name if state and state.serving else None
    history = read_history(config.bucket, name, operator.clients["s3"])
    judged = find_judged(history, config_name)
    if state is None or judged is None:
        return Answer(kept=f"{name} serves {serves}, and {config_name} is no verified deployment")

    def status_of(package_arn: str) -> str:
        return str(describe_package(package_arn, operator.sagemaker)["ModelApprovalStatus"])

    earlier = find_earlier(history, judged, status_of)
    if serves != config_name and not _unfinished(history, judged, earlier, serves):
        return Answer(kept=f"{name} serves {serves} by now, and not {config_name}")
    if earlier.to is None:
        passed_over = "; ".join(earlier.passed_over) or "no other version was verified before it"
        return Answer(kept=f"there is nothing to roll {name} back to: {passed_over}")
    rollback = planned(state, earlier.to, history, operator.sagemaker)
    _exchange(operator, config, judged, earlier.to)
    record(operator, config, rollback)
    return Answer(rollback)


def _unfinished(
    history: DeploymentHistory, judged: VerifiedDeployment, earlier: Earlier, serves: str | None
) -> bool:
    """Whether the change was made, and the process died before its record."""
    to = earlier.to
    return (
        history.verified[0] == judged
        and to is not None
        and serves == to.serving.endpoint_config_name
    )


def _exchange(
    operator: Operator, config: Config, judged: VerifiedDeployment, to: VerifiedDeployment
) -> None:
    """Serve `to`; if it does not verify, `judged` again: it answers, if not as well as it did."""
    try:
        serve_again(operator, config, to)
    except SeatrialError as failure:
        try:
            serve_again(operator, config, judged)
        except SeatrialError as error:
            raise DeploymentError(
                f"the rollback of {operator.endpoint_name} failed, and so did the way back",
                got=f"{failure} Then: {error}",
                allowed="a verified deployment in service",
                do="Run seatrial rollback " + operator.endpoint_name,
            ) from failure
        raise
