"""CONCURRENCY_LIMIT, CONCURRENCY_QUOTA, ENDPOINT_QUOTA and PROVISIONED_CONCURRENCY."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import Check
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import MAX_THROTTLED_RATIO, Setting


def concurrency(facts: Facts, setting: Setting) -> Iterator[Check]:
    """What the service and the account allow, against what is asked for or the traffic needs."""
    wanted, account = setting.max_concurrency, facts.account
    asked = facts.config.endpoint.max_concurrency
    why = f"endpoint.max_concurrency is {asked}"
    if setting.demand is not None:
        why += f"; the traffic needs {setting.demand.covering(1 - MAX_THROTTLED_RATIO)}"
    limit = facts.limits.max_concurrency.value
    yield at_most(
        "CONCURRENCY_LIMIT",
        wanted,
        limit,
        "requests at once",
        "service limit",
        detail=why,
        fix=f"Lower it to {limit:.0f}, or split the traffic",
    )
    others = account.other_concurrency
    free = account.total_concurrency.value - others
    yield at_most(
        "CONCURRENCY_QUOTA",
        wanted + others,
        account.total_concurrency.value,
        "requests at once",
        account.total_concurrency.source,
        detail=f"{wanted} here and {others} of other endpoints; {why}",
        fix=f"Lower endpoint.max_concurrency to {max(free, 0):.0f}, or ask for {wanted + others} "
        "of quota L-96300102",
    )
    yield at_most(
        "ENDPOINT_QUOTA",
        1 + account.other_endpoints,
        account.endpoints.value,
        "endpoints",
        account.endpoints.source,
        detail=f"this one and {account.other_endpoints} others",
        fix=f"Delete an endpoint, or ask for {1 + account.other_endpoints} of quota L-99AD19BF",
    )
    provisioned = setting.provisioned_concurrency
    yield at_most(
        "PROVISIONED_CONCURRENCY",
        provisioned or 0,
        wanted,
        "requests at once",
        "service limit",
        detail=f"provisioned {provisioned or 'none'} of at most {wanted}",
        fix=f"Lower endpoint.provisioned_concurrency to {wanted}",
    )
