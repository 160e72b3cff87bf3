"""`seatrial monitor run|selftest`: a window of an endpoint, and the monitor itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli import selftest
from seatrial.cli.output import AGAINST, say_contract, say_table, shared, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.contracts import DriftReport, LabelScores, Monitoring, Window

app = typer.Typer(no_args_is_help=True)


@app.command()
def run(
    context: typer.Context,
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")],
    start: Annotated[str, typer.Option(help="First moment of the window, ISO 8601, UTC.")],
    end: Annotated[str, typer.Option(help="First moment after it.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for what the steps write.")],
    labels: Annotated[
        str, typer.Option(help="CSV, JSON Lines or Parquet, or a folder of them, here or in S3.")
    ] = "none",
) -> None:
    """Run the monitoring steps here on one window: exit 1 on an alert."""
    from seatrial.contracts import Monitoring, read_contract
    from seatrial.steps import check_quality, collect_window, detect_drift, react, score_labels

    options = shared(context)
    config = str(write_config(options.config(), out))

    def folder(name: str) -> str:
        return str(out / name)

    window = ["--window", folder("window"), "--config", config]
    collect_window.main(
        [
            *("--endpoint-name", endpoint),
            *("--window-start", start),
            *("--window-end", end),
            *("--config", config),
            *("--output", folder("window")),
        ]
    )
    check_quality.main([*window, "--output", folder("quality")])
    detect_drift.main([*window, "--output", folder("drift")])
    score_labels.main([*window, "--labels", labels, "--output", folder("labels")])
    parts = ("quality", "drift", "labels")
    found = [word for name in parts for word in (f"--{name}", folder(name))]
    react.main([*window, *found, "--output", folder("monitoring")])
    result = read_contract(Monitoring, out / "monitoring" / "monitoring.json")
    if options.as_json:
        say_contract(result)
    else:
        say_monitoring(result, out)
    if result.alert:
        raise typer.Exit(AGAINST)


def say_monitoring(found: Monitoring, out: Path) -> None:
    """The verdict on one window, for people; `out` has the files to read on in."""
    say_drift(found.drift, rows=found.window.rows)
    typer.echo(", ".join(counted(found.window)))
    typer.echo(", ".join(scored(found.labels)))
    typer.echo("ALERT" if found.alert else "no alert")
    for reason in found.reasons:
        typer.echo(f"  {reason}")
    for item in found.reactions:
        typer.echo(f"{item.kind}: {'' if item.done else 'not done: '}{item.detail}")
    typer.echo(f"more: {out / 'monitoring' / 'monitoring.html'}")


def say_drift(found: DriftReport, *, rows: int) -> None:
    """How far each column moved, where there was enough to tell."""
    title = f"{rows} rows: {found.status}"
    lines = [
        (
            item.column,
            "moved" if item.drifted else "",
            f"{item.score:.3f}",
            f"{item.bound:.3f}",
            f"{item.floor:g}",
        )
        for item in found.columns
    ]
    if lines:
        say_table(title, ("column", "", "score", "bound", "floor"), lines)
    else:
        typer.echo(title)
    if found.classifier is not None:
        together = found.classifier
        typer.echo(f"all columns together: {together.status} ({together.detail})")


def counted(window: Window) -> Iterator[str]:
    """The records of the window, and those that are not among them or came late, if there are."""
    yield f"{window.records} records"
    if window.completeness_ratio is not None:
        yield f"{window.completeness_ratio:.1%} of all calls"
    others = {
        "late": window.late_records,
        "twice": window.duplicate_records,
        "of failed requests": window.failed_requests,
        "of other versions": window.foreign_records,
        "synthetic": window.synthetic_records,
        "broken lines (window/broken.jsonl)": window.broken_lines,
    }
    yield from (f"{count} {what}" for what, count in others.items() if count)


def scored(labels: LabelScores) -> Iterator[str]:
    """How many labels there are, what they say, and how many are of no row."""
    yield f"labels: {labels.status}"
    if labels.labelled_rows:
        yield f"{labels.labelled_rows} rows"
    yield from (f"{item.metric} {item.value:.3f}" for item in labels.metrics)
    if labels.unmatched_labels:
        yield f"{labels.unmatched_labels} labels of no row in this window"


app.registered_commands += selftest.app.registered_commands
