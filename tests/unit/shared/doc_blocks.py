"""The code blocks of the documentation, and how each is tested.

The word after a block's language says it; a block without one is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "localcloud" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples" / "sentiment" / "README.md",
]
# aws: only on AWS. parsed: minutes, or names of your own. make: its targets, which CI runs.
# shown: for your own shell. last: run after all others.
KINDS = {
    "bash": {"", "aws", "parsed", "make", "shown", "last"},
    "python": {""},
    "yaml": {""},
    "console": {""},
    "text": {""},
}
FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    kind: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """What a reader would type, each on one line and without comments."""
        text = self.text
        if self.language == "console":
            text = "\n".join(_typed(text))
        joined = text.replace("\\\n", " ").split("\n")
        bare = (re.sub(r"(^|\s+)# .*$", "", line).strip() for line in joined)
        return [line for line in bare if line]


def _typed(session: str) -> Iterator[str]:
    """The lines after a prompt, and those that continue them."""
    goes_on = False
    for line in session.split("\n"):
        if line.startswith("$ ") or goes_on:
            yield line.removeprefix("$ ")
            goes_on = line.endswith("\\")


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text[: found.start()].count("\n") + 1, found[1], found[2] or "", found[3])
        for found in FENCE.finditer(text)
    ]


ALL = [block for page in PAGES for block in blocks(page)]
