"""`seatrial invoke`: predictions of an endpoint that serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from seatrial.cli.output import say_json, shared

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
