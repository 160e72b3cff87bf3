"""MkDocs calls these: pages that are made from the project's own sources, and links into it.

A page may hold the line `--8<-- "PATH"`, which stands for that file, or `::: seatrial.steps.NAME`,
which stands for what that step says of itself. Links to files outside of
docs/ work in the repository; the site, which has no such files, names them.
"""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any, get_args

ROOT = Path(__file__).parents[1]
COMMAND_LINE = "reference/cli.md"
INCLUDED = re.compile(r'^--8<-- "(?P<path>[^"]+)"$', re.MULTILINE)
STEP = re.compile(r"^::: seatrial\.steps\.(?P<name>\w+)$", re.MULTILINE)
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>(?!https?:|#|mailto:)[^)\s]+)\)")
# How a block is tested stands after its language; readers need not see it.
KIND = re.compile(r"^```(?P<language>\w+) \w+$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page as the site shows it."""
    if page.file.src_uri == COMMAND_LINE:
        return command_line()
    return STEP.sub(_about_step, as_shown(markdown, page.file.src_uri))


def as_shown(markdown: str, uri: str) -> str:
    """The text of docs/`uri`, with included files in it and links for the site."""
    included = INCLUDED.search(markdown)
    source = f"docs/{uri}"
    if included is not None:
        source = included["path"]
        markdown = (ROOT / source).read_text(encoding="utf-8")
    folder, here = posixpath.dirname(source), posixpath.dirname(f"docs/{uri}")

    def linked(found: re.Match[str]) -> str:
        path, _, part = found["target"].partition("#")
        target = posixpath.normpath(posixpath.join(folder, path))
        if target == "localcloud/README.md":
            target = "docs/localcloud.md"
        if target.startswith("docs/") and target.endswith(".md"):
            anchor = f"#{part}" if part else ""
            return f"[{found['text']}]({posixpath.relpath(target, here)}{anchor})"
        same = found["text"].strip("`") == target
        return f"`{target}`" if same else f"{found['text']} (`{target}`)"

    return KIND.sub(r"```\g<language>", LINK.sub(linked, markdown))


def _about_step(found: re.Match[str]) -> str:
    """The step's own words: what it does, and as they stand there what it reads and writes."""
    source = (ROOT / "steps" / f"{found['name']}.py").read_text(encoding="utf-8")
    first, *more = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")
    shown = "\n\n".join(more)
    return f"{first}\n\n```text\n{shown}\n```\n" if shown else f"{first}\n"


def command_line() -> str:
    """Every verb with its arguments and options, from the program itself."""
    import typer.main

    from seatrial.cli.app import app

    lines = ["# Command line", "", "Options of `seatrial` itself stand before the verb.", ""]
    lines += _verb(typer.main.get_command(app), ["seatrial"])
    return "\n".join(lines)


def _verb(command: Any, words: list[str]) -> list[str]:
    name = " ".join(words)
    parts = [f"## {name}", "", _cell(command.help or ""), ""]
    own = [item for item in command.params if item.name != "help"]
    if own:
        parts += ["| name | one of | |", "|---|---|---|"]
        parts += [_parameter(item) for item in own] + [""]
    for word, verb in sorted(getattr(command, "commands", {}).items()):
        parts += _verb(verb, [*words, word])
    return parts


def _parameter(item: Any) -> str:
    options = [*item.opts, *item.secondary_opts]
    is_option = item.param_type_name == "option"
    names = ", ".join(f"`{name}`" for name in options) if is_option else f"`{item.name.upper()}`"
    values = get_args(item.type_descriptor.annotation)
    kind = ", ".join(f"`{value}`" for value in values if isinstance(value, str))
    notes = ["required"] if item.required else []
    if item.default not in (None, False, "", ()) and not callable(item.default):
        notes.append(f"default: `{getattr(item.default, 'value', item.default)}`")
    about = "; ".join([_cell(item.help or "").rstrip("."), *notes]).lstrip("; ")
    return f"| {names} | {kind} | {about} |"


def _cell(text: str) -> str:
    """Text for a table: angle brackets are no tags, and a bar ends no cell."""
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "\\|")
