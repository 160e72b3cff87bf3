"""`seatrial invoke|monitor`: an endpoint that serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seatrial.cli.output import (
    AGAINST,
    say_contract,
    say_json,
    say_table,
    shared,
    write_config,
)

if TYPE_CHECKING:
    from seatrial.contracts import Monitoring

app = typer.Typer()
ContentType = Literal["text/csv", "application/json"]


@app.command()
def invoke(
    context: typer.Context,
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")],
    body: Annotated[Path, typer.Argument(help="File with the request; - for standard input.")],
    content_type: Annotated[ContentType, typer.Option()] = "text/csv",
    accept: Annotated[ContentType | None, typer.Option(help="Default: as sent.")] = None,
    inference_id: Annotated[str | None, typer.Option(help="Your id, to join labels by.")] = None,
) -> None:
    """Ask an endpoint for predictions."""
    from seatrial.aws import client
    from seatrial.endpoint import get_endpoint
    from seatrial.endpoint import invoke as invoke_endpoint
    from seatrial.errors import InputError

    options = shared(context)
    region = options.config().region
    try:
        request = sys.stdin.buffer.read() if str(body) == "-" else body.read_bytes()
    except OSError as error:
        raise InputError(
            "cannot read the request", got=str(body), allowed="a readable file", do="Check the path"
        ) from error
    get_endpoint(endpoint, client("sagemaker", region=region))
    answer = invoke_endpoint(
        endpoint,
        request,
        runtime=client("sagemaker-runtime", region=region),
        content_type=content_type,
        accept=accept or content_type,
        inference_id=inference_id,
    )
    if options.as_json:
        say_json({"event_id": answer.event_id, "body": answer.body.decode()})
    else:
        sys.stdout.write(answer.body.decode())
        sys.stdout.flush()


@app.command()
def monitor(
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
