"""Measure each survivor in the image that will serve it: start-up, memory, latency, CPU.

Reads   candidates/: optimization.json, payloads.jsonl, <candidate>/model.tar.gz
Writes  profile.json (seatrial.contracts.Profile)

One file, the standard library alone, syntax and library of Python 3.8: it is copied into whatever
image serves and must run there, so it imports nothing of seatrial and is longer than a module here
should be. Linux only: it reads /proc.

How each figure is measured
    Every payload gets a fresh process of the image's own server command, and so does every cold
    start. The server listens on a free port, told by SAGEMAKER_BIND_TO_PORT, and not on 8080, so
    that it never meets another server or profiler on the same machine.

    memory     Of the whole process tree, daemons that left it included, since its start. A watching
               thread looks at least every 10 ms. For one process the kernel's own high-water mark
               counts (VmHWM). For several, private and shared memory is their PSS, plus what any of
               them peaked at since the last look; files they map count once, whoever outside of the
               tree maps them too: in a sandbox nobody does. Where a child memory cgroup can be
               made, its highest usage is taken as well, less its page cache (which the kernel gives
               back under pressure), plus the mapped files; that also catches a process that lived
               between two looks. Never ru_maxrss: a child inherits it from this program.
    latency    From sending a request to having read its answer, one at a time on one connection.
               The first request of a process is left out where there are others.
    CPU        Of the tree, by the processes' CPU clocks, over the same requests.
    cold start From starting the process, with files in the page cache: to the port taking a
               connection, to /ping answering 200, to the first prediction, of the smallest payload.
               Fetching image and archive is not in it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gzip
import http.client
import json
import math
import os
import platform
import re
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Sequence

MB = 2**20
DISK_LIMIT_MB = 5 * 1024  # of a serverless endpoint, archive and model together
REQUEST_TIMEOUT_S = 60.0  # the service's own
LOOK_EVERY_S = 0.004
MAX_ERRORS = 3  # in a row, of one payload
MAX_MEMBERS = 100_000
STDERR_TAIL_BYTES = 2000
CGROUP_PREFIX = "seatrial-profile-"
FAILED = 2

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CPU_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED of the kernel's posix-timers.h


class ProfileError(Exception):
    """Input that cannot be used: what happened, the value seen, what is allowed, what to do."""

    def __init__(self, what: str, *, got: object, allowed: object, do: str) -> None:
        super().__init__(f"{what}: got {got!r}, allowed {allowed}. {do}")


class SizeError(Exception):
    """An archive that does not fit the service's disk; holds the MB counted so far."""

    def __init__(self, size_mb: float) -> None:
        super().__init__(f"it unpacks to more than the service's disk of {DISK_LIMIT_MB} MB")
        self.size_mb = size_mb


class ServerError(Exception):
    """The server died, was stopped, or did not answer as it should; says how."""


class Payload(NamedTuple):
    """A request as a client will send it."""

    name: str
    content_type: str
    rows: int
    body: bytes


class Limits(NamedTuple):
    """How long and how far to measure."""

    cold_starts: int
    requests: int
    seconds: float
    start_s: float
    memory_stop_mb: int


# ---- what is to be profiled


def _survives(candidate: dict[str, Any]) -> bool:
    return candidate["rejection"] is None and candidate.get("passed_over") is None


def read_names(folder: Path, wanted: str | None) -> list[str]:
    """The candidates to profile: the wanted ones, by default the survivors."""
    path = folder / "optimization.json"
    try:
        candidates = json.loads(path.read_text(encoding="utf-8"))["candidates"]
        names = [item["name"] for item in candidates if _survives(item)]
        known = [item["name"] for item in candidates]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProfileError(
            "cannot read the candidates",
            got=f"{path.name}: {error!r}",
            allowed="an optimization.json of OptimizeModel",
            do="Run OptimizeModel first",
        ) from error
    if wanted:
        names = [name.strip() for name in wanted.split(",")]
    if not names or not set(names) <= set(known):
        raise ProfileError(
            "there is no such candidate to profile",
            got=", ".join(names) or "no survivor",
            allowed=", ".join(known),
            do="Widen the guards, or name candidates that are there",
        )
    for name in names:
        if not re.match(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", name):
            raise ProfileError(
                "a candidate's name cannot be a folder's",
                got=name,
                allowed="letters, digits, dot, dash, underscore",
                do="Rename it",
            )
    return names


def read_payloads(path: Path) -> list[Payload]:
    """The payloads of `path`, one JSON object a line."""
    payloads = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            body = item["body"].encode("utf-8")
            payloads.append(Payload(item["name"], item["content_type"], item["rows"], body))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProfileError(
            "cannot read the sample payloads",
            got=f"{path.name}, line {len(payloads) + 1}: {error!r}",
            allowed="a JSON object a line with name, content_type, rows and body",
            do="Register the model with payloads as clients will send them",
        ) from error
    if not payloads:
        raise ProfileError(
            "there are no sample payloads",
            got=path.name,
            allowed="at least one line",
            do="Register the model with payloads as clients will send them",
        )
    return payloads


def unpack(archive: Path, folder: Path) -> int:
    """Unpack the archive and return the bytes it holds.

    Only files and folders, none outside of `folder`. SizeError past the service's disk.
    """
    try:
        return _unpack(archive, folder)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ProfileError(
            f"cannot unpack {archive.parent.name}/{archive.name}",
            got=f"{type(error).__name__}: {error}",
            allowed="a whole .tar.gz",
            do="Build and upload the archive again",
        ) from error


def _unpack(archive: Path, folder: Path) -> int:
    size = 0
    with gzip.open(archive) as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as tar:
        for count, member in enumerate(tar):
            parts = Path(member.name).parts
            if Path(member.name).is_absolute() or ".." in parts or count >= MAX_MEMBERS:
                raise _unsafe(archive, member.name)
            size += member.size
            if size + archive.stat().st_size > DISK_LIMIT_MB * MB:
                raise SizeError(size / MB)
            target = folder.joinpath(*parts)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.isfile():
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(tar, member, target)
            else:
                raise _unsafe(archive, member.name)
        while unzipped.read(MB):  # to the end, whose checksum tells a truncated archive
            pass
    return size


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None  # noqa: S101 - it is a file
    with target.open("wb") as file:
        left = member.size
        while left:
            block = source.read(min(left, MB))
            if not block:
                raise EOFError("the archive ends inside " + member.name)
            file.write(block)
            left -= len(block)


def _unsafe(archive: Path, name: str) -> ProfileError:
    return ProfileError(
        f"{archive.parent.name}/{archive.name} holds what a model archive may not",
        got=name,
        allowed=f"at most {MAX_MEMBERS} files and folders, inside the archive's own",
        do="Build the archive from plain files; links and devices are refused",
    )


# ---- process tree


class ProcessTree:
    """What this process starts from now on: a server, what that starts, and orphans left to us."""

    def __init__(self) -> None:
        self._bystanders = set(_children(os.getpid()))

    def pids(self) -> list[int]:
        """All that runs now."""
        found: list[int] = []
        todo = self._roots()
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo.extend(_children(pid))
        return found

    def kill(self) -> None:
        """Kill all of it, a process that leads a group with its group."""
        for pid in self.pids():
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill until nothing of it runs."""
        for _ in range(1000):
            self.kill()
            for pid in self._roots():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            if not self.pids():
                return
            time.sleep(0.005)

    def _roots(self) -> list[int]:
        return [pid for pid in _children(os.getpid()) if pid not in self._bystanders]


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - hot path
    except OSError:
        return []
    texts = (_read(f"/proc/{pid}/task/{thread}/children") for thread in threads)
    return [int(child) for text in texts for child in text.split()]


def _read(path: str) -> str:
    """The file's text, empty if it is gone; by descriptor, because it is read at every look."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        blocks = iter(lambda: os.read(descriptor, 65536), b"")
        return b"".join(blocks).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _kilobytes(text: str) -> dict[str, int]:
    """`Name:  123 kB` lines as {name: 123}."""
    lines = (line.split() for line in text.splitlines())
    return {line[0][:-1]: int(line[1]) for line in lines if len(line) == 3 and line[2] == "kB"}


def tree_cpu_s(pids: Sequence[int]) -> float:
    """CPU seconds of these processes so far, and of children that they have waited for."""
    total = 0.0
    for pid in pids:
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if not fields:
            continue
        own, waited_for = fields[11:13], fields[13:15]
        tick = float(os.sysconf("SC_CLK_TCK"))
        total += sum(map(int, waited_for)) / tick
        try:  # to the nanosecond, where stat counts in ticks of 10 ms
            total += time.clock_gettime((~pid << 3) | CPU_CLOCK_OF_PROCESS)
        except OSError:
            total += sum(map(int, own)) / tick
    return total


def count_threads(pids: Sequence[int]) -> int:
    """The threads of these processes."""
    found = (re.search(r"^Threads:\s+(\d+)", _read(f"/proc/{pid}/status"), re.M) for pid in pids)
    return sum(int(match.group(1)) for match in found if match)


# ---- memory


class Look(NamedTuple):
    """The tree's memory at one moment, in MB; `peak` is at least what it was since the last."""

    now: float
    peak: float
    files: float


class TreeMemory:
    """Looks at the memory of the process tree; remembers each process's high-water mark."""

    def __init__(self, tree: ProcessTree) -> None:
        self._tree = tree
        self._marks: dict[int, int] = {}

    def look(self) -> Look:
        """The memory now; all zero if nothing runs."""
        statuses = {pid: _kilobytes(_read(f"/proc/{pid}/status")) for pid in self._tree.pids()}
        live = {pid: status for pid, status in statuses.items() if "VmRSS" in status}
        files = max((status["RssFile"] for status in live.values()), default=0)
        if len(live) == 1:
            [status] = live.values()
            now, peak = status["VmRSS"], status["VmHWM"]
        else:
            rollups = [_kilobytes(_read(f"/proc/{pid}/smaps_rollup")) for pid in live]
            # PSS of a file is less the more map it, outside of the tree too
            files = max(files, sum(item.get("Pss_File", 0) for item in rollups))
            now = files + sum(_own_pss(item) for item in rollups)
            peak = now + sum(self._spike(pid, status) for pid, status in live.items())
        self._marks = {pid: status["VmHWM"] for pid, status in live.items()}
        return Look(now / 1024, peak / 1024, files / 1024)

    def _spike(self, pid: int, status: dict[str, int]) -> int:
        """How far the process was above what it has now, since the last look."""
        before = self._marks.get(pid, 0)
        return status["VmHWM"] - status["VmRSS"] if status["VmHWM"] > before else 0


def _own_pss(rollup: dict[str, int]) -> int:
    """PSS without files; before Linux 5.9 the two are not told apart."""
    if "Pss_Anon" in rollup:
        return rollup["Pss_Anon"] + rollup["Pss_Shmem"]
    return rollup.get("Pss", 0)


class Cgroup:
    """A memory cgroup of one server. `files` of version 1 or 2 hold the same under other names."""

    def __init__(self, folder: Path, version: int) -> None:
        self.folder, self.version = folder, version
        self._peak = folder / ("memory.max_usage_in_bytes" if version == 1 else "memory.peak")
        self._cache = "cache" if version == 1 else "file"
        self._total = "total_" if version == 1 else ""

    def peak_mb(self) -> float:
        """The highest usage so far, page cache included."""
        return int(_read(str(self._peak)) or 0) / MB

    def page_cache_mb(self) -> float:
        """File pages that are counted in the usage; tmpfs is memory and not among them."""
        lines = (line.split() for line in _read(str(self.folder / "memory.stat")).splitlines())
        stat = {name: int(value) for name, value in lines}
        cache = stat.get(self._total + self._cache, 0) - stat.get(self._total + "shmem", 0)
        return max(cache, 0) / MB

    def join(self) -> None:
        """Move the calling process in."""
        (self.folder / "cgroup.procs").write_text("0")

    def remove(self) -> None:
        """Remove it, once the kernel has let go of its processes."""
        for _ in range(200):
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)
            else:
                return


class Cgroups:
    """Makes child memory cgroups below `parent`; with None it makes none."""

    def __init__(self, parent: Path | None, version: int) -> None:
        self.parent, self.version = parent, version
        self._count = 0

    def make(self) -> Cgroup | None:
        """A fresh cgroup."""
        if self.parent is None:
            return None
        self._count += 1
        folder = self.parent / f"{CGROUP_PREFIX}{os.getpid()}-{self._count}"
        folder.mkdir()
        return Cgroup(folder, self.version)

    @property
    def method(self) -> str:
        """How memory is measured, for the report."""
        looks = (
            "resident memory of the process tree (PSS if it has several) every "
            f"{LOOK_EVERY_S * 1000:.0f} ms, joined with each process's VmHWM"
        )
        if self.parent is None:
            return looks
        return f"cgroup v{self.version} peak less page cache plus mapped files, joined with {looks}"


def find_cgroups(root: Path = Path("/sys/fs/cgroup"), membership: str | None = None) -> Cgroups:
    """Where a child memory cgroup can be made and joined; tried with a real process."""
    text = _read("/proc/self/cgroup") if membership is None else membership
    for parent, version in _cgroup_parents(root, text):
        if not (parent / "cgroup.procs").exists():
            continue
        _remove_stale(parent)
        cgroups = Cgroups(parent, version)
        cgroup = None
        try:
            cgroup = cgroups.make()
            assert cgroup is not None  # noqa: S101 - it has a parent
            subprocess.run(
                [sys.executable, "-c", "pass"],
                check=True,
                timeout=30,
                stdin=subprocess.DEVNULL,
                preexec_fn=cgroup.join,  # no thread runs yet
            )
            if cgroup.peak_mb() > 0:
                return cgroups
        except (OSError, ValueError, subprocess.SubprocessError):
            pass  # read-only, not ours, or without the memory controller: the next one
        finally:
            if cgroup is not None:
                cgroup.remove()
    return Cgroups(None, 0)


def _cgroup_parents(root: Path, membership: str) -> Iterator[tuple[Path, int]]:
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        own = path.lstrip("/")
        if "memory" in controllers.split(","):
            yield root / "memory" / own, 1
            yield root / "memory", 1  # a container sees its own group there
        elif not controllers:
            # version 2 gives a group's children no controllers while it has processes itself
            yield root / own, 2
            yield (root / own).parent, 2


def _remove_stale(parent: Path) -> None:
    """What a killed profiler has left; one that lives keeps its own."""
    for folder in parent.glob(CGROUP_PREFIX + "*"):
        pid = folder.name[len(CGROUP_PREFIX) :].split("-")[0]
        if not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


class Watch(threading.Thread):
    """Keeps the peak of the tree's memory, and kills the tree past the limit or the deadline."""

    def __init__(self, tree: ProcessTree, cgroup: Cgroup | None, memory_stop_mb: float) -> None:
        super().__init__(daemon=True)
        self.peak_mb = 0.0
        self.timed_out = False
        self.deadline: float | None = None
        self._tree, self._cgroup, self._memory_stop_mb = tree, cgroup, memory_stop_mb
        self._memory = TreeMemory(tree)
        self._lock = threading.Lock()
        self._cgroup_peak_mb = self._page_cache_mb = 0.0
        self._end = threading.Event()

    @property
    def stopped(self) -> bool:
        """True once memory has passed the limit."""
        return self.peak_mb > self._memory_stop_mb

    def run(self) -> None:
        """Look until `finish`. The tree is killed past a limit, and if looking fails."""
        try:
            while not self._end.is_set():
                self.look()
                deadline = self.deadline
                self.timed_out = deadline is not None and time.monotonic() > deadline
                if self.stopped or self.timed_out:
                    return
                self._end.wait(LOOK_EVERY_S)
        finally:
            if not self._end.is_set():
                self._tree.kill()

    def look(self) -> float:
        """The tree's memory now, in MB."""
        with self._lock:
            seen = self._memory.look()
            self.peak_mb = max(self.peak_mb, seen.peak, self._cgroup_peak(seen.files))
        return seen.now

    def finish(self) -> None:
        """Stop looking, after a last look at what the tree has peaked at."""
        self._end.set()
        if self.is_alive():
            self.join()
        if not (self.stopped or self.timed_out):
            self.look()

    def _cgroup_peak(self, files_mb: float) -> float:
        """The cgroup's peak without page cache, if it rose since the last look; else 0.

        The cache is taken as the smaller of now and when it last rose, so that no memory is missed.
        """
        if self._cgroup is None:
            return 0.0
        peak_mb = self._cgroup.peak_mb()
        if peak_mb <= self._cgroup_peak_mb:
            return 0.0
        page_cache_mb = self._cgroup.page_cache_mb()
        least_cache_mb = min(page_cache_mb, self._page_cache_mb)
        self._cgroup_peak_mb, self._page_cache_mb = peak_mb, page_cache_mb
        return peak_mb - least_cache_mb + files_mb


# ---- the server


class Reply(NamedTuple):
    """An answer to a request."""

    status: int
    body: bytes
    seconds: float


class Server:
    """The image's own server as a process. Use as a context: nothing of it is left afterwards."""

    def __init__(
        self, command: Sequence[str], model: Path, cgroups: Cgroups, limits: Limits
    ) -> None:
        self._command, self._model, self._limits = command, model, limits
        self._cgroup = cgroups.make()
        self._scratch = tempfile.TemporaryDirectory(prefix="seatrial-profile-")
        self._stderr = Path(self._scratch.name, "stderr")
        self._connection: http.client.HTTPConnection | None = None
        self._tree = ProcessTree()
        self.started = 0.0

    def __enter__(self) -> Server:
        try:
            self._start()
        except BaseException:  # a signal too: nothing may be left
            self._tree.end()
            self._remove()
            raise
        self.watch = Watch(self._tree, self._cgroup, self._limits.memory_stop_mb)
        self.watch.start()
        return self

    def _start(self) -> None:
        self.port = _free_port()
        folder = Path(self._scratch.name, "work")
        folder.mkdir()
        environment = {
            **os.environ,
            "SEATRIAL_MODEL_DIR": str(self._model),
            "SEATRIAL_HOST": "127.0.0.1",
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "TMPDIR": str(folder),
        }
        self.started = time.monotonic()
        try:
            with self._stderr.open("wb") as stderr:
                self.process = subprocess.Popen(
                    list(self._command),
                    cwd=str(folder),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,  # prediction records: not ours to keep
                    stderr=stderr,
                    start_new_session=True,
                    preexec_fn=self._before_exec,  # no other thread runs now
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise ProfileError(
                "the server's command cannot be started",
                got=shlex.join(self._command),
                allowed="a program of this image",
                do=f"Correct images.serve_command ({error})",
            ) from error

    def __exit__(self, *_: object) -> None:
        try:
            self.watch.finish()
        finally:
            if self._connection is not None:
                self._connection.close()
            self._tree.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self._tree.end()
            self._remove()

    def wait_for_port(self) -> float:
        """Seconds from the start until the port takes a connection."""
        return self._wait(self._takes_connection, "took no connection")

    def wait_for_ping(self) -> float:
        """Seconds from the start until /ping answers 200."""
        return self._wait(self._pings, "did not answer 200 to /ping")

    def invoke(self, payload: Payload) -> Reply:
        """Send the payload; ServerError if no answer comes back."""
        headers = {
            "Content-Type": payload.content_type,
            "X-Amzn-SageMaker-Custom-Attributes": "seatrial-synthetic=true",
        }
        started = time.monotonic()
        self.watch.deadline = started + REQUEST_TIMEOUT_S
        try:
            status, body = self._request("POST", "/invocations", payload.body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise self.failure(f"did not answer: {error!r}") from error
        finally:
            self.watch.deadline = None
        return Reply(status, body, time.monotonic() - started)

    def pids(self) -> list[int]:
        """The processes of the server now."""
        return self._tree.pids()

    def cpu_s(self) -> float:
        """CPU seconds of the server so far."""
        return tree_cpu_s(self._tree.pids())

    def _before_exec(self) -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if self._cgroup is not None:
            self._cgroup.join()

    def _wait(self, done: Any, otherwise: str) -> float:
        deadline = self.started + self._limits.start_s
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if done():
                    return time.monotonic() - self.started
            if self.process.poll() is not None or self.watch.stopped:
                raise self.failure("ended before it was ready")
            if time.monotonic() > deadline:
                raise self.failure(f"{otherwise} in {self._limits.start_s:g} s")
            time.sleep(0.002)

    def _takes_connection(self) -> bool:
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        return True

    def _pings(self) -> bool:
        return self._request("GET", "/ping", None, {}, timeout_s=2.0)[0] == 200

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        timeout_s: float = REQUEST_TIMEOUT_S + 5,
    ) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection = self._connection
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._connection = None
            raise

    def failure(self, what: str) -> ServerError:
        """Why the server is of no more use; `what` if nothing else is known."""
        if self.watch.stopped:
            limit_mb = self._limits.memory_stop_mb
            return ServerError(f"stopped at {self.watch.peak_mb:.0f} MB, over {limit_mb} MB")
        if self.watch.timed_out:
            return ServerError(f"no answer in {REQUEST_TIMEOUT_S:g} s")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.2)  # a connection may break before the process is gone
        code = self.process.poll()
        if code is None:
            what = f"the server {what}"
        elif code < 0:
            what = f"the server ended with signal {-code}"
        else:
            what = f"the server ended with exit code {code}"
        last = self._last_lines()
        return ServerError(what + (": " + last if last else ""))

    def _last_lines(self) -> str:
        """The end of the server's stderr on one line, without the path it ran in."""
        with self._stderr.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - STDERR_TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
        for path in (self._scratch.name, str(self._model)):
            text = text.replace(path, "…")
        return " | ".join(line.strip() for line in text.splitlines()[-5:] if line.strip())

    def _remove(self) -> None:
        if self._cgroup is not None:
            self._cgroup.remove()
        self._scratch.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_LIBC = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    _LIBC.prctl(option, value, 0, 0, 0)


# ---- the measurements


class Start(NamedTuple):
    """One cold start."""

    to_port_s: float
    to_ping_s: float
    to_first_prediction_s: float
    cpu_s: float
    idle_memory_mb: float
    processes: int
    threads: int


class Profiler:
    """Measures candidates with one server command, the same payloads and limits for each."""

    def __init__(self, command: Sequence[str], payloads: Sequence[Payload], limits: Limits) -> None:
        self.command, self.payloads, self.limits = command, payloads, limits
        self.cgroups = find_cgroups()

    def profile(self, name: str, archive: Path) -> dict[str, Any]:
        """The candidate's part of profile.json."""
        result: dict[str, Any] = {
            "candidate": name,
            "archive_size_mb": _size(archive) / MB,
            "unpacked_size_mb": 0.0,
            "cold_start": None,
            "idle_memory_mb": None,
            "peak_memory_mb": None,
            "stopped": False,
            "processes": None,
            "threads": None,
            "payloads": [],
            "failure": None,
        }
        with tempfile.TemporaryDirectory(prefix="seatrial-profile-") as folder:
            try:
                result["unpacked_size_mb"] = unpack(archive, Path(folder)) / MB
            except SizeError as error:
                return {**result, "unpacked_size_mb": error.size_mb, "failure": str(error)}
            result.update(self._cold_starts(name, Path(folder)))
            if result["failure"] is None:
                payloads = [self._payload(name, Path(folder), item) for item in self.payloads]
                peaks = [item["peak_memory_mb"] for item in payloads]
                result["payloads"] = payloads
                result["peak_memory_mb"] = max([result["peak_memory_mb"], *peaks])
                result["stopped"] = any(item["stopped"] for item in payloads)
        return result

    def _server(self, model: Path) -> Server:
        return Server(self.command, model, self.cgroups, self.limits)

    def _cold_starts(self, name: str, model: Path) -> dict[str, Any]:
        starts: list[Start] = []
        peak_mb = 0.0
        smallest = min(self.payloads, key=lambda item: len(item.body))
        for number in range(1, self.limits.cold_starts + 1):
            server = self._server(model)
            try:
                with server:
                    starts.append(_cold_start(server, smallest))
                if server.watch.stopped:
                    raise server.failure("ended")
            except ServerError as error:
                say(f"{name}: cold start {number}: {error}")
                return {
                    "failure": str(error),
                    "peak_memory_mb": max(peak_mb, server.watch.peak_mb),
                    "stopped": server.watch.stopped,
                }
            peak_mb = max(peak_mb, server.watch.peak_mb)
            say(
                f"{name}: cold start {number} of {self.limits.cold_starts}: "
                f"{starts[-1].to_first_prediction_s:.2f} s, "
                f"idle {starts[-1].idle_memory_mb:.0f} MB"
            )
        return {**_medians(starts), "peak_memory_mb": peak_mb}

    def _payload(self, name: str, model: Path, payload: Payload) -> dict[str, Any]:
        run = PayloadRun(payload, self.limits)
        server = self._server(model)
        with server:
            run.measure(server)
        result = run.result(server.watch)
        stop_mb, p50_ms = self.limits.memory_stop_mb, result["latency_p50_ms"]
        peak = f"> {stop_mb}" if result["stopped"] else f"{result['peak_memory_mb']:.0f}"
        speed = "" if p50_ms is None else f", p50 {p50_ms:.2f} ms"
        say(
            f"{name}: payload {payload.name} ({payload.rows} rows): {result['requests']} answered, "
            f"{result['errors']} errors, peak {peak} MB{speed}"
        )
        return result


def _cold_start(server: Server, payload: Payload) -> Start:
    to_port_s, to_ping_s = server.wait_for_port(), server.wait_for_ping()
    reply = server.invoke(payload)
    to_first_prediction_s = time.monotonic() - server.started
    if reply.status != 200:
        raise ServerError(f"payload {payload.name}: {_refusal(reply)}")
    pids = server.pids()
    return Start(
        to_port_s,
        to_ping_s,
        to_first_prediction_s,
        tree_cpu_s(pids),
        server.watch.look(),
        len(pids),
        count_threads(pids),
    )


def _medians(starts: Sequence[Start]) -> dict[str, Any]:
    def median(name: str) -> float:
        return float(statistics.median(getattr(start, name) for start in starts))

    phases = ("to_port_s", "to_ping_s", "to_first_prediction_s", "cpu_s")
    return {
        "cold_start": {**{name: median(name) for name in phases}, "repeats": len(starts)},
        "idle_memory_mb": median("idle_memory_mb"),
        "processes": max(start.processes for start in starts),
        "threads": max(start.threads for start in starts),
    }


class PayloadRun:
    """One payload, sent to a fresh server again and again."""

    def __init__(self, payload: Payload, limits: Limits) -> None:
        self.payload, self.limits = payload, limits
        self.seconds: list[float] = []
        self.cpu_s: float | None = None
        self.response_bytes: int | None = None
        self.errors = 0
        self.first_error: str | None = None

    def measure(self, server: Server) -> None:
        """Send until there are enough answers, the time is up, or errors come in a row."""
        try:
            server.wait_for_port()
            server.wait_for_ping()
            self._send(server)
        except ServerError as error:
            self._note(str(error))

    def _send(self, server: Server) -> None:
        end = time.monotonic() + self.limits.seconds
        in_a_row = 0
        warm_cpu_s = 0.0
        cpu_s = server.cpu_s()
        while len(self.seconds) + self.errors < self.limits.requests:
            reply = server.invoke(self.payload)
            if reply.status == 200:
                in_a_row = 0
                self.seconds.append(reply.seconds)
                self.response_bytes = max(self.response_bytes or 0, len(reply.body))
            else:
                in_a_row += 1
                self._note(_refusal(reply))
            if len(self.seconds) + self.errors == 1:
                warm_cpu_s = server.cpu_s()
                self.cpu_s = warm_cpu_s - cpu_s
            if in_a_row == MAX_ERRORS or time.monotonic() > end:
                break
        sent = len(self.seconds) + self.errors
        if sent > 1:
            self.cpu_s = (server.cpu_s() - warm_cpu_s) / (sent - 1)

    def _note(self, error: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or error

    def result(self, watch: Watch) -> dict[str, Any]:
        """The payload's part of profile.json."""
        warm = sorted(self.seconds[1:] or self.seconds)
        return {
            "payload": self.payload.name,
            "rows": self.payload.rows,
            "request_mb": len(self.payload.body) / MB,
            "response_mb": None if self.response_bytes is None else self.response_bytes / MB,
            "requests": len(self.seconds),
            "errors": self.errors,
            "first_error": self.first_error,
            "peak_memory_mb": watch.peak_mb,
            "stopped": watch.stopped,
            "latency_p50_ms": percentile_ms(warm, 0.50),
            "latency_p95_ms": percentile_ms(warm, 0.95),
            "latency_p99_ms": percentile_ms(warm, 0.99),
            "cpu_s_per_request": max(self.cpu_s, 0.0)
            if self.seconds and self.cpu_s is not None
            else None,
        }


def percentile_ms(ordered_s: Sequence[float], share: float) -> float | None:
    """The smallest of these that at least `share` of them do not exceed, in ms."""
    if not ordered_s:
        return None
    index = math.ceil(share * len(ordered_s)) - 1
    return ordered_s[index] * 1000


def _refusal(reply: Reply) -> str:
    text = reply.body[:300].decode("utf-8", "replace")
    return f"status {reply.status}: {' '.join(text.split())}"


# ---- the image


def image_size() -> tuple[float, str]:
    """MB of the image's files, and what was counted; hard links count once."""
    if Path("/opt/ml").is_dir() and sys.prefix == sys.base_prefix:
        skipped = ("/proc", "/sys", "/dev", "/opt/ml", "/tmp")  # noqa: S108 - not used
        size = _tree_bytes(Path("/"), [Path(name) for name in skipped])
        return size / MB, "files of the container's root without /opt/ml and /tmp, uncompressed"
    if sys.prefix == sys.base_prefix:
        what = "files of the Python installation, not an image"
        return _tree_bytes(Path(sys.prefix), []) / MB, what
    library = Path(os.__file__).parent
    installed = [library / "site-packages", library / "dist-packages"]
    size = _tree_bytes(Path(sys.prefix), []) + _tree_bytes(library, installed)
    what = "files of the virtual environment and of its Python's standard library, not an image"
    return size / MB, what


def _tree_bytes(root: Path, skipped: Sequence[Path]) -> int:
    device = root.stat().st_dev
    seen: set[int] = set()
    total = 0
    todo = [str(root)]
    without = {str(path) for path in skipped}
    while todo:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if status.st_dev != device or entry.path in without:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                elif status.st_ino not in seen:
                    seen.add(status.st_ino)
                    total += status.st_size
    return total


def cpu_name() -> str:
    """The processor, as the kernel names it."""
    match = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.M)
    return match.group(1).strip() if match else platform.machine()


def _size(archive: Path) -> int:
    try:
        return archive.stat().st_size
    except OSError as error:
        raise ProfileError(
            "there is no archive of a candidate",
            got=f"{archive.parent.name}/{archive.name}",
            allowed="<candidate>/model.tar.gz beside optimization.json",
            do="Run OptimizeModel again",
        ) from error


# ---- the step


def say(line: str) -> None:
    """One line of progress, at once."""
    sys.stdout.write(f"ProfileModel {line}\n")
    sys.stdout.flush()


def profile_candidates(folder: Path, names: Sequence[str], profiler: Profiler) -> dict[str, Any]:
    """profile.json as plain values."""
    image_mb, image_method = image_size()
    return {
        "schema_version": 1,
        "memory_method": profiler.cgroups.method,
        "memory_stop_mb": profiler.limits.memory_stop_mb,
        "image_size_mb": image_mb,
        "image_size_method": image_method,
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "cpu_count": len(os.sched_getaffinity(0)),
        "serve_command": list(profiler.command),
        "candidates": [profiler.profile(name, folder / name / "model.tar.gz") for name in names],
    }


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--candidates", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--serve-command", default="serve", metavar="COMMAND")
    parser.add_argument("--names", metavar="A,B", help="default: every survivor")
    parser.add_argument("--cold-start-repeats", type=_positive(int), default=3, metavar="N")
    parser.add_argument("--requests-per-payload", type=_positive(int), default=50, metavar="N")
    parser.add_argument("--max-seconds-per-payload", type=_positive(float), default=20, metavar="S")
    parser.add_argument("--max-start-seconds", type=_positive(float), default=180, metavar="S")
    parser.add_argument("--memory-stop-mb", type=_positive(int), default=6144, metavar="MB")
    return parser.parse_args(argv)


def _positive(kind: Any) -> Any:
    def number(text: str) -> Any:
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return number


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    args = _arguments(argv)
    if not Path("/proc/self/status").exists():
        raise ProfileError(
            "memory cannot be measured here", got=sys.platform, allowed="Linux", do="Use Linux"
        )
    limits = Limits(
        cold_starts=args.cold_start_repeats,
        requests=args.requests_per_payload,
        seconds=args.max_seconds_per_payload,
        start_s=args.max_start_seconds,
        memory_stop_mb=args.memory_stop_mb,
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end_on_signal)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # a daemon's parent is then this process, not init
    names = read_names(args.candidates, args.names)
    payloads = read_payloads(args.candidates / "payloads.jsonl")
    tree = ProcessTree()
    try:
        profiler = Profiler(shlex.split(args.serve_command), payloads, limits)
        profile = profile_candidates(args.candidates, names, profiler)
    finally:
        tree.end()
    args.output.mkdir(parents=True, exist_ok=True)
    partial = args.output / "profile.json.partial"
    partial.write_text(json.dumps(profile, indent=2) + "\n", encoding="utf-8")
    partial.replace(args.output / "profile.json")
    return 0


def _end_on_signal(number: int, _: object) -> None:
    """Leave through every `with` on the way, so that no server is left."""
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProfileError as error:
        sys.stderr.write(f"seatrial: {error}\n")
        sys.exit(FAILED)
