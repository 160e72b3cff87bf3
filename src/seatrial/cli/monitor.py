"""`seatrial monitor run|selftest`: a window of an endpoint, and the monitor itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli import selftest
from seatrial.cli.output import AGAINST, say_contract, say_table, shared, write_config

if TYPE_CHECKING:
    from seatrial.contracts import Monitoring

app = typer.Typer(no_args_is_help=True)


@app.command()
def run(
    context: typer.Context,
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")],
    start: Annotated[str, typer.Option(help="First moment of the window, ISO 8601, UTC.")],
    end: Annotated[str, typer.Option(help="First moment after it.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for what the steps write.")],
    labels: Annotated[str, typer.Option(help="CSV or Parquet, here or in S3.")] = "none",
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
        say_monitoring(result)
    if result.alert:
        raise typer.Exit(AGAINST)


def say_monitoring(found: Monitoring) -> None:
    """The verdict on one window, for people."""
    rows = [
        (
            item.column,
            "moved" if item.drifted else "",
            f"{item.score:.3f}",
            f"{item.bound:.3f}",
            f"{item.floor:g}",
        )
        for item in found.drift.columns
    ]
    columns = ("column", "", "score", "bound", "floor")
    say_table(f"{found.window.rows} rows: {found.drift.status}", columns, rows)
    if found.drift.classifier is not None:
        together = found.drift.classifier
        typer.echo(f"all columns together: {together.status} ({together.detail})")
    typer.echo("ALERT" if found.alert else "no alert")
    for reason in found.reasons:
        typer.echo(f"  {reason}")


app.registered_commands += selftest.app.registered_commands
