"""Judge whether the profiled candidates are ready to serve, choose one, recommend a configuration.

Reads   candidates/optimization.json, profile/profile.json, baseline/, the configuration; quotas,
        endpoints, topic and bucket from AWS.
Writes  readiness.json (Readiness), verdict.json (Verdict). "Not ready" is an answer: exit 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.aws import client, explained
from seatrial.config import Config, QuotasConfig, read_resolved_config
from seatrial.contracts import (
    Baseline,
    NumericSummary,
    Optimization,
    Profile,
    Readiness,
    Summary,
    read_contract,
    write_contract,
)
from seatrial.errors import InputError
from seatrial.limits import Limits, load_limits
from seatrial.pipelines.registration import describe_package
from seatrial.readiness.choice import choose
from seatrial.readiness.facts import Account, Facts, MonitoringPlan, Quota
from seatrial.readiness.verdict import verdict
from seatrial.steps.entry import run

TOTAL_CONCURRENCY_QUOTA = "L-96300102"
ENDPOINTS_QUOTA = "L-99AD19BF"


def judge_candidates(
    optimization: Optimization,
    profile: Profile,
    *,
    package: dict[str, Any],
    account: Account,
    plan: MonitoringPlan,
    config: Config,
    limits: Limits,
) -> Readiness:
    """Judge every profiled candidate, and choose among them by the user's objective."""
    measured = {item.candidate: item for item in profile.candidates}
    profiled = [
        Facts(
            candidate=candidate,
            measured=measured[candidate.name],
            profile=profile,
            optimization=optimization,
            package=package,
            account=account,
            plan=plan,
            config=config,
            limits=limits,
        )
        for candidate in optimization.candidates
        if candidate.name in measured
    ]
    if not profiled:
        raise InputError(
            "the profile has none of the candidates",
            got=sorted(measured),
            allowed=[candidate.name for candidate in optimization.candidates],
            do="Run ProfileModel on the output of this OptimizeModel",
        )
    return choose(profiled)


def read_account(config: Config, limits: Limits, *, clients: dict[str, Any]) -> Account:
    """The quotas, from the configuration, else Service Quotas, else a new account's."""
    sagemaker, quotas = clients["sagemaker"], clients["service-quotas"]
    known: QuotasConfig = config.quotas
    with explained("the list of endpoints", do="Allow sagemaker:ListEndpoints to the job's role"):
        others = _other_endpoints(config.endpoint.name, sagemaker)
    return Account(
        memory_size_mb=_quota(known.memory_size_mb, None, limits.assumed_memory_size_mb.value),
        total_concurrency=_quota(
            known.total_concurrency,
            service_quota(quotas, TOTAL_CONCURRENCY_QUOTA),
            limits.assumed_total_concurrency.value,
        ),
        endpoints=_quota(
            known.endpoints,
            service_quota(quotas, ENDPOINTS_QUOTA),
            limits.assumed_endpoints.value,
        ),
        other_concurrency=sum(others),
        other_endpoints=len(others),
    )


def _quota(configured: float | None, listed: float | None, assumed: float) -> Quota:
    if configured is not None:
        return Quota(configured, "account quota")
    if listed is not None:
        return Quota(listed, "account quota")
    return Quota(assumed, "assumed quota")


def service_quota(quotas: Any, code: str) -> float | None:
    """The quota's value; None if the account is not told, which is then assumed and marked so."""
    from botocore.exceptions import ClientError

    try:
        answer = quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=code)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchResourceException", "AccessDeniedException"):
            return None
        raise
    return float(answer["Quota"]["Value"])


def _other_endpoints(name: str, sagemaker: Any) -> list[int]:
    """The maximum concurrency of each serverless endpoint but `name`."""
    found = []
    for page in sagemaker.get_paginator("list_endpoints").paginate():
        for item in page["Endpoints"]:
            if item["EndpointName"] == name:
                continue
            variants = sagemaker.describe_endpoint(EndpointName=item["EndpointName"]).get(
                "ProductionVariants", []
            )
            serverless = [
                variant["CurrentServerlessConfig"]["MaxConcurrency"]
                for variant in variants
                if "CurrentServerlessConfig" in variant
            ]
            if serverless:
                found.append(sum(serverless))
    return found


def assumed_account(config: Config, limits: Limits) -> Account:
    """A new account's quotas, nothing used; for a verdict without AWS."""
    known = config.quotas
    return Account(
        memory_size_mb=_quota(known.memory_size_mb, None, limits.assumed_memory_size_mb.value),
        total_concurrency=_quota(
            known.total_concurrency, None, limits.assumed_total_concurrency.value
        ),
        endpoints=_quota(known.endpoints, None, limits.assumed_endpoints.value),
        other_concurrency=0,
        other_endpoints=0,
    )


def _read_baseline(folder: Path) -> Baseline | None:
    path = folder / "baseline.json"
    return read_contract(Baseline, path) if path.is_file() else None


def _read_output_std(folder: Path, baseline: Baseline | None) -> dict[str, float]:
    """The reference's standard deviation of each score; empty without a baseline's summary."""
    path = folder / "summary.json"
    if baseline is None or not path.is_file():
        return {}
    columns = read_contract(Summary, path).columns
    found = {name: columns.get(name) for name in baseline.output_columns}
    return {name: item.std for name, item in found.items() if isinstance(item, NumericSummary)}


def read_plan(
    config: Config,
    baseline: Baseline | None,
    *,
    output_std: Mapping[str, float],
    clients: dict[str, Any],
) -> MonitoringPlan:
    """What there is to watch the endpoint with."""
    return MonitoringPlan(
        baseline=baseline,
        output_std=output_std,
        records_bucket_found=_exists(lambda: clients["s3"].head_bucket(Bucket=config.bucket)),
        alert_topic_found=_exists(
            lambda: clients["sns"].get_topic_attributes(TopicArn=config.monitoring.alert_topic_arn)
        ),
    )


def _exists(ask: Any) -> bool:
    from botocore.exceptions import ClientError

    try:
        ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NotFound", "NoSuchBucket"):
            return False
        raise
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=Path, required=True)
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--baseline", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--readiness-uri", required=True)
    parser.add_argument("--offline", action="store_true", help="ask AWS nothing")
    args = parser.parse_args(argv)

    config, limits = read_resolved_config(args.config), load_limits()
    optimization = read_contract(Optimization, args.candidates / "optimization.json")
    baseline = _read_baseline(args.baseline)
    output_std = _read_output_std(args.baseline, baseline)
    if args.offline:
        package: dict[str, Any] = {}
        account = assumed_account(config, limits)
        plan = MonitoringPlan(baseline, None, None, output_std)
    else:
        clients = {
            name: client(name, region=config.region)
            for name in ("sagemaker", "service-quotas", "s3", "sns")
        }
        arn = optimization.model_package_arn
        package = {} if arn is None else describe_package(arn, clients["sagemaker"])
        with explained("quotas and the monitoring plan", do="Check the job role's permissions"):
            account = read_account(config, limits, clients=clients)
            plan = read_plan(config, baseline, output_std=output_std, clients=clients)
    readiness = judge_candidates(
        optimization,
        read_contract(Profile, args.profile / "profile.json"),
        package=package,
        account=account,
        plan=plan,
        config=config,
        limits=limits,
    )
    write_contract(readiness, args.output / "readiness.json")
    answer = verdict(readiness, config.unknown_blocks, args.readiness_uri)
    write_contract(answer, args.output / "verdict.json")
    return 0


if __name__ == "__main__":
    run(main)
