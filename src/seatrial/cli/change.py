"""`seatrial rollback|remove|champion`: an endpoint back, or gone, and the alias that goes along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from seatrial.cli.output import say_actions, say_json, shared

if TYPE_CHECKING:
    from seatrial.comparison.following import Followed
    from seatrial.config import Config
    from seatrial.contracts import Action
    from seatrial.deployment.operator import Operator

app = typer.Typer()
Endpoint = Annotated[str, typer.Argument(help="The endpoint's name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the calls, and make none.")]
Clients = Mapping[str, Any]
Done = TypeVar("Done")


@app.command()
def rollback(context: typer.Context, endpoint: Endpoint, dry_run: DryRun = False) -> None:
    """Serve the deployment before again, and verify it."""
    from seatrial.aws import client
    from seatrial.deployment.rollback import plan_rollback, roll_back
    from seatrial.endpoint import get_endpoint

    def plan(config: Config, clients: Clients) -> Sequence[Action]:
        return plan_rollback(endpoint, config.bucket, clients).actions

    # a name that nobody has gets no lease
    get_endpoint(endpoint, client("sagemaker", region=shared(context).config().region))
    done = _change(context, endpoint, plan, roll_back, dry_run=dry_run)
    if done is None:
        return
    followed = _follow_if_wanted(shared(context).config(), endpoint)
    if shared(context).as_json:
        champion = followed and followed.champion.version
        serves = done.to.model_dump(mode="json")
        say_json({"endpoint": endpoint, "serves": serves, "champion_version": champion})
        return
    serving, package = done.to.serving.endpoint_config_name, done.to.model_package_arn
    typer.echo(f"{endpoint} serves {serving} of {package} again, verified")
    if followed is not None:
        typer.echo(str(followed))


@app.command()
def remove(context: typer.Context, endpoint: Endpoint, dry_run: DryRun = False) -> None:
    """Delete an endpoint and all that watches it or keeps it warm; logs and records stay."""
    from seatrial.deployment.removal import plan_whole_removal
    from seatrial.deployment.removal import remove as remove_endpoint

    def plan(config: Config, clients: Clients) -> Sequence[Action]:
        return plan_whole_removal(endpoint, config.project, clients)

    def make(operator: Operator, config: Config) -> Sequence[Action]:
        return remove_endpoint(operator, config.project)

    done = _change(context, endpoint, plan, make, dry_run=dry_run)
    if done is None:
        return
    if shared(context).as_json:
        say_json([action.model_dump(mode="json") for action in done])
    else:
        typer.echo(f"{endpoint} is removed: {len(done)} calls; its logs and records are kept")


@app.command()
def champion(
    context: typer.Context,
    endpoint: Endpoint,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it, and move nothing.")] = False,
    mlflow_uri: Annotated[
        str | None, typer.Option(help="Default: tracking.mlflow_uri; may be a managed one's ARN.")
    ] = None,
) -> None:
    """Put MLflow's alias of the champion on the version that the endpoint serves."""
    from seatrial.errors import InputError

    options = shared(context)
    config = options.config()
    followed = _follow(config, endpoint, mlflow_uri, dry_run=dry_run)
    if followed is None:
        raise InputError(
            f"nobody knows which registered model {endpoint} serves",
            got="no verified deployment of a package that seatrial compare has registered",
            allowed="one",
            do="Register the model with seatrial compare, and approve it",
        )
    if options.as_json:
        say_json(
            {
                "model": followed.model,
                "alias": followed.alias,
                "version": followed.champion.version,
                "before": followed.before,
            }
        )
    else:
        typer.echo(f"dry run: {followed}" if dry_run else str(followed))


def _change(
    context: typer.Context,
    endpoint: str,
    plan: Callable[[Config, Clients], Sequence[Action]],
    make: Callable[[Operator, Config], Done],
    *,
    dry_run: bool,
) -> Done | None:
    """What was made while the endpoint's lease is held; None if the plan was printed only."""
    from seatrial.deployment.operating import make_clients, operating

    options = shared(context)
    config = options.config()
    clients = make_clients(config)
    if dry_run:
        say_actions(plan(config, clients), as_json=options.as_json)
        return None
    with operating(endpoint, config, clients) as operator:
        return make(operator, config)


def _follow(
    config: Config, endpoint: str, mlflow_uri: str | None, *, dry_run: bool
) -> Followed | None:
    from seatrial.cli.compare import tracking_uri
    from seatrial.comparison.following import find_served, follow
    from seatrial.comparison.tracking import Tracking
    from seatrial.deployment.operating import make_clients

    served = find_served(endpoint, config.bucket, make_clients(config))
    if served is None:
        return None
    tracking = Tracking(tracking_uri(config, mlflow_uri))
    return follow(served, config.comparison.champion_alias, tracking, dry_run=dry_run)


def _follow_if_wanted(config: Config, endpoint: str) -> Followed | None:
    """The rollback is made and verified: what goes wrong with the alias is told, and no failure."""
    from seatrial.errors import SeatrialError

    if not config.comparison.champion_follows or config.tracking.mlflow_uri is None:
        return None
    try:
        return _follow(config, endpoint, None, dry_run=False)
    except SeatrialError as error:
        typer.echo(f"the alias {config.comparison.champion_alias} was not moved: {error}", err=True)
        return None
