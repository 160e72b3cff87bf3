"""Costs as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from seatrial.cli.output import say_table

if TYPE_CHECKING:
    from seatrial.contracts import CostReport, CurvePoint, PolicyCost


# Short enough for a terminal of 80 columns.
COLUMNS = ("policy", "on", "USD/month", "cold", "lost", "p50", "p95", "p99 ms")


def say_costs(found: CostReport) -> None:
    """Every policy, the cheapest marked; what was left out; the curve; what was assumed."""
    traffic = found.traffic
    title = f"{traffic.source}: {traffic.requests_a_month:,.0f} requests a month"
    rows = [_row(item, cheapest=item == found.cheapest) for item in found.policies]
    say_table(f"{title}\n{found.workload}", COLUMNS, rows)
    best = found.cheapest
    typer.echo(
        "cheapest: none meets the objectives"
        if best is None
        else f"cheapest: {best.label}, ${_usd(best.usd_a_month)} a month"
    )
    for item in found.left_out:
        typer.echo(f"left out: {item.what}: {item.reason}")
    if found.curve:
        _say_curve(found)
    typer.echo("\nassumed:")
    for line in found.assumptions:
        typer.echo(f"  {line}")


def _row(cost: PolicyCost, *, cheapest: bool) -> tuple[str, ...]:
    held = "" if cost.reserved is None else f" {cost.reserved:.3g}"
    instance = (cost.instance_type or "").removeprefix("ml.")
    slow = (cost.latency_p50_ms, cost.latency_p95_ms, cost.latency_p99_ms)
    return (
        f"{'* ' if cheapest else ''}{cost.policy}{held}",
        instance if cost.memory_size_mb is None else f"{cost.memory_size_mb} MB",
        _usd(cost.usd_a_month),
        _share(cost.cold_ratio),
        _share(cost.throttled_ratio),
        *("–" if value is None else f"{value:.0f}" for value in slow),
    )


def _say_curve(found: CostReport) -> None:
    rows = [_point(item) for item in found.curve]
    columns = ("requests/month", "serverless", "USD", "real time", "USD")
    say_table("cheapest of each kind over traffic", columns, rows)
    for item in found.crossovers:
        why = "" if item.because == "cost" else ": the other kind misses the objectives"
        typer.echo(
            f"from {item.requests_a_month:,.0f} requests a month on, {item.to} is cheaper "
            f"(${_usd(item.usd_a_month)} a month){why}"
        )
    if not found.crossovers:
        typer.echo("the cheaper kind does not change along the curve")


def _point(point: CurvePoint) -> tuple[str, ...]:
    def usd(value: float | None) -> str:
        return "–" if value is None else _usd(value)

    return (
        f"{point.requests_a_month:,.0f}",
        point.serverless or "–",
        usd(point.serverless_usd_a_month),
        (point.realtime or "–").removeprefix("real time, "),
        usd(point.realtime_usd_a_month),
    )


def _usd(value: float) -> str:
    return f"{value:,.2f}"


def _share(ratio: float) -> str:
    return "0" if ratio == 0 else f"{ratio:.2%}" if ratio >= 0.00005 else "<0.01%"
