"""`seatrial cloud up|env|down|status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seatrial.cli.output import AGAINST, say_json, say_table, shared
from seatrial.errors import InputError

if TYPE_CHECKING:
    from seatrial.config import Config

app = typer.Typer(no_args_is_help=True)
StateDir = Annotated[Path, typer.Option("--state-dir", help="Where localcloud keeps its files.")]
DEFAULT_STATE_DIR = Path("runs/cloud")


@app.command()
def up(
    context: typer.Context,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    port: Annotated[int, typer.Option(help="0: a free one.")] = 0,
    images: Annotated[
        Path | None, typer.Option(help="Image map; default: the interpreters here.")
    ] = None,
    cpu_share: Annotated[
        bool, typer.Option("--cpu-share", help="A sandbox gets its tier's share of a CPU only.")
    ] = False,
    quota: Annotated[
        str,
        typer.Option(help="As memory=6144,concurrency=50,endpoints=20; default: a new account's."),
    ] = "",
    idle_s: Annotated[
        float | None, typer.Option(min=0.1, help="Until an idle sandbox is stopped; default 300.")
    ] = None,
    delivery_s: Annotated[
        float | None, typer.Option(min=0, help="Until log lines are in S3; default 1.")
    ] = None,
) -> None:
    """Start localcloud with the foundation's stack; print what to put into the environment."""
    from seatrial.localcloud import control, whereabouts
    from seatrial.localcloud.images import default_image_map, serving_python, write_image_map

    options = shared(context)
    config = options.config()
    if images is None:
        default = default_image_map(config.images.toolbox, config.images.serving, serving_python())
        images = write_image_map(default, state_dir / "images.yaml")
    settings = control.CloudSettings(quota, idle_s, delivery_s, cpu_share)
    info = control.up(
        state_dir, port=port, images_file=images, region=config.region, settings=settings
    )
    environment = whereabouts.environment(info)
    found_on(config, info.endpoint_url, environment)
    _say_environment(context, environment)


def found_on(config: Config, endpoint_url: str, environment: dict[str, str]) -> None:
    """Make the configuration's foundation on the cloud that was just started."""
    import boto3

    from seatrial.foundation import lay_foundation

    session: Any = boto3.Session(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        region_name=config.region,
    )
    lay_foundation(config, session.client("cloudformation", endpoint_url=endpoint_url))


@app.command()
def env(context: typer.Context, state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Print what leads another shell to it: eval "$(…)" in bash and zsh, … | source in fish."""
    from seatrial.localcloud import whereabouts

    found = whereabouts.status(state_dir)
    if found is None:
        raise InputError(
            "no localcloud is up there",
            got=str(state_dir),
            allowed="the folder of one that is up",
            do="Start it with seatrial cloud up, or say where it is: --state-dir",
        )
    _say_environment(context, whereabouts.environment(found))


def _say_environment(context: typer.Context, environment: dict[str, str]) -> None:
    if shared(context).as_json:
        say_json(environment)
        return
    for name, value in environment.items():
        typer.echo(f"export {name}={value}")


@app.command()
def down(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Stop localcloud and everything it started."""
    from seatrial.localcloud import control

    stopped = control.down(state_dir)
    typer.echo("localcloud is down" if stopped else "localcloud was not up")


@app.command()
def status(context: typer.Context, state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Show whether localcloud is up, its endpoints and sandboxes."""
    from seatrial.localcloud import whereabouts

    found = whereabouts.status(state_dir)
    if found is None:
        typer.echo("localcloud is not up")
        raise typer.Exit(AGAINST)
    details = whereabouts.status_details(found)
    if shared(context).as_json:
        say_json(details)
        return
    rows = [(name, str(value)) for name, value in details.items()]
    say_table(f"localcloud at {found.endpoint_url}", ("what", "value"), rows)
