"""`seatrial deploy`: a run's model, or a review's change of what serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from seatrial.cli.output import Shared, say_actions, say_contract, shared, write_config

if TYPE_CHECKING:
    from seatrial.contracts import Deployment

app = typer.Typer()
Value = TypeVar("Value")


@app.command()
def deploy(
    context: typer.Context,
    candidates: Annotated[Path | None, typer.Option(help="What optimize wrote.")] = None,
    readiness: Annotated[Path | None, typer.Option(help="The folder that judge wrote.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="What baseline wrote.")] = None,
    model_package_arn: Annotated[
        str | None, typer.Option(help="The package that this model is.")
    ] = None,
    review: Annotated[
        str | None,
        typer.Option(help="In place of these four: a review.json, here or in S3, to carry out."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for deployment.json.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Print the calls, and make none.")] = False,
) -> None:
    """Deploy a ready model, and verify it; on failure bring back what was there."""
    options = shared(context)
    if review is not None:
        deploy_review(options, review, out, dry_run=dry_run)
        return
    from seatrial.contracts import Deployment, read_contract
    from seatrial.deployment.inputs import Folders
    from seatrial.steps import deploy_endpoint

    folders = Folders(
        _given("--candidates", candidates),
        _given("--readiness", readiness),
        _given("--baseline", baseline),
    )
    package = _given("--model-package-arn", model_package_arn)
    if dry_run:
        actions = deploy_endpoint.dry_run(options.config(), folders, package)
        say_actions(actions, as_json=options.as_json)
        return
    place = _given("--out", out)
    deploy_endpoint.main(
        [
            *("--model-package-arn", package),
            *("--readiness", str(folders.readiness)),
            *("--candidates", str(folders.candidates)),
            *("--baseline", str(folders.baseline)),
            *("--config", str(write_config(options.config(), place))),
            *("--output", str(place)),
        ]
    )
    say_deployment(options, read_contract(Deployment, place / "deployment.json"))


def deploy_review(options: Shared, place: str, out: Path | None, *, dry_run: bool) -> None:
    """Plan, or carry out, the change that a review asks for."""
    from seatrial.aws import S3
    from seatrial.contracts import write_contract
    from seatrial.deployment.operating import make_clients
    from seatrial.review.applying import apply_review, plan_review, read_review
    from seatrial.review.change import change_yaml

    config = options.config()
    clients = make_clients(config)
    review = read_review(place, S3(clients["s3"]))
    if dry_run:
        say_actions(plan_review(review, config, clients), as_json=options.as_json)
        return
    done = apply_review(review, config, clients)
    if out is not None:
        write_contract(done, out / "deployment.json")
    say_deployment(options, done)
    if not options.as_json:
        typer.echo("the next deployment undoes it, unless your configuration says so too:")
        typer.echo(change_yaml(review), nl=False)


def say_deployment(options: Shared, result: Deployment) -> None:
    """What serves now."""
    if options.as_json:
        say_contract(result)
    elif result.skipped is not None:
        typer.echo(f"{result.endpoint_name} was left as it is: {result.skipped}")
    else:
        serving = result.serving.endpoint_config_name
        typer.echo(f"{result.endpoint_name} serves {serving}, verified")


def _given(name: str, value: Value | None) -> Value:
    if value is not None:
        return value
    from seatrial.errors import InputError

    raise InputError(
        f"{name} is missing",
        got="nothing",
        allowed="--candidates, --readiness, --baseline, --model-package-arn and --out of one run, "
        "or --review",
        do="See seatrial deploy --help",
    )
