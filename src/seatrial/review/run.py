"""Read, ask what real-time would cost, advise."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from seatrial.aws import S3, client
from seatrial.config import Config
from seatrial.contracts.review import Review, Usage
from seatrial.cost.arrivals import MAX_DAYS, read_invocations
from seatrial.cost.case import Case
from seatrial.cost.comparison import instances_that_hold
from seatrial.cost.instances import real_time
from seatrial.cost.measured import given_workload
from seatrial.cost.prices import load_prices
from seatrial.cost.setup import Setup
from seatrial.limits import Limits, load_limits
from seatrial.monitoring.history import read_history
from seatrial.review.advice import advise
from seatrial.review.images import read_image, scan_packages
from seatrial.review.reading import Deployed, Metrics, read_deployed, read_usage
from seatrial.review.situation import Serving, Situation

MAX_WINDOWS = 500


def review_endpoint(endpoint_name: str, config: Config, *, days: int, now: datetime) -> Review:
    """Everything that can be said of the last `days` of the endpoint."""
    services = ("sagemaker", "cloudwatch", "ecr", "s3")
    clients = {name: client(name, region=config.region) for name in services}
    limits, deployed = load_limits(), read_deployed(endpoint_name, clients["sagemaker"])
    history = read_history(
        S3(clients["s3"]), config.bucket, endpoint_name, before=now, limit=MAX_WINDOWS
    )
    usage = read_usage(
        Metrics(clients["cloudwatch"], endpoint_name, deployed.variant_name, days, now),
        deployed,
        history,
        read_image(deployed.image, clients["ecr"]),
        scan_packages(deployed.image, config),
    )
    situation = Situation(
        usage=usage,
        serving=_serving(deployed, config, limits),
        config=config,
        limits=limits,
        days=days,
        usd_per_gb_second=load_prices(config.region).usd("serverless_usd_per_gb_second"),
        realtime=_realtime(
            endpoint_name, deployed, usage, config, clients["cloudwatch"], days=days, now=now
        ),
    )
    return Review(
        endpoint_name=endpoint_name,
        variant_name=deployed.variant_name,
        days=days,
        ended_at=now,
        memory_size_mb=deployed.memory_size_mb,
        max_concurrency=deployed.max_concurrency,
        provisioned_concurrency=deployed.provisioned_concurrency,
        usd_a_month=situation.usd_a_month(deployed.memory_size_mb),
        usd_a_month_by_tier=situation.usd_a_month_by_tier,
        usage=usage,
        advice=advise(situation),
    )


def _serving(deployed: Deployed, config: Config, limits: Limits) -> Serving:
    known = config.quotas
    return Serving(
        memory_size_mb=deployed.memory_size_mb,
        max_concurrency=deployed.max_concurrency,
        provisioned_concurrency=deployed.provisioned_concurrency,
        quota_mb=known.memory_size_mb or limits.assumed_memory_size_mb.value,
        quota_concurrency=known.total_concurrency or limits.assumed_total_concurrency.value,
    )


def _realtime(
    endpoint_name: str,
    deployed: Deployed,
    usage: Usage,
    config: Config,
    cloudwatch: Any,
    *,
    days: int,
    now: datetime,
) -> tuple[str, float] | None:
    """The cheapest instance for the traffic by the minute, of at most 14 days; None without any.

    Every request takes the mean latency that it had here.
    """
    if not usage.latency_mean_ms:
        return None
    limits = load_limits()
    case = Case(
        read_invocations(
            cloudwatch,
            endpoint_name,
            deployed.variant_name,
            end=now + timedelta(minutes=1),  # the present minute too
            days=min(days, MAX_DAYS),
            seed=0,
        ),
        given_workload(
            duration_ms=usage.latency_mean_ms,
            cold_start_s=usage.setup_mean_s or 0.0,
            request_kb=0,
            response_kb=0,
            mb_per_vcpu=limits.mb_per_vcpu.value,
            max_service_s=limits.invocation_s.value,
        ),
        load_prices(config.region),
        Setup(deployed.max_concurrency),
    )
    names, _ = instances_that_hold(case)
    costs = [(name, real_time(case, name).usd_a_month) for name in names]
    return min(costs, key=lambda item: item[1], default=None)
