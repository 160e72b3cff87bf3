"""What the judge is told by AWS and by files: quotas, the monitoring plan, prices, archives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seatrial.archives import unpack
from seatrial.aws import explained
from seatrial.config import Config, QuotasConfig
from seatrial.contracts import Baseline, Candidate, NumericSummary, Summary, read_contract
from seatrial.cost.prices import (
    Prices,
    known_regions,
    load_prices,
    unknown_prices,
    with_given,
)
from seatrial.errors import InputError
from seatrial.limits import Limits
from seatrial.readiness.facts import Account, ArchiveLook, MonitoringPlan, Quota

TOTAL_CONCURRENCY_QUOTA = "L-96300102"
ENDPOINTS_QUOTA = "L-99AD19BF"
# By name, or by how it begins: a pickle of protocol 2 or later, where torch's is in a zip file.
PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")
PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


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


def read_baseline(folder: Path) -> Baseline | None:
    path = folder / "baseline.json"
    return read_contract(Baseline, path) if path.is_file() else None


def read_output_std(folder: Path, baseline: Baseline | None) -> dict[str, float]:
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


def prices_of(config: Config, *, today: date) -> Prices:
    """The region's prices and what the user gave; those of a region without a file are unknown."""
    known = config.region in known_regions()
    prices = load_prices(config.region) if known else unknown_prices(config.region, today=today)
    return with_given(prices, config.prices, today=today)


def look_into(candidate: Candidate, folder: Path, *, max_mb: float) -> ArchiveLook | None:
    """What is in the candidate's archive, unpacked as deploying it would; None if it is not there.

    A model larger than `max_mb` is a problem too: ARTIFACT_DISK says by how much.
    """
    if candidate.archive is None or not (folder / candidate.archive).is_file():
        return None
    with TemporaryDirectory(prefix="seatrial-look-") as scratch:
        try:
            model = unpack(folder / candidate.archive, Path(scratch) / "model", max_mb=max_mb)
        except InputError as error:
            return ArchiveLook(f"{error.what}: {error.got}", ())
        files = sorted(path for path in model.rglob("*") if path.is_file())
        pickles = [path.relative_to(model).as_posix() for path in files if _is_pickle(path)]
    return ArchiveLook(None, tuple(pickles))


def _is_pickle(path: Path) -> bool:
    if path.suffix.lower() in PICKLE_NAMES:
        return True
    with path.open("rb") as file:
        return file.read(2) in PICKLE_STARTS
