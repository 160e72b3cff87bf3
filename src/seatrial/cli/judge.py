"""`seatrial judge`: the gate alone, on the files of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.output import AGAINST, say_contract, say_readiness, shared, write_config

app = typer.Typer()


@app.command()
def judge(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help="Has candidates, profile and baseline; --out defaults to its verdict."),
    ] = None,
    candidates: Annotated[Path | None, typer.Option(help="What optimize wrote.")] = None,
    profile: Annotated[Path | None, typer.Option(help="What profile wrote.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="What baseline wrote.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for what the step writes.")] = None,
    offline: Annotated[
        bool | None,
        typer.Option(
            "--offline/--ask-aws",
            help="Ask AWS nothing: assume a new account's quotas. Default: so for a FOLDER only.",
        ),
    ] = None,
) -> None:
    """Judge whether the model is ready, and write report.html: exit 1 if it is not."""
    from seatrial.contracts import Readiness, read_contract
    from seatrial.steps import judge_readiness

    options = shared(context)
    inputs = {"candidates": candidates, "profile": profile, "baseline": baseline}
    places = {name: _place(name, given, folder) for name, given in inputs.items()}
    verdict = _place("verdict", out, folder, option="out")
    alone = folder is not None if offline is None else offline
    config = write_config(options.config(), verdict)
    judge_readiness.main(
        [
            *("--candidates", str(places["candidates"])),
            *("--profile", str(places["profile"])),
            *("--baseline", str(places["baseline"])),
            *("--config", str(config)),
            *("--output", str(verdict)),
            *("--readiness-uri", str(verdict)),
            *(["--offline"] if alone else []),
        ]
    )
    result = read_contract(Readiness, verdict / "readiness.json")
    if options.as_json:
        say_contract(result)
    else:
        say_readiness(result)
        typer.echo(f"report: {verdict / 'report.html'}")
    if not result.ready:
        raise typer.Exit(AGAINST)


def _place(name: str, given: Path | None, folder: Path | None, option: str | None = None) -> Path:
    """The folder that an option gives, else the one of that name in FOLDER."""
    if given is not None:
        return given
    if folder is not None:
        return folder / name
    from seatrial.errors import InputError

    raise InputError(
        f"it is not clear where {name} is",
        got="neither FOLDER nor the option",
        allowed=f"a folder with {name} in it, or --{option or name}",
        do="seatrial judge FOLDER, or see seatrial judge --help",
    )
