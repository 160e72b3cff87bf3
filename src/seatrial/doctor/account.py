"""The account: where AWS is, whose credentials these are, and the quotas that bite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.config import Config
from seatrial.doctor.finding import Finding
from seatrial.errors import CloudError
from seatrial.limits import load_limits


def look_at_account(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Three calls, each only if the one before it was answered."""
    from seatrial.aws import client, explained

    where = environ.get("AWS_ENDPOINT_URL")
    yield Finding("AWS", "works", where or f"the service in {config.region}")
    sts = client("sts", region=config.region, read_timeout_s=5, attempts=1)
    try:
        with explained("who you are", do="Give credentials, or start localcloud"):
            identity = sts.get_caller_identity()
    except CloudError as error:
        yield Finding(
            "credentials",
            "limited",
            str(error.got),
            'only what needs no AWS works; eval "$(seatrial cloud up)" starts one here',
        )
        return
    yield Finding("credentials", "works", str(identity["Arn"]))
    if identity["Account"] != config.account:
        yield Finding(
            "account",
            "limited",
            f"{identity['Account']}, but {config.account} in the configuration",
            "roles and images of the configuration are another account's; set account",
        )
    yield from quotas(config, client("service-quotas", region=config.region, read_timeout_s=5))


def quotas(config: Config, service_quotas: Any) -> Iterator[Finding]:
    """The concurrency and endpoint quotas as the service tells them; memory it does not tell."""
    from seatrial.readiness.inputs import (
        ENDPOINTS_QUOTA,
        TOTAL_CONCURRENCY_QUOTA,
        service_quota,
    )

    limits, known = load_limits(), config.quotas
    asked = (
        ("quota of concurrency", TOTAL_CONCURRENCY_QUOTA, limits.assumed_total_concurrency),
        ("quota of endpoints", ENDPOINTS_QUOTA, limits.assumed_endpoints),
    )
    for name, code, assumed in asked:
        value = service_quota(service_quotas, code)
        if value is None:
            yield Finding(
                name, "limited", "not told", f"{assumed.value:g} is assumed, as in a new account"
            )
        else:
            yield Finding(name, "works", f"{value:g}")
    memory = known.memory_size_mb
    yield Finding(
        "quota of memory",
        "limited" if memory is None else "works",
        f"{memory or limits.assumed_memory_size_mb.value:g} MB",
        "assumed as in a new account, since Service Quotas does not tell it; set "
        "quotas.memory_size_mb if yours is another"
        if memory is None
        else "",
    )
