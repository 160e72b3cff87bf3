"""The verdict on top, what to do about it, and the list of all checks."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.config import Config
from seatrial.contracts import CandidateProfile, Check, Readiness
from seatrial.readiness.verdict import blocking, worst_first
from seatrial.report.markup import Markup, element, join, table
from seatrial.report.numbers import DASH, cold_start_of, p95_of, shown, tier_name, usd

TONES = {"pass": "good", "warn": "warn", "fail": "bad", "unknown": "odd"}


def verdict_card(readiness: Readiness, measured: CandidateProfile, config: Config) -> Markup:
    """Ready or not in a word, and the figures that people ask for first."""
    name, blocked = readiness.candidate, _blocked(readiness, config)
    said = (
        f"{name} may be deployed as below."
        if readiness.ready
        else f"{name} is held back by {len(blocked)} check{'s' if len(blocked) > 1 else ''}."
        if blocked
        else f"{name}: no tier meets every objective."
    )
    passed = sum(item.status == "pass" for item in readiness.checks)
    return element(
        "section",
        element("p", "seatrial readiness report", class_="soft"),
        element(
            "h1",
            element("span", "Ready" if readiness.ready else "Not ready", class_="state"),
            id="verdict",
        ),
        element("p", f"{said} {passed} of {len(readiness.checks)} checks passed."),
        element("dl", *_figures(readiness, measured)),
        class_=f"card verdict {'good' if readiness.ready else 'bad'}",
    )


def _figures(readiness: Readiness, measured: CandidateProfile) -> list[Markup]:
    choice = next((item for item in readiness.choices if item.chosen), None)
    tier, price = readiness.recommended, readiness.cost
    held = None if tier is None else tier.provisioned_concurrency
    figures = {
        "memory tier": tier_name(None if tier is None else tier.memory_size_mb),
        "requests at once": shown(None if tier is None else tier.max_concurrency),
        "provisioned": "none" if held is None else str(held),
        "per million requests": usd(None if price is None else price.usd_per_million_requests),
        "p95 at tier": DASH if choice is None else p95_of(choice),
        "cold start at tier": DASH if choice is None else cold_start_of(choice),
        "peak memory": shown(measured.peak_memory_mb, "MB"),
    }
    if price is not None and price.usd_per_month is not None:
        figures["a month"] = usd(price.usd_per_month)
    return [
        element("div", element("dt", name), element("dd", value)) for name, value in figures.items()
    ]


def _blocked(readiness: Readiness, config: Config) -> list[Check]:
    return worst_first(blocking(readiness.checks, config.unknown_blocks))


def to_do(readiness: Readiness, config: Config) -> Markup:
    """What blocks, then what only warns or is not known, each with its fix."""
    blocked = _blocked(readiness, config)
    rest = [
        item
        for item in worst_first(readiness.checks)
        if item.status != "pass" and item not in blocked
    ]
    parts: list[Markup] = []
    if blocked:
        parts += [element("h2", "What holds it back"), _list(blocked)]
    warned = [item for item in rest if item.status == "warn"]
    if warned:
        parts += [element("h2", "Worth a look"), _list(warned)]
    unknown = [item for item in rest if item.status == "unknown"]
    if unknown:
        summary = element("summary", f"{len(unknown)} not measured, and not blocking")
        parts += [element("h2", "Not known"), element("details", summary, _list(unknown))]
    return join(*parts)


def _list(checks: Iterable[Check]) -> Markup:
    return element(
        "ul",
        *(
            element(
                "li",
                element(
                    "p",
                    element("b", check.code),
                    element("span", check.status, class_="state"),
                ),
                element("p", f"{_measured(check)}; {check.source}"),
                element("p", f"{check.detail}."),
                element("p", f"{check.fix}.") if check.fix else None,
                class_=TONES[check.status],
            )
            for check in checks
        ),
        class_="checks",
    )


def _measured(check: Check) -> str:
    limit = "" if check.limit is None else f", limit {shown(check.limit, check.unit)}"
    return f"{shown(check.measured, check.unit)}{limit}"


def all_checks(readiness: Readiness) -> Markup:
    """Every check as a table, worst first, closed until asked for."""
    rows = [
        (
            check.status,
            check.code,
            shown(check.measured, check.unit),
            shown(check.limit, check.unit),
            check.source,
            check.detail,
        )
        for check in worst_first(readiness.checks)
    ]
    columns = ("status", "check", "measured", "limit", "source", "detail")
    return join(
        element("h2", "All checks"),
        element(
            "details",
            element("summary", f"All {len(rows)} checks as a table"),
            element("div", table(columns, rows), class_="stack"),
            class_="card",
        ),
    )
