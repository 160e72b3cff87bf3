"""`seatrial infra render|deploy|status`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from seatrial.cli.output import AGAINST, say_json, say_table, shared

app = typer.Typer(no_args_is_help=True)


@app.command()
def render(context: typer.Context) -> None:
    """Print the template with this configuration's values as defaults; asks AWS nothing."""
    from seatrial.foundation_template import parameters
    from seatrial.foundation_template import render as render_template

    options = shared(context)
    config = options.config()
    text = render_template(config)
    if options.as_json:
        say_json({"parameters": parameters(config), "template": text})
    else:
        typer.echo(text, nl=False)


@app.command()
def deploy(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the change set, and take it back.")
    ] = False,
) -> None:
    """Make the stack, or bring it up to date, by a change set."""
    from seatrial.aws import client
    from seatrial.foundation import carry_out, propose, withdraw
    from seatrial.foundation_template import stack_name

    options = shared(context)
    config = options.config()
    cloudformation = client("cloudformation", region=config.region)
    changes = propose(config, cloudformation)
    if changes and dry_run:
        withdraw(config, cloudformation)
    elif changes:
        carry_out(config, cloudformation)
    name = stack_name(config)
    if options.as_json:
        shown = [asdict(change) for change in changes]
        say_json({"stack": name, "made": bool(changes) and not dry_run, "changes": shown})
        return
    if not changes:
        typer.echo(f"{name} is up to date")
        return
    rows = [
        (item.action + (", replaced" if item.replaced else ""), item.logical_id, item.type)
        for item in changes
    ]
    say_table(f"{name}: {'would be changed' if dry_run else 'changed'}", _COLUMNS, rows)


_COLUMNS = ("change", "resource", "type")


@app.command()
def status(context: typer.Context) -> None:
    """Show the stack: exit 1 if it is missing, broken, or not what would be deployed now."""
    from seatrial.aws import client
    from seatrial.foundation import look
    from seatrial.foundation_template import stack_name

    options = shared(context)
    config = options.config()
    found = look(config, client("cloudformation", region=config.region))
    if options.as_json:
        say_json(None if found is None else asdict(found))
    elif found is None:
        typer.echo(f"there is no stack {stack_name(config)}: seatrial infra deploy")
    else:
        say_table(f"{found.name}: {found.status}", ("resource", "is", "status"), found.resources)
        if found.reason:
            typer.echo(found.reason)
        if not found.current:
            typer.echo("not what this configuration makes: seatrial infra deploy --dry-run")
        typer.echo(f"to remove it: aws cloudformation delete-stack --stack-name {found.name}")
        typer.echo(f"the bucket {config.bucket} stays then, with models, records and logs")
    if found is None or not found.complete:
        raise typer.Exit(AGAINST)
