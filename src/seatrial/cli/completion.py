"""`seatrial completion bash|zsh|fish`, and what the shell asks when Tab is pressed."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer()
PROGRAM = "seatrial"
# The script sets it, and Typer looks for it before it runs a verb.
ASKED = "_SEATRIAL_COMPLETE"


class Shell(StrEnum):
    """The shells that a script can be had for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell that will read the script.")],
) -> None:
    """Print a script for completion: eval "$(…)" in bash and zsh, … | source in fish."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name=PROGRAM, complete_var=ASKED, shell=shell.value)
    typer.echo(script)


def prepare_answer() -> None:
    """Let Typer's own answers replace Click's, if a shell asks: the script expects those."""
    if ASKED in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
