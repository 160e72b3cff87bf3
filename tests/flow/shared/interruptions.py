"""A step that a SIGKILL ends at one of its acts and that is run again, as a program of its own.

    python interruptions.py PLAN.json      (its answer is JSON on stdout)

An act is what changes something outside: a file that is opened for writing, written (Parquet, in
pieces), renamed or removed, a request that is not a mere look, a statement that changes a database.
The process ends right before the act; for a file, also when it was opened and nothing is in it yet.
The steps are imported once, and every run is a fork, so that a point costs no imports.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A run that waits for a thread that the fork does not have is ended, and told as its signal.
LONGEST_S = 300
LOOKS = (b"GET", b"HEAD")
CHANGES = ("INSERT", "UPDATE", "DELETE")
FILE_EVENTS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
WRITES = os.O_WRONLY | os.O_RDWR
# Its plots have ids by chance.
BY_CHANCE = "drift.html"


@dataclass
class Acts:
    """Counts acts below some folders and over the network, and ends the process at one of them."""

    fatal: int | None
    folders: tuple[str, ...]
    names: list[str] = field(default_factory=list)

    def tick(self, name: str, *, before_end: Callable[[], object] = lambda: None) -> None:
        self.names.append(name)
        if len(self.names) == self.fatal:
            before_end()
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(self, event: str, given: Any) -> None:
        """An audit hook."""
        if event == "open" and isinstance(given[0], str) and self._writes(*given):
            self.tick(f"open {Path(given[0]).name}")
            self.tick(
                f"opened {Path(given[0]).name}",
                before_end=lambda: os.close(os.open(given[0], os.O_CREAT | os.O_TRUNC | WRITES)),
            )
        elif event in FILE_EVENTS and self._ours(given[0]):
            self.tick(f"{event} {Path(os.fspath(given[0])).name}")
        elif event == "http.client.send":
            self._sent(given[1])

    def _writes(self, path: str, mode: str | None, flags: int) -> bool:
        writes = bool(set(mode) & set("wax+")) if mode else bool(flags & WRITES)
        return writes and self._ours(path)

    def _ours(self, path: Any) -> bool:
        return str(path).startswith(self.folders)

    def _sent(self, data: Any) -> None:
        first = bytes(data).split(b"\r\n")[0] if isinstance(data, bytes | bytearray) else b""
        if first.endswith(b"HTTP/1.1") and not first.startswith(LOOKS):
            self.tick(first.decode().removesuffix(" HTTP/1.1"))

    def ran(self, statement: str) -> None:
        """A statement that is about to be run."""
        if statement.startswith(CHANGES):
            self.tick(" ".join(statement.split()[:3]))


class CountedFile(io.FileIO):
    """A Parquet file that is written in acts, so that half of it can be there."""

    def __init__(self, path: str, acts: Acts) -> None:
        super().__init__(path, "wb")
        self._acts = acts

    def write(self, data: Any) -> int:
        self._acts.tick("write Parquet")
        return super().write(bytes(data))


def watch(acts: Acts) -> None:
    """Let the acts of this process be counted."""
    import pyarrow.parquet as pq
    import sqlalchemy.event
    from sqlalchemy.engine import Engine

    sys.addaudithook(acts.hook)
    writer = pq.ParquetWriter

    def counted(where: Any, *given: Any, **more: Any) -> Any:
        return writer(CountedFile(os.fspath(where), acts), *given, **more)

    pq.ParquetWriter = pq.core.ParquetWriter = counted  # write_table looks it up in the second

    def ran(_: Any, __: Any, statement: str, *___: Any) -> None:
        acts.ran(statement)

    sqlalchemy.event.listen(Engine, "before_cursor_execute", ran)
    sqlalchemy.event.listen(Engine, "commit", lambda _: acts.ran("UPDATE by commit"))


def run(main: Callable[[Sequence[str]], int], words: Sequence[str], acts: Acts, told: Path) -> int:
    """The step in a fork; its exit code, or less than 0 for the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            signal.alarm(LONGEST_S)
            watch(acts)
            code = main(words)
            told.write_text(json.dumps(acts.names), encoding="utf-8")
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(folder: Path) -> dict[str, str]:
    """All files below; of what is drawn by chance, whether it is whole."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            whole = content.rstrip().endswith(b"</html>")
            drawn = f"whole: {whole}" if path.name == BY_CHANCE else content.hex()
            found[str(path.relative_to(folder))] = drawn
    return found


def chosen(names: Sequence[str], wanted: int | None, also: str) -> list[int]:
    """The acts to end at: all, or so many from the first to the last and those named `also`."""
    count = len(names)
    if wanted is None or wanted >= count:
        return list(range(1, count + 1))
    spread = {round(1 + at * (count - 1) / max(1, wanted - 1)) for at in range(wanted)}
    return sorted(spread | {at for at, name in enumerate(names, 1) if also and also in name})


def interrupt(plan: dict[str, Any]) -> dict[str, Any]:
    """Run the plan's step undisturbed, then with an end at each of the points, and once more.

    `{point}` in its words is the act that it ends at, 0 for the undisturbed run; `outputs` is the
    folder that has to be the same after each. Where a run has a place of its own, nothing is
    compared here.
    """
    main = importlib.import_module(plan["module"]).main
    for name in plan.get("imports", ()):
        importlib.import_module(name)
    out, told = Path(plan["outputs"]), Path(plan["told"])
    folders = tuple(plan["folders"])

    def words(point: int) -> list[str]:
        return [word.replace("{point}", str(point)) for word in plan["words"]]

    shutil.rmtree(out, ignore_errors=True)
    assert run(main, words(0), Acts(None, folders), told) == 0
    names: list[str] = json.loads(told.read_text(encoding="utf-8"))
    whole, wrong = contents(out), list[str]()
    points = chosen(names, plan["points"], plan.get("also", ""))
    for point in points:
        if not plan.get("apart"):
            shutil.rmtree(out, ignore_errors=True)
        killed = run(main, words(point), Acts(point, folders), told)
        again = run(main, words(point), Acts(None, folders), told)
        same = bool(plan.get("apart")) or contents(out) == whole
        if (killed, again, same) != (-signal.SIGKILL, 0, True):
            wrong.append(f"{point} {names[point - 1]}: {killed}, {again}, same {same}")
    return {"acts": names, "points": points, "wrong": wrong}


if __name__ == "__main__":
    answer = interrupt(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    sys.stdout.write("\n" + json.dumps(answer))
