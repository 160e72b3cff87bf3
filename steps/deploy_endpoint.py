"""Deploy the chosen candidate: plan, apply, verify, and take it back if it does not verify.

Reads   verdict/ (readiness.json), candidates/, baseline/, the configuration, and the endpoint.
Writes  deployment.json (Deployment). Names derive from content, so running again changes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from seatrial.archives import unpack
from seatrial.aws import S3, client, sha256_of
from seatrial.config import Config, read_resolved_config
from seatrial.contracts import (
    Action,
    Candidate,
    Deployment,
    Optimization,
    Payload,
    Readiness,
    ServerlessConfiguration,
    read_contract,
    write_contract,
)
from seatrial.deployment import Target, log_group, look, plan, plan_rollback
from seatrial.endpoint import apply, wait_until_settled
from seatrial.errors import DeploymentError, InputError
from seatrial.limits import load_limits
from seatrial.steps.entry import run
from seatrial.verification import verify_configuration, verify_predictions

if TYPE_CHECKING:
    from seatrial.serving.model import Model

# localcloud is done within a second; AWS takes minutes, and allows many more calls than this.
POLL_S = 0.5


def deploy(
    target: Target,
    payloads: Sequence[Payload],
    model: Model,
    config: Config,
    clients: Mapping[str, Any],
    *,
    poll_s: float,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime],
) -> Deployment:
    """Apply the plan and verify it; on any failure go back to what was there, and raise."""
    existing = look(target, clients)
    if existing.endpoint is not None and not existing.endpoint.settled:
        raise DeploymentError(
            f"another change of {target.endpoint_name} is under way",
            got=existing.endpoint.status,
            allowed="InService or Failed",
            do="Approve again when it has ended",
        )
    actions, rollback = plan(target, existing, config), plan_rollback(target, existing.endpoint)
    try:
        apply(actions, clients)
        state = wait_until_settled(
            target.endpoint_name, clients["sagemaker"], poll_s=poll_s, sleep=sleep
        )
        verify_configuration(target, state)
        golden = verify_predictions(target, payloads, model, clients["sagemaker-runtime"])
    except Exception:
        take_back(target.endpoint_name, rollback, clients, poll_s=poll_s, sleep=sleep)
        raise
    return Deployment(
        endpoint_name=target.endpoint_name,
        variant_name=target.variant_name,
        model_name=target.model_name,
        endpoint_config_name=target.endpoint_config_name,
        previous_endpoint_config_name=existing.endpoint.endpoint_config_name
        if existing.endpoint
        else None,
        model_data_url=target.model_data_url,
        baseline_uri=target.baseline_uri,
        log_group=log_group(target.endpoint_name),
        records_uri=target.records_uri,
        actions=tuple(actions),
        rollback=tuple(rollback),
        golden=tuple(golden),
        deployed_at=now(),
    )


def take_back(
    endpoint_name: str,
    rollback: Sequence[Action],
    clients: Mapping[str, Any],
    *,
    poll_s: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Apply `rollback` unless the endpoint is there already, and wait for it."""
    sagemaker = clients["sagemaker"]
    state = wait_until_settled(endpoint_name, sagemaker, poll_s=poll_s, sleep=sleep)
    serving = None if state is None else state.endpoint_config_name
    needed = [
        action
        for action in rollback
        if state is not None and action.parameters.get("EndpointConfigName") != serving
    ]
    apply(needed, clients)
    wait_until_settled(endpoint_name, sagemaker, poll_s=poll_s, sleep=sleep)


@dataclass(frozen=True)
class Chosen:
    """What the verdict chose."""

    candidate: Candidate
    archive: Path
    archive_sha256: str
    serverless: ServerlessConfiguration


def chosen_candidate(candidates: Path, readiness: Readiness) -> Chosen:
    """The candidate that the verdict chose, and its archive; InputError if it is not ready."""
    if not readiness.ready or readiness.recommended is None:
        raise InputError(
            "the model is not ready",
            got=f"ready: {readiness.ready}",
            allowed="a readiness.json with ready: true",
            do="Read its checks and their fixes",
        )
    optimization = read_contract(Optimization, candidates / "optimization.json")
    candidate = next(item for item in optimization.candidates if item.name == readiness.candidate)
    if candidate.archive is None or candidate.archive_sha256 is None:
        raise InputError(
            f"the candidate {candidate.name} was not packed",
            got=candidate.rejection or candidate.passed_over,
            allowed="a survivor",
            do="Run the pipeline again from OptimizeModel",
        )
    archive = candidates / candidate.archive
    if (seen := sha256_of(archive)) != candidate.archive_sha256:
        raise InputError(
            f"{candidate.archive} is not the archive that was profiled",
            got=f"sha256 {seen}",
            allowed=f"sha256 {candidate.archive_sha256}",
            do="Run the pipeline again from OptimizeModel",
        )
    return Chosen(candidate, archive, candidate.archive_sha256, readiness.recommended)


def read_payloads(path: Path) -> list[Payload]:
    """The sample payloads, one JSON object a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Payload.model_validate_json(line) for line in lines if line.strip()]


def make_target(
    config: Config,
    serverless: ServerlessConfiguration,
    *,
    archive_sha256: str,
    baseline: Path,
    model_package_arn: str,
) -> Target:
    """What is to serve, by the content of archive and baseline."""
    endpoint, bucket = config.endpoint, config.bucket
    return Target(
        endpoint_name=endpoint.name,
        variant_name=endpoint.variant_name,
        image=config.images.serving,
        role=config.roles.endpoint,
        model_data_url=f"s3://{bucket}/models/{archive_sha256}/model.tar.gz",
        baseline_uri=f"s3://{bucket}/baselines/{_folder_hash(baseline)}",
        records_uri=f"s3://{bucket}/predictions/{endpoint.name}/{endpoint.variant_name}",
        model_package_arn=model_package_arn,
        serverless=serverless,
        environment=endpoint.environment,
    )


def upload(target: Target, *, archive: Path, baseline: Path, s3: S3) -> None:
    """Put archive and baseline where the target says, once."""
    if not s3.exists(target.model_data_url):
        s3.upload(archive, target.model_data_url)
    s3.upload_folder(baseline, target.baseline_uri)


def _folder_hash(folder: Path) -> str:
    names = sorted(item for item in folder.rglob("*") if item.is_file())
    lines = [f"{sha256_of(item)} {item.relative_to(folder).as_posix()}" for item in names]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def make_clients(config: Config) -> dict[str, Any]:
    """The clients that a deployment needs."""
    names = ("sagemaker", "sagemaker-runtime", "logs", "firehose", "s3")
    return {name: client(name, region=config.region) for name in names}


def dry_run(
    config: Config, *, candidates: Path, readiness: Path, baseline: Path, model_package_arn: str
) -> list[Action]:
    """The calls that a deployment would make now; changes nothing."""
    chosen = chosen_candidate(candidates, read_contract(Readiness, readiness / "readiness.json"))
    target = make_target(
        config,
        chosen.serverless,
        archive_sha256=chosen.archive_sha256,
        baseline=baseline,
        model_package_arn=model_package_arn,
    )
    return plan(target, look(target, make_clients(config)), config)


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-package-arn", required=True)
    parser.add_argument("--readiness", type=Path, required=True)
    parser.add_argument("--candidates", type=Path, required=True)
    parser.add_argument("--baseline", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)

    config = read_resolved_config(args.config)
    readiness = read_contract(Readiness, args.readiness / "readiness.json")
    chosen = chosen_candidate(args.candidates, readiness)
    target = make_target(
        config,
        chosen.serverless,
        archive_sha256=chosen.archive_sha256,
        baseline=args.baseline,
        model_package_arn=args.model_package_arn,
    )
    clients = make_clients(config)
    upload(target, archive=chosen.archive, baseline=args.baseline, s3=S3(clients["s3"]))
    from seatrial.serving.model import Model

    with TemporaryDirectory() as scratch:
        unpack(chosen.archive, Path(scratch), max_mb=load_limits().disk_mb.value)
        deployment = deploy(
            target,
            read_payloads(args.candidates / "payloads.jsonl"),
            Model.load(Path(scratch)),
            config,
            clients,
            poll_s=POLL_S,
            now=lambda: datetime.now(UTC),
        )
    write_contract(deployment, args.output / "deployment.json")
    return 0


if __name__ == "__main__":
    run(main)
