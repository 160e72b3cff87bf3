"""See that a deployed endpoint is watched, on a schedule; otherwise take the deployment back.

Reads   deployment/ (deployment.json), baseline/, the configuration; prediction records from S3.
Writes  arming.json (Arming). Fails, after the rollback, with the reason.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from seatrial.aws import S3
from seatrial.config import Config, read_resolved_config
from seatrial.contracts import Arming, Deployment, SelfTest, read_contract, write_contract
from seatrial.deployment.history import read_history
from seatrial.deployment.operating import make_clients, operating
from seatrial.deployment.performing import perform
from seatrial.deployment.review_schedule import plan_review_schedule
from seatrial.deployment.schedule import plan_schedule
from seatrial.deployment.taking_back import take_back
from seatrial.errors import CloudError, DeploymentError
from seatrial.monitoring.selftest import seed_from, self_tests
from seatrial.steps.entry import run


def hour_prefixes(records_uri: str, moment: datetime) -> list[str]:
    """Where records of `moment` can be: their hour of arrival, or the one before or after."""
    hours = (moment + timedelta(hours=offset) for offset in (-1, 0, 1))
    return [f"{records_uri}/{hour:%Y/%m/%d/%H}/" for hour in hours]


def wait_for_records(
    wanted: Collection[str],
    prefixes: Sequence[str],
    s3: S3,
    *,
    deadline_s: float,
    poll_s: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[set[str], float]:
    """Which of the event ids were found in the log below `prefixes`, and the seconds it took."""
    seen: set[str] = set()
    read: set[str] = set()
    started = clock()
    while True:
        for uri in (uri for prefix in prefixes for uri in s3.uris(prefix)):
            if uri not in read:
                text = s3.get_bytes(uri).decode("utf-8", errors="replace")
                seen |= {event_id for event_id in wanted if event_id in text}
                read.add(uri)
        waited_s = clock() - started
        if len(seen) == len(wanted) or waited_s >= deadline_s:
            return seen, waited_s
        sleep(poll_s)


def arming(
    deployment: Deployment, seen: set[str], waited_s: float, tests: Sequence[SelfTest]
) -> Arming:
    """Armed only if every golden prediction is in the log and every self-test passed."""
    missing = {item.event_id for item in deployment.golden} - seen
    failed = [test for test in tests if not test.passed]
    reason = None
    if missing:
        reason = (
            f"{len(missing)} of {len(deployment.golden)} predictions are not in the log at "
            f"{deployment.records_uri} after {waited_s:.0f} s"
        )
    elif failed:
        test = failed[0]
        reason = (
            f"the monitor's self-test {test.name!r} failed: alert {test.alert} about "
            f"{', '.join(test.alerted_columns) or 'no column'}, expected {test.expected_alert} "
            f"about {', '.join(test.moved_columns) or 'no column'}"
            f"{' alone: ' + test.detail if test.detail else ''}"
        )
    return Arming(
        endpoint_name=deployment.endpoint_name,
        records_seen=tuple(sorted(seen)),
        waited_s=waited_s,
        self_tests=tuple(tests),
        armed=reason is None,
        reason=reason,
    )


def arm(
    deployment: Deployment,
    baseline: Path,
    config: Config,
    clients: Mapping[str, Any],
    *,
    model_package_arn: str,
    poll_s: float,
) -> Arming:
    """Look for the records, test the monitor, and take the deployment back if one of them fails."""
    seen, waited_s = wait_for_records(
        {item.event_id for item in deployment.golden},
        hour_prefixes(deployment.records_uri, deployment.deployed_at),
        S3(clients["s3"]),
        deadline_s=config.monitoring.arm_deadline_s,
        poll_s=poll_s,
    )
    tests = self_tests(baseline, seed_from(model_package_arn), min_rows=config.monitoring.min_rows)
    result = arming(deployment, seen, waited_s, tests)
    if result.armed:
        result = scheduled(result, config, clients, now=datetime.now(UTC))
    if not result.armed:
        take_back_unwatched(deployment, config, clients, poll_s=poll_s)
    return result


def scheduled(
    armed: Arming, config: Config, clients: Mapping[str, Any], *, now: datetime
) -> Arming:
    """The same with its schedules of windows and reviews; not armed if they cannot be made."""
    try:
        name, scheduler = armed.endpoint_name, clients["scheduler"]
        actions = [
            *plan_schedule(name, config, scheduler, now=now),
            *plan_review_schedule(name, config, scheduler, now=now),
        ]
        for action in actions:
            perform(action, clients)
    except CloudError as error:
        return armed.model_copy(
            update={"armed": False, "reason": f"no schedule starts its monitoring: {error}"}
        )
    return armed.model_copy(update={"actions": tuple(actions)})


def take_back_unwatched(
    deployment: Deployment, config: Config, clients: Mapping[str, Any], *, poll_s: float
) -> None:
    """Undo the deployment, unless another one has taken its place meanwhile.

    This role may not delete models and configurations: those are left to the next deployment.
    """
    name = deployment.endpoint_name
    with operating(name, config, clients, poll_s=poll_s) as operator:
        history = read_history(config.bucket, name, clients["s3"])
        if [item.serving for item in history.verified[:1]] == [deployment.serving]:
            take_back(operator, config, history, deployment)


def not_deployed(deployment: Deployment) -> Arming:
    """There is nothing to arm: a later approval serves, and is armed by its own execution."""
    return Arming(
        endpoint_name=deployment.endpoint_name,
        records_seen=(),
        waited_s=0,
        self_tests=(),
        armed=False,
        reason=deployment.skipped,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-package-arn", required=True)
    parser.add_argument("--deployment", type=Path, required=True)
    parser.add_argument("--baseline", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)

    config = read_resolved_config(args.config)
    deployment = read_contract(Deployment, args.deployment / "deployment.json")
    if deployment.skipped is not None:
        write_contract(not_deployed(deployment), args.output / "arming.json")
        return 0
    result = arm(
        deployment,
        args.baseline,
        config,
        make_clients(config),
        model_package_arn=args.model_package_arn,
        poll_s=1.0,
    )
    write_contract(result, args.output / "arming.json")
    if not result.armed:
        raise DeploymentError(
            f"{result.endpoint_name} is not watched and was taken back",
            got=result.reason,
            allowed="records in the log, a monitor that tells drift from none, and a schedule",
            do="Check the log delivery, the reference data and the arm role, then approve again",
        )
    return 0


if __name__ == "__main__":
    run(main)
