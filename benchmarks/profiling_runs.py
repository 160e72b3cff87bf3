"""Runs the profiler as ProfileModel does, and servers in localcloud's cgroups to know the truth."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.contracts import Profile, read_contract
from seatrial.localcloud.cgroup_search import find_cgroups, remove_recorded
from seatrial.localcloud.cgroups import Cgroups
from seatrial.steps import profile_model

# Says before and after each block of a tier whose it is, and waits for a byte.
IN_TURN = """
ask, told, block = {ask}, {told}, p.TierRun.block
def turn(run, side):
    p.os.write(ask, f"{{run.memory_size_mb or 0}} {{side}}\\n".encode())
    p.os.read(told, 1)
def in_turn(self):
    turn(self, "before")
    more = block(self)
    turn(self, "after")
    return more
p.TierRun.block = in_turn
"""
WITHOUT_CGROUP = "p.find_cgroups = lambda: p.Cgroups(None, 0)"


@dataclass(frozen=True)
class Body:
    """A request."""

    name: str
    body: str
    content_type: str = "text/csv"
    rows: int = 1


@dataclass(frozen=True)
class Subject:
    """A server to profile: its command, the files of its model, and the requests."""

    name: str
    command: tuple[str, ...]
    bodies: tuple[Body, ...]
    files: dict[str, bytes] = field(default_factory=dict)

    def pack(self, folder: Path) -> Path:
        """A folder as OptimizeModel writes it, with this as the only survivor."""
        (folder / "fp32").mkdir(parents=True)
        self.unpack(folder / "model")
        with tarfile.open(folder / "fp32" / "model.tar.gz", "w:gz", compresslevel=1) as tar:
            tar.add(folder / "model", arcname=".")
        candidates = {"candidates": [{"name": "fp32", "rejection": None}]}
        (folder / "optimization.json").write_text(json.dumps(candidates))
        lines = [json.dumps({"schema_version": 1, **vars(item)}) + "\n" for item in self.bodies]
        (folder / "payloads.jsonl").write_text("".join(lines))
        return folder

    def unpack(self, folder: Path) -> Path:
        """The model's files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder


def profile(
    subject: Subject,
    folder: Path,
    *,
    patch: str = "",
    turn: Callable[[str], None] | None = None,
    **options: object,
) -> Profile:
    """What the profiler says of it; `patch` changes the program before it runs.

    `turn` is called before and after each block of requests at a tier, which waits for it.
    """
    if not folder.exists():
        subject.pack(folder)
    told = {
        "candidates": folder,
        "output": folder / "profile",
        "serve_command": shlex.join(subject.command),
        **options,
    }
    arguments = [part for key, value in told.items() for part in (_option(key), str(value))]
    source = Path(str(profile_model.__file__)).resolve().parent
    if turn is not None:
        asks, ask = os.pipe()
        told, tells = os.pipe()
        patch += IN_TURN.format(ask=ask, told=told)
    program = (
        f"import sys; sys.path.insert(0, {str(source)!r})\n"
        "import profile_model as p\n"
        "p.image_size = lambda: (1.0, 'not measured here')\n"
        "p.Profiler.count_uncompiled = lambda *_: None\n"
        f"{patch}\nsys.exit(p.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, *arguments]
    if turn is None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=1200)
    else:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, pass_fds=(ask, told)) as process:
            os.close(ask)
            os.close(told)
            with os.fdopen(asks) as questions, os.fdopen(tells, "wb", 0) as answers:
                for line in questions:
                    turn(line)
                    answers.write(b".")
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
    return read_contract(Profile, folder / "profile" / "profile.json")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


@contextlib.contextmanager
def caged(
    subject: Subject,
    folder: Path,
    cgroups: Cgroups,
    *,
    memory_mb: int,
    vcpus: float | None,
    told: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """The server in a cgroup with a tier's memory and CPU, as localcloud's sandboxes are."""
    cage = cgroups.cage(f"bench-{time.monotonic_ns()}", memory_mb=memory_mb, vcpus=vcpus)
    port = profile_model.free_port()
    environment = {
        **os.environ,
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SEATRIAL_MODEL_DIR": str(subject.unpack(folder / "model")),
        "SEATRIAL_HOST": "127.0.0.1",
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        **(told or {}),
    }
    process = subprocess.Popen(
        cage.command(subject.command),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Running(process, port, lambda: cage.memory.memory_kills() if cage.memory else 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while not cage.try_remove():
            time.sleep(0.01)


class Running:
    """A server, and what can be asked of it."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, kills: Callable[[], int]
    ) -> None:
        self.process, self.port, self._kills = process, port, kills

    @property
    def killed(self) -> bool:
        """Whether the kernel has killed one of it for want of memory."""
        return bool(self._kills())

    def ready(self, deadline_s: float = 60) -> bool:
        """Wait for /ping; False if it does not come."""
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.send("GET", "/ping", Body("", "")) == 200:
                    return True
            time.sleep(0.01)
        return False

    def send(self, method: str, path: str, body: Body) -> int:
        """The status of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body.body, {"Content-Type": body.content_type})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def invoke(self, body: Body) -> bool:
        """Whether it is answered."""
        try:
            return self.send("POST", "/invocations", body) == 200
        except (OSError, http.client.HTTPException):
            return False


@contextlib.contextmanager
def local_cgroups(folder: Path) -> Iterator[Cgroups]:
    """Where localcloud makes its sandboxes' cgroups; they are removed afterwards."""
    record = folder / "cgroups"
    try:
        yield find_cgroups(record)
    finally:
        remove_recorded(record)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The profiler's own, of milliseconds."""
    found = profile_model.percentile_ms([value / 1000 for value in ordered], share)
    if found is None:
        raise ValueError("nothing was measured")
    return found
