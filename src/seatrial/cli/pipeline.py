"""`seatrial pipeline definition|upsert|start|status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seatrial.cli.output import AGAINST, FAILED, say_json, say_table, shared

if TYPE_CHECKING:
    from seatrial.pipelines.execution import ExecutionStatus

app = typer.Typer(no_args_is_help=True)
Which = Annotated[Literal["readiness", "monitoring"], typer.Argument(help="Which pipeline.")]
Startable = Annotated[
    Literal["readiness", "monitoring", "review"], typer.Argument(help="Which pipeline.")
]


@app.command()
def definition(context: typer.Context, which: Which) -> None:
    """Print the definition that AWS and localcloud run; asks AWS nothing."""
    from seatrial.pipelines.upsert import config_uri, make_definitions, profiler_uri

    config = shared(context).config()
    made = make_definitions(
        config, config_uri=config_uri(config), profiler_uri=profiler_uri(config)
    )
    typer.echo(getattr(made, which))


@app.command()
def upsert(context: typer.Context) -> None:
    """Create or update the pipelines, and the rule that starts one on an approval."""
    from seatrial.aws import client
    from seatrial.pipelines.upsert import upsert as upsert_pipelines

    options = shared(context)
    config = options.config()
    clients = {name: client(name, region=config.region) for name in ("s3", "sagemaker", "events")}
    done = upsert_pipelines(config, clients=clients)
    if options.as_json:
        say_json({"pipelines": done.pipeline_arns, "rule": done.rule_name})
    else:
        say_table("there now", ("name", "ARN"), done.pipeline_arns.items())
        typer.echo(f"approvals in {config.model_package_group} start it by rule {done.rule_name}")


@app.command()
def start(
    context: typer.Context,
    which: Startable,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="Name=value; may be repeated.")
    ] = None,
    wait: Annotated[
        bool, typer.Option(help="Wait for its end: exit 1 if not ready, 2 if it failed.")
    ] = False,
) -> None:
    """Start an execution, and print its ARN."""
    from seatrial.aws import client
    from seatrial.errors import InputError
    from seatrial.pipelines.execution import follow
    from seatrial.pipelines.execution import start as start_execution
    from seatrial.pipelines.registration import describe_package

    options = shared(context)
    config = options.config()
    sagemaker = client("sagemaker", region=config.region)
    given = dict(item.partition("=")[::2] for item in parameter or [])
    if any(not value for value in given.values()):
        raise InputError(
            "a parameter has no value", got=parameter, allowed="Name=value", do="Add the value"
        )
    if "ModelPackageArn" in given:
        describe_package(given["ModelPackageArn"], sagemaker)
    arn = start_execution(getattr(config, f"{which}_pipeline"), given, sagemaker)
    if not wait:
        typer.echo(arn)
        return
    *_, last = follow(arn, sagemaker, poll_s=1.0)
    say_execution(last, as_json=options.as_json)


@app.command()
def status(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="readiness, monitoring, review, or an execution's ARN.")
    ],
) -> None:
    """Show an execution (or the pipeline's newest): exit 1 if not ready, 2 if it failed."""
    from seatrial.aws import client
    from seatrial.errors import InputError
    from seatrial.pipelines.execution import executions
    from seatrial.pipelines.execution import status as execution_status

    options = shared(context)
    config = options.config()
    sagemaker = client("sagemaker", region=config.region)
    arn = name
    if not name.startswith("arn:"):
        names = {
            "readiness": config.readiness_pipeline,
            "monitoring": config.monitoring_pipeline,
            "review": config.review_pipeline,
        }
        found = executions(names.get(name, name), sagemaker)
        if not found:
            raise InputError(
                "the pipeline has not run", got=name, allowed="an execution", do="Start one first"
            )
        arn = found[0]
    say_execution(execution_status(arn, sagemaker), as_json=options.as_json)


def say_execution(now: ExecutionStatus, *, as_json: bool) -> None:
    """Print how it stands, and exit with what that means."""
    from dataclasses import asdict

    if as_json:
        say_json(asdict(now))
    else:
        rows = [
            (
                step.name,
                step.status + (" (cached)" if step.cached else ""),
                "" if step.seconds is None else f"{step.seconds:.1f}",
                step.failure_reason or "",
            )
            for step in now.steps
        ]
        say_table(f"{now.status}: {now.arn}", ("step", "status", "s", "reason"), rows)
        if now.failure_reason:
            typer.echo(now.failure_reason)
    if now.status in ("Failed", "Stopped"):
        raise typer.Exit(AGAINST if now.not_ready else FAILED)
