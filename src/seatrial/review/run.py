"""Read, ask what real-time would cost, advise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from seatrial.aws import S3, client
from seatrial.config import Config
from seatrial.contracts.review import Logged, Review, Usage
from seatrial.cost.arrivals import MAX_DAYS, read_invocations
from seatrial.cost.case import Case
from seatrial.cost.comparison import instances_that_hold
from seatrial.cost.instances import real_time
from seatrial.cost.measured import given_workload
from seatrial.cost.prices import Prices, load_prices, with_given
from seatrial.cost.setup import Setup
from seatrial.cost.traffic import Traffic
from seatrial.errors import InputError
from seatrial.limits import Limits, load_limits
from seatrial.monitoring.history import read_history
from seatrial.monitoring.span import Span
from seatrial.review.advice import advise
from seatrial.review.images import read_image, scan_packages
from seatrial.review.reading import DAY_S, Deployed, Metrics, read_deployed, read_usage
from seatrial.review.reading_bill import Days, read_bill
from seatrial.review.reading_log import read_logged
from seatrial.review.situation import Serving, Situation, data_usd_a_request

MAX_WINDOWS = 500
PRESENT = timedelta(minutes=1)  # what came this minute counts
SERVICES = ("sagemaker", "cloudwatch", "ecr", "s3", "ce")


def review_endpoint(endpoint_name: str, config: Config, *, days: int, now: datetime) -> Review:
    """Everything that can be said of the last `days` of the endpoint."""
    clients = {name: client(name, region=config.region) for name in SERVICES}
    deployed = read_deployed(endpoint_name, clients["sagemaker"])
    metrics = _metrics(endpoint_name, deployed, clients["cloudwatch"], days=days, now=now)
    situation = _situation(metrics, deployed, config, clients, days=days)
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
        usage=situation.usage,
        advice=advise(situation),
    )


def _situation(
    metrics: Metrics, deployed: Deployed, config: Config, clients: Mapping[str, Any], *, days: int
) -> Situation:
    now, limits = metrics.end - PRESENT, load_limits()
    prices = with_given(load_prices(config.region), config.prices, today=now.date())
    usage = _usage(metrics, deployed, config, prices, clients)
    logged, age = usage.logged, now - deployed.created_at
    served_days = min(float(days), max(1.0, age.total_seconds() / DAY_S))
    whole_days = min(math.ceil(served_days), MAX_DAYS)
    return Situation(
        usage=usage,
        serving=_serving(deployed, config, limits),
        config=config,
        limits=limits,
        days=days,
        served_days=served_days,
        usd_per_gb_second=prices.usd("serverless_usd_per_gb_second"),
        realtime=_realtime(metrics, deployed, usage, prices, days=whole_days),
        data_usd_a_request=None if logged is None else data_usd_a_request(logged.calls, prices),
    )


def _metrics(
    endpoint_name: str, deployed: Deployed, cloudwatch: Any, *, days: int, now: datetime
) -> Metrics:
    start = (now - timedelta(days=days)).replace(second=0, microsecond=0)
    return Metrics(cloudwatch, endpoint_name, deployed.variant_name, start, now + PRESENT)


def _usage(
    metrics: Metrics,
    deployed: Deployed,
    config: Config,
    prices: Prices,
    clients: Mapping[str, Any],
) -> Usage:
    """From all that can be asked; the bill only if it is wanted, since asking costs money."""
    name, bucket, wanted = metrics.endpoint_name, config.bucket, config.review
    seen = read_usage(
        metrics,
        deployed,
        read_history(S3(clients["s3"]), bucket, name, before=metrics.end, limit=MAX_WINDOWS),
        read_image(deployed.image, clients["ecr"]),
        scan_packages(deployed.image, config),
    )
    period = Span(metrics.start, metrics.end)
    logged = read_logged(bucket, name, deployed.variant_name, period, clients["s3"])
    bill = None
    if wanted.bill:
        days = Days.billed(
            metrics.start.date(), (metrics.end - PRESENT).date(), lag_days=wanted.bill_lag_days
        )
        bill = read_bill(days, metrics, logged, prices, clients["ce"])
    return seen.model_copy(update={"logged": logged, "bill": bill})


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
    metrics: Metrics, deployed: Deployed, usage: Usage, prices: Prices, *, days: int
) -> tuple[str, float] | None:
    """The cheapest instance for the callers' traffic by the minute; None without any.

    Every request takes the mean latency that it had here, and moves what it moved on average.
    """
    if not usage.latency_mean_ms:
        return None
    limits, name = load_limits(), metrics.endpoint_name
    end, variant = metrics.end, metrics.variant_name
    try:
        traffic = read_invocations(metrics.cloudwatch, name, variant, end=end, days=days, seed=0)
    except InputError:  # all of it is older than CloudWatch's minutes
        return None
    asked_kb, answered_kb = _mean_kb(usage.logged)
    workload = given_workload(
        duration_ms=usage.latency_mean_ms,
        cold_start_s=usage.setup_mean_s or 0.0,
        request_kb=asked_kb,
        response_kb=answered_kb,
        mb_per_vcpu=limits.mb_per_vcpu.value,
        max_service_s=limits.invocation_s.value,
    )
    case = Case(_callers(traffic, usage.logged), workload, prices, Setup(deployed.max_concurrency))
    names, _ = instances_that_hold(case)
    costs = [(name, real_time(case, name).usd_a_month) for name in names]
    return min(costs, key=lambda item: item[1], default=None)


def _callers(traffic: Traffic, logged: Logged | None) -> Traffic:
    """The share of it that is not our own: instances need no pings."""
    if logged is None or not logged.calls.callers.requests:
        return traffic
    share = logged.calls.callers.requests / logged.calls.requests
    theirs = np.random.default_rng(0).random(traffic.requests) < share
    theirs[0] = True  # there is some
    return replace(traffic, arrivals_s=traffic.arrivals_s[theirs])


def _mean_kb(logged: Logged | None) -> tuple[float, float]:
    """Of the callers' requests and answers; 0 where the log has no sizes."""
    if logged is None:
        return 0.0, 0.0
    callers = logged.calls.callers
    return (callers.request_bytes.mean or 0) / 1000, (callers.response_bytes.mean or 0) / 1000
