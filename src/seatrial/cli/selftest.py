"""`seatrial monitor selftest`: does the monitor see drifts, and is it silent without them?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.output import AGAINST, say_contract, say_table, shared

if TYPE_CHECKING:
    from seatrial.contracts.selftest import Detection, MonitorRates, Rate, SelfTestReport

app = typer.Typer()
UNITS = {
    "std": ("{:g} σ", "shifted by so many standard deviations"),
    "share": ("{:.0%}", "with so many of the rows given another category"),
}


@app.command()
def selftest(
    context: typer.Context,
    baseline: Annotated[Path, typer.Argument(help="What baseline wrote.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for selftest.json.")],
) -> None:
    """Rates of detection and false alerts of a baseline's monitor: exit 1 if it cannot be armed."""
    from seatrial.contracts import Baseline, read_contract, write_contract
    from seatrial.contracts.selftest import SelfTestReport
    from seatrial.monitoring.detection_rates import monitor_rates
    from seatrial.monitoring.selftest import self_tests

    options = shared(context)
    min_rows = options.config().monitoring.min_rows
    known = read_contract(Baseline, baseline / "baseline.json")
    result = SelfTestReport(
        held_out_rows=known.held_out_rows,
        tests=self_tests(baseline, known.seed, min_rows=min_rows),
        rates=monitor_rates(baseline, known.seed, min_rows=min_rows),
    )
    write_contract(result, out / "selftest.json")
    if options.as_json:
        say_contract(result)
    else:
        say_report(result)
    if not result.passed:
        raise typer.Exit(AGAINST)


def say_report(report: SelfTestReport) -> None:
    """The tests that ArmMonitoring asks for, and the rates, for people."""
    for found in report.rates:
        say_rates(found)
    for test in report.tests:
        about = ", ".join(test.alerted_columns) or "no column"
        expected = ", ".join(test.moved_columns) or "no column"
        state = "passed" if test.passed else "FAILED"
        typer.echo(
            f"{state}: {test.name}: {'alert' if test.alert else 'no alert'} about {about}, "
            f"expected about {expected}"
            f"{' alone (' + test.detail + ')' if test.detail else ''}"
        )


def say_rates(found: MonitorRates) -> None:
    """How often windows of one length alert about nothing, and about something."""
    alerts = found.false_alerts
    typer.echo(
        f"Windows of {found.window_h:g} h, {found.rows} rows, {alerts.windows} of each kind; "
        "in brackets the 95 % interval"
    )
    typer.echo(
        f"False alerts by chance: {_shown(alerts)} % of the windows; the budget, 1 in "
        f"{found.false_alert_every_windows:g}, covers time as well"
    )
    if found.calibration is not None:
        low, high = found.calibration.rate_low, found.calibration.rate_high
        typer.echo(f"With time, learnt from blocks: {low:.1%} to {high:.1%} (90 % interval)")
    for unit in UNITS:
        of_unit = [item for item in found.detections if item.unit == unit]
        if of_unit:
            say_detections(unit, of_unit)
    if found.together is not None:
        joint = found.together
        typer.echo(
            f"By all columns together, {joint.rows} rows, {joint.detected.windows} windows of each "
            f"kind: {_shown(joint.detected)} % detected with one column in the order of another; "
            f"false alerts: {_shown(joint.false_alerts)} %"
        )


def say_detections(unit: str, detections: Sequence[Detection]) -> None:
    """A row for each column, its rates by the size of the drift."""
    form, what = UNITS[unit]
    rows: dict[str, list[Detection]] = {}
    for item in detections:
        rows.setdefault(item.column, []).append(item)
    sizes = sorted({item.size for item in detections})
    say_table(
        f"% detected, {what}",
        ("column", "limit", *(form.format(size) for size in sizes)),
        [
            (name, f"{items[0].limit:.3f}", *(_shown(item.rate) for item in items))
            for name, items in rows.items()
        ],
    )


def _shown(rate: Rate) -> str:
    """In percent, without the sign: five such columns fit a terminal."""
    return f"{100 * rate.ratio:.3g} ({100 * rate.low:.0f}-{100 * rate.high:.0f})"
