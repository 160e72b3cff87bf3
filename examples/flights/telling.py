"""How the demo tells its story: a progress bar while a stage runs, and then what was found."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from seatrial.examples.flights.page import Stage
from seatrial.pipelines.execution import ExecutionStatus


@dataclass
class Teller:
    """Runs the stages with a progress bar, and keeps what they found and took."""

    console: Console
    stages: list[Stage]

    @contextmanager
    def stage(self, title: str, total: int = 1) -> Iterator[StageBar]:
        """One stage; its lines are printed when it ends."""
        stage = Stage(title)
        started = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} {task.fields[note]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            bar = StageBar(stage, progress, progress.add_task(title, total=total, note=""))
            try:
                yield bar
            finally:
                stage.seconds = time.monotonic() - started
                self.stages.append(stage)
        self.console.print(f"[bold]{title}[/]  [dim]{stage.seconds:.1f} s[/]")
        for line in stage.lines:
            text = indented(line, self.console.width)
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def indented(line: str, width: int) -> str:
    """In two columns, and no wider than that; a long name stays whole, so that it can be copied.

    >>> indented("See s3://bucket/key/that/is/long for more", 20).split("\\n")
    ['  See', '  s3://bucket/key/that/is/long', '  for more']
    """
    return textwrap.fill(
        line,
        width,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


@dataclass
class StageBar:
    """What a stage reports to."""

    stage: Stage
    progress: Progress
    task: Any

    def tick(self) -> None:
        """One more done."""
        self.progress.advance(self.task)

    def say(self, line: str) -> None:
        """Something that was found."""
        self.stage.lines.append(line)

    def follow(self, now: ExecutionStatus) -> None:
        """Show which steps run and how many have ended."""
        ended = [step for step in now.steps if step.seconds is not None]
        running = [step.name for step in now.steps if step.seconds is None]
        self.progress.update(self.task, completed=len(ended), note=", ".join(running))

    def say_steps(self, execution: ExecutionStatus) -> None:
        """Each step's status and seconds on one line."""
        parts = [f"{step.name} {step.seconds or 0:.1f} s" for step in execution.steps]
        self.say(f"{execution.status}: {', '.join(parts)}")

    def link(self, label: str, path: Path) -> None:
        """A file that is worth a look."""
        self.stage.links[label] = path
