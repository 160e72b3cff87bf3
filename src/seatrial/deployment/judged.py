"""Back from a configuration that monitoring has judged, if it serves still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seatrial.config import Config
from seatrial.contracts import DeploymentHistory, VerifiedDeployment
from seatrial.deployment.history import read_history, write_history
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
class Exchange:
    """What was judged, and what is to serve in its place."""

    judged: VerifiedDeployment
    to: VerifiedDeployment


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


def choose(
    history: DeploymentHistory, config_name: str, serves: str, status_of: StatusOf
) -> Exchange | str:
    """What to serve in place of that configuration, or why what serves stays."""
    name, judged = history.endpoint_name, find_judged(history, config_name)
    if judged is None:
        return f"{name} serves {serves}, and {config_name} is no verified deployment"
    earlier = find_earlier(history, judged, status_of)
    to = earlier.to
    changed = to is not None and serves == to.serving.endpoint_config_name
    # made, but not recorded any more: the process died in between
    unfinished = changed and history.verified[0] == judged
    if serves != config_name and not unfinished:
        return f"{name} serves {serves} by now, and not {config_name}"
    if to is None:
        passed_over = "; ".join(earlier.passed_over) or "no other version was verified before it"
        return f"there is nothing to roll {name} back to: {passed_over}"
    return Exchange(judged, to)


def without_others(history: DeploymentHistory, exchange: Exchange) -> DeploymentHistory:
    """The judged deployment and, right below it, the one that is to serve.

    Recorded before the change: should the process die, any rollback finds that one, too.
    """
    left = history.verified[history.verified.index(exchange.to) :]
    return history.model_copy(update={"verified": (exchange.judged, *left)})


def roll_back_judged(operator: Operator, config: Config, config_name: str) -> Answer:
    """Bring the version before back, if the endpoint serves that configuration still.

    What was deployed in between stays. One that crashed after the change is finished. If the
    version before does not verify, the judged one serves again, and it is a DeploymentError.
    """
    sagemaker, s3 = operator.sagemaker, operator.clients["s3"]

    def status_of(package_arn: str) -> str:
        return str(describe_package(package_arn, sagemaker)["ModelApprovalStatus"])

    state = operator.settle()
    if state is None or state.serving is None:
        return Answer(kept=f"{operator.endpoint_name} is not in service")
    before = read_history(config.bucket, operator.endpoint_name, s3)
    chosen = choose(before, config_name, state.serving.endpoint_config_name, status_of)
    if isinstance(chosen, str):
        return Answer(kept=chosen)
    history = without_others(before, chosen)
    rollback = planned(state, chosen.to, history, sagemaker)
    if history != before:
        write_history(history, config.bucket, operator.lease.fence, s3)
    _exchange(operator, config, chosen)
    record(operator, config, rollback)
    return Answer(rollback)


def _exchange(operator: Operator, config: Config, chosen: Exchange) -> None:
    """Serve the version before; if it does not verify, the judged one, which answers at least."""
    try:
        serve_again(operator, config, chosen.to)
    except SeatrialError as failure:
        try:
            serve_again(operator, config, chosen.judged)
        except SeatrialError as error:
            raise DeploymentError(
                f"the rollback of {operator.endpoint_name} failed, and so did the way back",
                got=f"{failure} Then: {error}",
                allowed="a verified deployment in service",
                do="Run seatrial rollback " + operator.endpoint_name,
            ) from failure
        raise
