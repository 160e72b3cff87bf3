"""The documentation says what is there: blocks that parse, codes that exist, links that lead on."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
from doc_blocks import ALL, KINDS, PAGES, ROOT, Block

from seatrial.cli.app import app
from seatrial.config import load_config

READINESS = ROOT / "src" / "seatrial" / "readiness"
PROGRAM = typer.main.get_command(app)


def codes_of_source() -> set[str]:
    """The codes that checks are made with."""
    found: set[str] = set()
    for path in READINESS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", "")
                first = node.args[:1] if name == "at_most" else []
                keyword = [item.value for item in node.keywords if item.arg == "code"]
                found |= {
                    item.value
                    for item in (*first, *keyword)
                    if isinstance(item, ast.Constant) and isinstance(item.value, str)
                }
    return found


def test_each_readiness_code_has_an_entry_with_how_it_is_measured_and_fixed() -> None:
    page = (ROOT / "docs" / "readiness.md").read_text(encoding="utf-8")
    entries = re.split(r"^### ", page, flags=re.MULTILINE)[1:]
    documented = [entry.split("\n", 1)[0] for entry in entries]
    assert sorted(documented) == sorted(codes_of_source())
    for entry in entries:
        assert "**Measured:** " in entry
        assert "**Fix:** " in entry
    assert f"[{len(entries)} checks]" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_each_file_of_contracts_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "contracts.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: seatrial\.contracts\.(\w+)$", page, re.MULTILINE)
    there = (ROOT / "src" / "seatrial" / "contracts").glob("[a-z]*.py")
    assert sorted(shown) == sorted(path.stem for path in there if path.stem != "base")


def test_each_step_has_a_section() -> None:
    page = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: seatrial\.steps\.(\w+)$", page, re.MULTILINE)
    there = (path.stem for path in (ROOT / "steps").glob("[a-z]*.py") if path.stem != "entry")
    assert sorted(shown) == sorted(there)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_how_it_is_tested(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    mine = [block for block in ALL if block.page == page]
    assert not re.search(r"^(<{7}|>{7}|={7}$)", text, re.MULTILINE), "half of a merge"
    assert text.count("```") == 2 * len(mine), "a fence without a language, or in a list"
    for block in mine:
        assert block.kind in KINDS.get(block.language, set()), block.where
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"\n\n(    [^ ].*)", outside)
    assert [line for line in indented if not line.startswith(("    options", "    - "))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


BASH = [block for block in ALL if block.language in ("bash", "console")]


@pytest.mark.parametrize("block", BASH, ids=lambda block: block.where)
def test_commands_parse(block: Block) -> None:
    if block.language == "bash":
        checked = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True)
        assert checked.returncode == 0, checked.stderr
    for command in block.commands:
        for words in re.findall(r"(?:^|\$\()seatrial ([^|)]*)", command):
            understand(shlex.split(words))
        if command.startswith("make "):
            targets = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert f"\n{command.split()[1]}:" in targets, command


def understand(words: list[str]) -> None:
    """AssertionError unless the program has that verb and all of the options."""
    verb: Any = PROGRAM
    options = options_of(verb)
    waiting = iter(words)
    for word in waiting:
        name = word.split("=")[0]
        if name.startswith("-"):
            assert name in options, f"{verb.name} has no {name}"
            if not options[name].is_flag:
                next(waiting)
        elif word in getattr(verb, "commands", {}):
            verb = verb.commands[word]
            options = options_of(verb)
        else:
            assert not getattr(verb, "commands", {}), f"{verb.name} has no verb {word}"


def options_of(verb: Any) -> dict[str, Any]:
    found = [item for item in verb.params if item.param_type_name == "option"]
    return {name: item for item in found for name in (*item.opts, *item.secondary_opts)}


@pytest.mark.parametrize("words", [["juge"], ["judge", "--profil", "x"], ["cloud", "sideways"]])
def test_a_command_that_is_not_there_would_be_seen(words: list[str]) -> None:
    with pytest.raises(AssertionError):
        understand(words)


PYTHON = [block for block in ALL if block.language == "python"]


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.where)
def test_python_parses(block: Block) -> None:
    ast.parse(block.text)


YAML = [block for block in ALL if block.language == "yaml"]


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.where)
def test_yaml_is_a_configuration(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(block.text, encoding="utf-8")
    load_config(path)
