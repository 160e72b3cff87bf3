"""Deploy the chosen candidate: plan, apply, verify, and take it back if it does not verify.

Reads   verdict/ (readiness.json), candidates/, baseline/, the configuration, and the endpoint.
Writes  deployment.json (Deployment). Names derive from content, so running again changes nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seatrial.archives import unpack
from seatrial.aws import S3
from seatrial.config import Config, read_resolved_config
from seatrial.contracts import Action, Deployment, Payload, write_contract
from seatrial.deployment.approval import BY_HAND, read_approved_at
from seatrial.deployment.existing import look
from seatrial.deployment.inputs import Folders, choose, origin_of, read_payloads, upload
from seatrial.deployment.operating import make_clients, operating
from seatrial.deployment.refusals import check_approved, check_endpoint, check_quotas, endpoint_tags
from seatrial.deployment.release import Release, kept
from seatrial.deployment.rollout import deploy, whole_plan
from seatrial.deployment.target import Target
from seatrial.deployment.warming import check_warm, plan_warm
from seatrial.limits import load_limits
from seatrial.pipelines.registration import describe_package
from seatrial.readiness.inputs import read_account
from seatrial.steps.entry import run


def dry_run(config: Config, folders: Folders, model_package_arn: str) -> list[Action]:
    """The calls that a deployment would make now; changes nothing.

    InputError for what a deployment would refuse.
    """
    clients = make_clients(config)
    package = describe_package(model_package_arn, clients["sagemaker"])
    _, target = choose(config, folders, origin_of(package, execution=None))
    payloads = read_payloads(folders.candidates / "payloads.jsonl")
    return plan_for(target, payloads, config, clients)


def plan_for(
    target: Target, payloads: Sequence[Payload], config: Config, clients: dict[str, Any]
) -> list[Action]:
    """The calls that would make `target` serve; InputError for what would be refused."""
    sagemaker = clients["sagemaker"]
    check_approved(describe_package(target.model_package_arn, sagemaker))
    existing = look(target, clients)
    check_endpoint(existing.endpoint, endpoint_tags(existing.endpoint, sagemaker), config.project)
    account = read_account(config, load_limits(), clients=clients)
    check_quotas(target.serverless, account, is_new=existing.endpoint is None)
    check_warm(config, target.serverless)
    return [
        *whole_plan(target, existing, config, clients),
        *plan_warm(kept(target, payloads), config, clients),
    ]


def deploy_files(
    config: Config,
    folders: Folders,
    model_package_arn: str,
    *,
    event_time: datetime | None,
    execution: str | None,
) -> Deployment:
    """Deploy what the steps before have left in their folders."""
    from seatrial.serving.model import Model

    clients, limits = make_clients(config), load_limits()
    package = describe_package(model_package_arn, clients["sagemaker"])
    chosen, target = choose(config, folders, origin_of(package, execution=execution))
    with TemporaryDirectory() as scratch:
        unpack(chosen.archive, Path(scratch), max_mb=limits.disk_mb.value)
        release = Release(
            target=target,
            payloads=read_payloads(folders.candidates / "payloads.jsonl"),
            model=Model.load(Path(scratch)),
            event_time=event_time,
            publish=lambda: upload(
                target, archive=chosen.archive, baseline=folders.baseline, s3=S3(clients["s3"])
            ),
        )
        with operating(target.endpoint_name, config, clients) as operator:
            account = read_account(config, limits, clients=clients)
            return deploy(release, config, operator, account)


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-package-arn", required=True)
    parser.add_argument("--approved-at", default=BY_HAND, help="the approval event's time")
    parser.add_argument("--execution", help="the pipeline execution's ARN, for the tags")
    parser.add_argument("--readiness", type=Path, required=True)
    parser.add_argument("--candidates", type=Path, required=True)
    parser.add_argument("--baseline", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)

    deployment = deploy_files(
        read_resolved_config(args.config),
        Folders(args.candidates, args.readiness, args.baseline),
        args.model_package_arn,
        event_time=read_approved_at(args.approved_at),
        execution=args.execution,
    )
    write_contract(deployment, args.output / "deployment.json")
    return 0


if __name__ == "__main__":
    run(main)
