"""What was not chosen and why, and how all of it was measured."""

from __future__ import annotations

from seatrial.contracts import (
    Configuration,
    Optimization,
    Profile,
    Provisioning,
    Readiness,
)
from seatrial.report.markup import Markup, element, join, table
from seatrial.report.numbers import DASH, cold_start_of, p95_of, shown, tier_name, usd


def runners_up(readiness: Readiness) -> Markup:
    """The candidates beside the chosen one, and its tiers beside the chosen tier."""
    candidates = [
        (
            item.candidate,
            tier_name(item.memory_size_mb),
            usd(item.usd_per_million_requests),
            p95_of(item),
            cold_start_of(item),
            shown(item.peak_memory_mb, "MB"),
            item.reason,
        )
        for item in readiness.choices
    ]
    columns = ("candidate", "tier", "$ per million", "p95", "cold start", "peak", "why")
    tiers = [
        (
            tier_name(item.memory_size_mb),
            f"{shown(item.cold_start_s, 's')}{_how(item)}",
            _largest(item),
            item.reason,
        )
        for item in readiness.configurations
    ]
    by = readiness.optimize_for.replace("_", " ")
    return join(
        element("h2", f"Candidates, by {by}"),
        element("div", table(columns, candidates), class_="card stack"),
        element("h2", f"Tiers for {readiness.candidate}"),
        element(
            "div",
            table(("tier", "cold start", "largest request that fits", "why"), tiers),
            class_="card stack",
        ),
        *_otherwise_provisioned(readiness.provisioning),
    )


def _otherwise_provisioned(other: Provisioning | None) -> tuple[Markup, ...]:
    if other is None:
        return ()
    return (element("p", f"{other.line}.", class_="soft"),)


def _how(item: Configuration) -> str:
    return "" if item.cold_start_s is None else f", {item.cold_start_method}"


def _largest(item: Configuration) -> str:
    if item.largest_rows is None:
        return DASH
    more = " or more" if item.largest_bound == "largest measured" else ""
    return f"{item.largest_rows:,} rows, {shown(item.largest_request_mb, 'MB')}{more}"


def how_measured(readiness: Readiness, optimization: Optimization, profile: Profile) -> Markup:
    """The model, the machine and the prices."""
    price = readiness.cost
    return element(
        "section",
        element("h3", "How it was measured"),
        element(
            "p",
            f"Model: {readiness.model_package_arn or 'no package'}, {optimization.flavor}, "
            f"{shown(optimization.original_size_mb, 'MB')} before it was optimised.",
        ),
        element(
            "p",
            f"Memory: {profile.memory_method}. On {profile.cpu}, {profile.cpu_count} cores, Python "
            f"{profile.python}. Image: {shown(profile.image_size_mb, 'MB')}, "
            f"{profile.image_size_method}.",
        ),
        *_cut_short(readiness.candidate, optimization, profile),
        None if price is None else element("p", f"Prices of {price.region}: {price.source}."),
        element("p", "1 MB is 2²⁰ bytes. Everything here is in readiness.json beside this page."),
        class_="card soft",
    )


def _cut_short(name: str, optimization: Optimization, profile: Profile) -> list[Markup]:
    """What of the chosen candidate was measured less than asked for."""
    optimized = [item.cut_short for item in optimization.candidates if item.name == name]
    profiled = [item.cut_short for item in profile.candidates if item.candidate == name]
    lines = [line for found in (*optimized, *profiled) for line in found]
    return [element("p", f"Cut short: {'; '.join(lines)}.")] if lines else []
