"""`seatrial demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything it writes.")] = Path(
        "runs/demo"
    ),
) -> None:
    """Real flights, from a trained model to a watched endpoint, on this machine alone."""
    from seatrial.examples.flights.demo import run_demo

    run_demo(out)
