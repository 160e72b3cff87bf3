"""The serving image's server against others that serve the same model, and against the floor.

    .venv/bin/python benchmarks/serving.py [--short] [--json FILE] [--envs FOLDER] [--only NAME …]

The others are MLServer, BentoML, AWS's sagemaker-inference toolkit with multi-model-server (Java),
and a raw-asyncio server that does nothing else: the floor. Each has a virtual environment of its
own with compiled bytecode, made in --envs and kept there; one that cannot be installed or does not
start is left out, and said so. All serve the same boosted trees with one worker, one thread and no
access log, and are asked for the same rows in JSON as their own protocols have it. Only seatrial
writes a record of each request, to a pipe.

Walls on a shared machine swing, so the servers take turns, and ratios are of what was measured in
the same turn. Everything that is started ends with the program; it all stays on loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving_peers import figures, load
from serving_peers.environments import (
    REQUIREMENTS,
    ROOT,
    CannotInstallError,
    compiled,
    make_environment,
)
from serving_peers.figures import CLIENTS, Figures
from serving_peers.processes import Running, end_all
from serving_peers.servers import SERVERS, Server, StartFailedError
from serving_peers.trees import make_model

COMPARED = ("floor", "seatrial")
_FIRST_TIMEOUT_S = 120.0
_SETTLE_S = 0.3
_WARM_UP = 300


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    starts: int
    rounds: int
    requests: int
    seconds: float
    records: int


SHORT = Effort(starts=2, rounds=3, requests=200, seconds=0.3, records=500)
FULL = Effort(starts=9, rounds=20, requests=200, seconds=1.0, records=5000)


class Bench:
    """The servers, their model, and what was measured of them."""

    def __init__(self, pythons: Mapping[str, Path], folder: Path) -> None:
        self._pythons, self._folder, self._count = pythons, folder, 0
        self._rows = make_model(folder / "model")
        self.found = {name: Figures() for name in pythons}

    def measure_starts(self) -> None:
        """Start each once: time to the first prediction, and memory after it."""
        for name in list(self.found):
            try:
                self._measure_start(name)
            except StartFailedError as error:
                if name in COMPARED:
                    raise
                say(f"{name}: left out: {error}")
                del self.found[name]

    def measure_load(self, effort: Effort) -> None:
        """Start all, and ask each in turn."""
        with contextlib.ExitStack() as stack:
            running = {name: stack.enter_context(self._running(name)) for name in self.found}
            for name, (server, _, _) in running.items():
                load.one_client_ms(server.port, self._requests(server), _WARM_UP)
                self.found[name].encoding = server.encoding
            for _ in range(effort.rounds):
                for name, (server, process, _) in running.items():
                    self._measure_one_client(self.found[name], server, process, effort.requests)
                for name, (server, process, _) in running.items():
                    self._measure_many_clients(self.found[name], server, process, effort.seconds)

    def _measure_start(self, name: str) -> None:
        with self._running(name) as (_, process, wall_s):
            cpu_s = process.cpu_s()
            time.sleep(_SETTLE_S)
            memory = process.memory()
        figures = self.found[name]
        figures.first_wall_s.append(wall_s)
        figures.first_cpu_s.append(cpu_s)
        figures.rss_mb.append(memory.rss_mb)
        figures.pss_mb.append(memory.pss_mb)

    def _measure_one_client(
        self, figures: Figures, server: Server, process: Running, count: int
    ) -> None:
        cpu_s = process.cpu_s()
        taken = load.one_client_ms(server.port, self._requests(server), count)
        figures.one_client_cpu_us.append((process.cpu_s() - cpu_s) / count * 1e6)
        figures.p50_ms.append(statistics.median(taken))

    def _measure_many_clients(
        self, figures: Figures, server: Server, process: Running, seconds: float
    ) -> None:
        cpu_s = process.cpu_s()
        count = load.answered(server.port, self._requests(server), CLIENTS, seconds)
        figures.many_clients_cpu_us.append((process.cpu_s() - cpu_s) / count * 1e6)
        figures.requests_per_s.append(count / seconds)

    @contextlib.contextmanager
    def _running(self, name: str) -> Iterator[tuple[Server, Running, float]]:
        """A server that has predicted, and the wall seconds that it took from its start."""
        self._count += 1
        folder = self._folder / f"{self._count}-{name}"
        server = SERVERS[name](self._pythons[name], self._folder / "model", folder)
        begun = time.perf_counter()
        process = Running(server.command, server.environment, folder, piped=server.records)
        try:
            yield server, process, first_prediction(server, process, self._rows[0]) - begun
        finally:
            process.end()

    def _requests(self, server: Server) -> list[bytes]:
        return [server.request(row) for row in self._rows]


def first_prediction(server: Server, process: Running, row: Sequence[float]) -> float:
    """When it came; StartFailedError if it does not."""
    request = server.request(row)
    give_up_at = time.perf_counter() + _FIRST_TIMEOUT_S
    why = "nothing listens"
    while time.perf_counter() < give_up_at and not process.ended:
        try:
            with load.connect(server.port) as connection:
                answer = load.ask(connection, request)
            at = time.perf_counter()
        except (OSError, load.LoadError) as error:
            why = str(error)
            time.sleep(0.002)
            continue
        if not 0 < server.score(json.loads(answer)) < 1:
            raise StartFailedError(f"it answered {answer!r}")
        return at
    raise StartFailedError(f"no prediction: {why}\n{process.said}")


def pythons(names: Sequence[str], envs: Path, serving: Path) -> dict[str, Path]:
    """The interpreter of each server that can be installed."""
    found = {}
    for name in names:
        try:
            found[name] = make_environment(name, envs, serving)
        except CannotInstallError as error:
            if name in COMPARED:
                raise
            say(f"{name}: left out: it cannot be installed: {error}")
            continue
        have, of = compiled(found[name])
        packages = ", ".join(REQUIREMENTS[name]) or "the serving image's packages"
        say(f"{name}: {packages}; {have} of {of} modules have bytecode")
    return found


def record_cost(python: Path, effort: Effort) -> dict[str, Any]:
    """CPU µs of a prediction record, measured in a process of its own."""
    command = [str(python), "-m", "record_cost", str(effort.records), "25"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return dict(json.loads(done.stdout))


def report(found: Mapping[str, Figures], record: Mapping[str, Any]) -> None:
    """Print the figures, how each server was asked, and what was reached."""
    say("")
    for line in figures.table(found):
        say(line)
    say("")
    for name, one in found.items():
        say(f"{name:20} {one.encoding}")
    ours, theirs = record["cpu_us"]["seatrial"], record["cpu_us"]["json+print"]
    say(
        f"\none record of {record['line_bytes']} bytes: {ours:.1f} CPU µs, "
        f"with json and print {theirs:.1f} (best of 25 blocks)\n"
    )
    for target in figures.targets(found, ours):
        say(str(target))


def say(line: str) -> None:
    """Print it at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="a first look, in less than a minute")
    parser.add_argument("--json", type=Path, help="write every value there")
    parser.add_argument("--only", nargs="+", choices=SERVERS, default=[], help="these peers only")
    parser.add_argument("--envs", type=Path, default=Path.home() / ".cache" / "seatrial-benchmarks")
    parser.add_argument(
        "--serving", type=Path, default=ROOT / "serving", help="another copy of serving/"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    args = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    effort = SHORT if args.short else FULL
    names = [n for n in SERVERS if not args.only or n in (*COMPARED, *args.only)]
    try:
        found = pythons(names, args.envs.resolve(), args.serving)
        with tempfile.TemporaryDirectory(prefix="seatrial-benchmark-") as folder:
            bench = Bench(found, Path(folder))
            for number in range(effort.starts):
                say(f"start {number + 1} of {effort.starts}")
                bench.measure_starts()
            say(f"{effort.rounds} rounds of load")
            bench.measure_load(effort)
            record = record_cost(found["seatrial"], effort)
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except (CannotInstallError, StartFailedError, load.LoadError) as error:
        say(f"cannot go on: {error}")
        return 2
    finally:
        end_all()
    report(bench.found, record)
    if args.json:
        text = json.dumps(figures.document(bench.found, record), indent=1)
        args.json.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
