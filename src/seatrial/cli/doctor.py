"""`seatrial doctor`."""

from __future__ import annotations

import os
from dataclasses import asdict

import typer

from seatrial.cli.output import AGAINST, say_json, say_table, shared

app = typer.Typer()
STYLES = {"works": "green", "limited": "yellow", "missing": "red"}


@app.command()
def doctor(context: typer.Context) -> None:
    """What works here and what will not: exit 1 if something is missing."""
    from seatrial.doctor.account import look_at_account
    from seatrial.doctor.machine import look_at_machine

    options = shared(context)
    found = [*look_at_machine(os.environ), *look_at_account(options.config(), os.environ)]
    if options.as_json:
        say_json([asdict(item) for item in found])
    else:
        rows = [
            (
                f"[{STYLES[item.condition]}]{item.condition}[/]",
                item.name,
                "; ".join(part for part in (item.seen, item.means) if part),
            )
            for item in found
        ]
        say_table("this machine and account", ("", "what", "seen, and what it means"), rows)
    if any(item.condition == "missing" for item in found):
        raise typer.Exit(AGAINST)
