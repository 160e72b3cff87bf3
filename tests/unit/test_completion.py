"""Tab completion, as a real shell does it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# What readline does on Tab: the words so far, the function of the script, and its answers.
PRESS_TAB = """
eval "$(seatrial completion bash)"
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_seatrial_completion seatrial
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
PRESS_TAB_IN_ZSH = """
compdef() {{ :; }}
_arguments() {{ print -l -- "$@"; }}
eval "$(seatrial completion zsh)"
words=({words}); CURRENT=${{#words}}
_seatrial_completion
"""


PRESS_TAB_IN_FISH = """
seatrial completion fish | source
complete --do-complete "{words}"
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with the program on it."""
    program = tmp_path / "seatrial"
    program.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'from seatrial.cli import main; main()' \"$@\"\n"
    )
    program.chmod(0o755)
    return f"{tmp_path}:/usr/bin:/bin"


def ask(shell: str, script: str, path: str) -> list[str]:
    ended = subprocess.run(
        [shell, "-c", script], capture_output=True, text=True, check=True, env={"PATH": path}
    )
    assert ended.stderr == ""
    return ended.stdout.split("\n")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "wanted", "unwanted"),
    [
        ("seatrial --config c.yaml pi", "pipeline", "cloud"),
        ("seatrial judge --pro", "--profile", "--out"),
        ("seatrial monitor se", "selftest", "run"),
    ],
)
def test_bash_completes_verbs_and_options(
    words: str, wanted: str, unwanted: str, path: str
) -> None:
    found = ask("bash", PRESS_TAB.format(words=words), path)
    assert wanted in found
    assert unwanted not in found


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
def test_zsh_completes_verbs(path: str) -> None:
    found = "\n".join(ask("zsh", PRESS_TAB_IN_ZSH.format(words="seatrial pi"), path))
    assert "pipeline" in found
    assert "cloud" not in found


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
@pytest.mark.parametrize(
    ("words", "wanted", "unwanted"),
    [
        ("seatrial --config c.yaml pi", "pipeline", "cloud"),
        ("seatrial judge --pro", "--profile", "--out"),
    ],
)
def test_fish_completes_verbs_and_options(
    words: str, wanted: str, unwanted: str, path: str
) -> None:
    found = ask("fish", PRESS_TAB_IN_FISH.format(words=words), path)
    offered = {line.partition("\t")[0] for line in found}
    assert wanted in offered
    assert unwanted not in offered


def test_another_shell_is_refused_with_those_that_are_there() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "from seatrial.cli import main; main()", "completion", "tcsh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "bash" in ended.stderr
    assert "zsh" in ended.stderr
