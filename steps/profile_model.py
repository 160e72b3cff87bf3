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
               tree maps them too: in a sandbox nobody does. New files on tmpfs count, since nothing
               takes those pages back. Where a child memory cgroup can be made, its highest usage is
               taken as well, less its page cache (which the kernel gives back under pressure), plus
               the mapped files; that also catches a process that lived between two looks. Never
               ru_maxrss: a child inherits it from this program.
    latency    From sending a request to having read its answer, one at a time on one connection.
               The first request of a process is left out where there are others.
    CPU        Of the tree, by the processes' CPU clocks, over the same requests.
    cold start From starting the process, with files in the page cache: to the port taking a
               connection, to /ping answering 200, to the first prediction, of the smallest payload.
               No bytecode is written (PYTHONDONTWRITEBYTECODE), so that every start is as slow as a
               fresh sandbox's. Fetching image and archive is not in it; that is estimated apart.
    scaled     The samples' own rows, repeated up to the service's payload limit.
    growth     A sustained run of the smallest payload; see `growth`.
    tiers      A cold start and the samples again, in a cgroup with the CPU quota of each tier that
               this machine's cores can hold; where no such cgroup can be made there are none. The
               server is told how many threads to compute with (`tier_threads`), as the endpoint is,
               and each number of threads is tried without a quota too: what is not measured is
               predicted from those. A machine's speed drifts by a third within minutes, so all take
               turns: a server of each is up, but only one at a time is asked, some requests in a
               block. One after another where memory is short, or where two servers would meet at a
               fixed port or socket; then without those on all cores.
    time       Cold starts and one request of each sample are always measured. What else there is
               has a time, each part and the whole; a slow model gets fewer requests, and what
               would not end in time is left out. `cut_short` says which, and a percentile that
               the requests do not support is null.
    behaviour  Of the server that answers the first sample; see `Behaviour`.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gzip
import http.client
import ipaddress
import itertools
import json
import math
import os
import platform
import re
import shlex
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Sequence

MB = 2**20
DISK_LIMIT_MB = 5 * 1024  # of a serverless endpoint, archive and model together
REQUEST_TIMEOUT_S = 60.0  # the service's own
LOOK_EVERY_S = 0.004
MAX_ERRORS = 3  # in a row, of one payload
MAX_MEMBERS = 100_000
STDERR_TAIL_BYTES = 2000
CGROUP_PREFIX = "seatrial-profile-"
EARLY_READY_S = 10.0  # how long after /ping said 200 a prediction may still fail
SERVICE_PORT = 8080  # the one a container listens on if it is not told another
SCALED_SHARES = (1 / 16, 1 / 4, 1)  # of the largest request that the service takes
MAX_SERIES = 200  # points of the memory curve
CPU_PERIOD_US = 20_000  # with the usual 100 ms the stalls hide behind the median
# With fewer a percentile is the slowest of all, which says how long was looked and not how slow.
FEWEST_FOR_P95, FEWEST_FOR_P99 = 20, 100
FEWEST_FOR_MEAN = 5  # which is what a request costs
BLOCK_REQUESTS, BLOCK_S = 20, 0.5  # of one tier, before it is the next one's turn
LONG_PERIODS = 10  # a request of so many takes no notice of one that was saved up
MEMORY_MARGIN = 1.25  # of servers that are up together
IDLE_LOOK_EVERY_S = 0.05  # at a server whose memory is guarded, not measured
SURE = 0.05  # how often "p95 is at least" may be wrong
SCAN_S = 5.0
SURPRISE_KB = 4 * 1024
BUFFER_HEAD_RATIO = 104 / 4096  # the kernel's note on a cached page
SHM = "/dev/shm"  # noqa: S108 - read, not used
MAX_PATHS = 20
MODEL_SHOWS_MB = 64  # an interpreter with numpy has about 40 MB of its own
FAILED = 2

_LIBC = ctypes.CDLL(None, use_errno=True)
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


class Budget(NamedTuple):
    """When a measurement ends: after so many requests, or that time. No requests: not measured."""

    requests: int
    seconds: float


class Tiers(NamedTuple):
    """Memory sizes whose CPU share is tried, and the memory that comes with a whole CPU."""

    sizes_mb: tuple[int, ...] = ()
    mb_per_vcpu: float = math.inf
    budget: Budget = Budget(0, 0)


class Limits(NamedTuple):
    """How long and how far to measure."""

    cold_starts: int
    requests: int
    seconds: float
    start_s: float
    memory_stop_mb: int
    concurrency: tuple[int, ...] = (1,)
    scaled: Budget = Budget(0, 0)
    payload_limit_mb: float = 4
    growth: Budget = Budget(0, 0)
    tiers: Tiers = Tiers()
    whole_s: float = math.inf


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


def own_images(folder: Path) -> dict[str, str]:
    """The image of each candidate that brings its own and runs in no other, by its name."""
    text = (folder / "optimization.json").read_text(encoding="utf-8")
    candidates = json.loads(text)["candidates"]
    found = {item["name"]: item.get("inference_image") for item in candidates}
    return {name: image for name, image in found.items() if image}


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


def scaled_payloads(payloads: Sequence[Payload], limit_bytes: int) -> list[Payload]:
    """The samples' rows repeated to parts of the limit, smallest first, of each content type.

    Only what is larger than the largest sample, and only of formats whose rows can be told: CSV,
    JSON Lines and JSON.
    """
    largest: dict[str, Payload] = {}
    for item in payloads:
        if item.rows > largest.setdefault(item.content_type, item).rows:
            largest[item.content_type] = item
    most = max(len(item.body) for item in payloads)
    sizes = [int(limit_bytes * share) for share in SCALED_SHARES]
    made = (scale(item, size) for size in sizes if size > 1.2 * most for item in largest.values())
    return [item for item in made if item is not None]


def scale(payload: Payload, size: int) -> Payload | None:
    """The payload with as many rows as `size` bytes hold; None if its rows cannot be told."""
    kind = payload.content_type.split(";")[0].strip().lower()
    try:
        text = payload.body.decode("utf-8")
        document = json.loads(text) if kind == "application/json" else text.splitlines()
    except ValueError:
        return None
    if kind not in ("application/json", "text/csv", "application/jsonlines"):
        return None
    repeat = _json_of_rows if kind == "application/json" else _lines_of_rows
    one = repeat(document, payload.rows, payload.rows)
    two = repeat(document, payload.rows, 2 * payload.rows)
    if one is None or two is None:
        return None
    a_row = (len(two) - len(one)) / payload.rows
    rows = int((size - len(one)) / a_row) + payload.rows if a_row > 0 else 0
    while rows > payload.rows:
        body = repeat(document, payload.rows, rows)
        if body is not None and len(body) <= size:
            mb = f"{size / MB:.3g} MB"
            return Payload(f"{payload.name} × {mb}", payload.content_type, rows, body)
        rows -= max(1, rows // 200)  # rows differ in length
    return None


def _lines_of_rows(lines: list[str], rows: int, wanted: int) -> bytes | None:
    """`wanted` lines in turn, below a header if there is one line more than rows."""
    header, body = lines[: len(lines) - rows], lines[len(lines) - rows :]
    if len(header) > 1 or len(body) != rows:
        return None
    repeated = itertools.islice(itertools.cycle(body), wanted)
    return ("\n".join([*header, *repeated]) + "\n").encode("utf-8")


def _json_of_rows(document: Any, rows: int, wanted: int) -> bytes | None:
    """The document with every list of `rows` made `wanted` long, names of columns aside."""
    found = 0

    def grow(value: Any, key: str = "") -> Any:
        nonlocal found
        if isinstance(value, list) and len(value) == rows and key not in ("columns", "names"):
            found += 1
            return list(itertools.islice(itertools.cycle(value), wanted))
        if isinstance(value, dict):
            return {name: grow(part, name) for name, part in value.items()}
        return value

    grown = grow(document)
    if not found:
        return None
    return json.dumps(grown, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


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
    """What this process starts from now on: a server, what that starts, and orphans left to us.

    With a group only what is in it, since other servers may be up.
    """

    def __init__(self, group: CpuGroup | None = None) -> None:
        self._bystanders = set(_children(os.getpid()))
        self._group = group

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
        ours = [pid for pid in _children(os.getpid()) if pid not in self._bystanders]
        if self._group is None:
            return ours
        inside = self._group.pids()
        return [pid for pid in ours if pid in inside]


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
    tmpfs: float = 0.0


class Tmpfs:
    """Files on tmpfs that were made or written meanwhile: memory of nobody's address space.

    What is on other file systems is on the disk, and what was deleted again is not seen. A file
    that was there and was written counts whole: an earlier server may have left it.
    """

    def __init__(self, mounts: Sequence[str]) -> None:
        self._mounts = [mount for mount in mounts if Path(mount).is_dir()]
        self._free = self._blocks_free()
        self._before = {(mount, inode): mtime for mount, inode, mtime, _ in self._files()}
        self._now_mb = dict.fromkeys(self._mounts, 0.0)
        self.peak_mb = dict(self._now_mb)  # by mount

    def used_mb(self) -> float:
        """MB now; looks through the files only if the number of free blocks has changed."""
        free = self._blocks_free()
        if free != self._free:
            self._free = free
            self._now_mb = dict.fromkeys(self._mounts, 0.0)
            for mount, inode, mtime, size in self._files():
                if self._before.get((mount, inode)) != mtime:
                    self._now_mb[mount] += size / MB
            for mount, mb in self._now_mb.items():
                self.peak_mb[mount] = max(self.peak_mb[mount], mb)
        return sum(self._now_mb.values())

    def _blocks_free(self) -> list[int]:
        return [os.statvfs(mount).f_bfree for mount in self._mounts]

    def _files(self) -> Iterator[tuple[str, int, int, int]]:
        for mount in self._mounts:
            for _, status in itertools.islice(walk(mount, ()), MAX_MEMBERS):
                yield mount, status.st_ino, status.st_mtime_ns, status.st_blocks * 512


def tmpfs_mounts(mounts: str, folders: Sequence[str]) -> list[str]:
    """Those of the folders that are on a tmpfs, by the text of /proc/self/mounts."""
    points = {}
    for line in mounts.splitlines():
        _, point, kind = line.split()[:3]
        points[point] = kind  # the last mount of a point is the one that is seen
    on = []
    for folder in folders:
        above = [str(path) for path in (Path(folder), *Path(folder).parents)]
        if points.get(next((path for path in above if path in points), "")) == "tmpfs":
            on.append(folder)
    return on


def walk(root: str, skipped: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Path and status of every file below `root` on its file system, links not followed."""
    device = os.stat(root).st_dev  # noqa: PTH116 - texts all the way
    todo = [root]
    while todo:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if status.st_dev != device or entry.path in skipped:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        yield entry.path, status


class Series:
    """A curve of at most MAX_SERIES points that keeps the highest of what it joins."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._of_each = self._in_last = 1

    def add(self, at_s: float, mb: float) -> None:
        """The next point."""
        if self._points and self._in_last < self._of_each:
            self._points[-1] = max(self._points[-1], (at_s, mb), key=lambda point: point[1])
            self._in_last += 1
            return
        if len(self._points) == MAX_SERIES:
            pairs = zip(self._points[::2], self._points[1::2])
            self._points = [max(pair, key=lambda point: point[1]) for pair in pairs]
            self._of_each *= 2
        self._points.append((at_s, mb))
        self._in_last = 1

    def points(self) -> list[dict[str, float]]:
        """As profile.json has them."""
        return [{"at_s": round(at_s, 4), "memory_mb": round(mb, 3)} for at_s, mb in self._points]


class TreeMemory:
    """Looks at the memory of the process tree; remembers each process's high-water mark."""

    def __init__(self, tree: ProcessTree, tmpfs: Tmpfs) -> None:
        self._tree, self._tmpfs = tree, tmpfs
        self._marks: dict[int, int] = {}
        self._most = 0
        self.pids: set[int] = set()  # all that were ever seen

    def look(self) -> Look:
        """The memory now; all zero if nothing runs."""
        statuses = {pid: _kilobytes(_read(f"/proc/{pid}/status")) for pid in self._tree.pids()}
        live = {pid: status for pid, status in statuses.items() if "VmRSS" in status}
        files = max((status["RssFile"] for status in live.values()), default=0)
        if len(live) == 1:
            [status] = live.values()
            now, peak, shared = status["VmRSS"], status["VmHWM"], status.get("RssShmem", 0)
        else:
            rollups = self._rollups(list(live))
            # PSS of a file is less the more map it, outside of the tree too
            files = max(files, sum(item.get("Pss_File", 0) for item in rollups))
            now = files + sum(_own_pss(item) for item in rollups)
            peak = now + sum(self._spike(pid, status) for pid, status in live.items())
            shared = sum(item.get("Pss_Shmem", 0) for item in rollups)
        self._marks = {pid: status["VmHWM"] for pid, status in live.items()}
        self.pids.update(live)
        tmpfs_mb = self._tmpfs.used_mb()
        unmapped_mb = max(0.0, tmpfs_mb - shared / 1024)
        return Look(now / 1024 + unmapped_mb, peak / 1024 + unmapped_mb, files / 1024, tmpfs_mb)

    def _rollups(self, pids: list[int]) -> list[dict[str, int]]:
        """Of all of them; where that is much more than ever, the lesser of two readings.

        While a page comes to be shared, or is let go of by one after the other, one of them may be
        read before and another after; read in reverse it is the other way round. What is private
        and brief has its own mark.
        """
        rollups = read_rollups(pids)
        if _all_pss(rollups) > self._most + SURPRISE_KB:
            rollups = min(rollups, read_rollups(pids[::-1]), key=_all_pss)
        self._most = max(self._most, _all_pss(rollups))
        return rollups

    def _spike(self, pid: int, status: dict[str, int]) -> int:
        """How far the process was above what it has now, since the last look."""
        before = self._marks.get(pid, 0)
        return status["VmHWM"] - status["VmRSS"] if status["VmHWM"] > before else 0


def read_rollups(pids: Sequence[int]) -> list[dict[str, int]]:
    """What each of the processes has by kind, in kB."""
    return [_kilobytes(_read(f"/proc/{pid}/smaps_rollup")) for pid in pids]


def _all_pss(rollups: Sequence[dict[str, int]]) -> int:
    return sum(_own_pss(item) + item.get("Pss_File", 0) for item in rollups)


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
        return self._cached(self._stat()) / MB

    def given_back_mb(self) -> float:
        """What the kernel frees under pressure: the page cache, and its notes on those pages."""
        stat = self._stat()
        cached = self._cached(stat)
        if self.version == 1:  # does not tell which of its memory the kernel can free
            kernel = int(_read(str(self.folder / "memory.kmem.usage_in_bytes")) or 0)
            return (cached + min(kernel, cached * BUFFER_HEAD_RATIO)) / MB
        return (cached + stat.get("slab_reclaimable", 0)) / MB

    def _stat(self) -> dict[str, int]:
        lines = (line.split() for line in _read(str(self.folder / "memory.stat")).splitlines())
        return {name: int(value) for name, value in lines}

    def _cached(self, stat: dict[str, int]) -> int:
        cached = stat.get(self._total + self._cache, 0) - stat.get(self._total + "shmem", 0)
        return max(cached, 0)

    def join(self) -> None:
        """Move the calling process in."""
        (self.folder / "cgroup.procs").write_text("0")

    def remove(self) -> None:
        """Remove it, once the kernel has let go of its processes."""
        _remove_folder(self.folder)


def _remove_folder(folder: Path) -> None:
    for _ in range(200):
        try:
            folder.rmdir()
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
            f"{LOOK_EVERY_S * 1000:.0f} ms, joined with each process's VmHWM, and new tmpfs files"
        )
        if self.parent is None:
            return looks
        return f"cgroup v{self.version} peak less page cache plus mapped files, joined with {looks}"


class CpuGroup:
    """A cgroup of one server with a quota of CPU time."""

    def __init__(self, folder: Path, version: int) -> None:
        self.folder, self.version = folder, version

    def limit(self, vcpus: float) -> None:
        """Give it no more CPU time in a period than that many CPUs have."""
        quota_us = round(vcpus * CPU_PERIOD_US)
        if self.version == 1:
            (self.folder / "cpu.cfs_period_us").write_text(str(CPU_PERIOD_US))
            (self.folder / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (self.folder / "cpu.max").write_text(f"{quota_us} {CPU_PERIOD_US}")

    def pids(self) -> set[int]:
        """The processes that are in it now."""
        return set(map(int, _read(str(self.folder / "cgroup.procs")).split()))

    def join(self) -> None:
        """Move the calling process in."""
        (self.folder / "cgroup.procs").write_text("0")

    def remove(self) -> None:
        """Remove it, once the kernel has let go of its processes."""
        _remove_folder(self.folder)


class CpuGroups:
    """Makes child cgroups below `parent` that hold their processes to a share of the CPU."""

    def __init__(self, parent: Path, version: int) -> None:
        self._parent, self._version = parent, version
        self._count = itertools.count()

    def make(self, vcpus: float = 1.0) -> CpuGroup:
        """A fresh one with so much CPU; OSError if that cannot be had here."""
        folder = self._parent / f"{CGROUP_PREFIX}{os.getpid()}-cpu-{next(self._count)}"
        folder.mkdir()
        try:
            group = CpuGroup(folder, self._version)
            group.limit(vcpus)
        except OSError:
            _remove_folder(folder)
            raise
        return group


def find_cgroups(root: Path = Path("/sys/fs/cgroup"), membership: str | None = None) -> Cgroups:
    """Where a child memory cgroup can be made and joined; tried with a real process."""
    text = _read("/proc/self/cgroup") if membership is None else membership
    for parent, version in _cgroup_parents(root, text):
        cgroups = Cgroups(parent, version)
        with _trial(parent, cgroups.make) as cgroup:
            if cgroup is not None and cgroup.peak_mb() > 0:
                return cgroups
    return Cgroups(None, 0)


def find_cpu_groups(
    root: Path = Path("/sys/fs/cgroup"), membership: str | None = None
) -> CpuGroups | None:
    """Where a cgroup with a CPU quota can be made, tried with a real process; None if nowhere."""
    text = _read("/proc/self/cgroup") if membership is None else membership
    for parent, version in _cgroup_parents(root, text, "cpu"):
        groups = CpuGroups(parent, version)
        with _trial(parent, groups.make) as group:
            if group is not None:
                return groups
    return None


@contextlib.contextmanager
def _trial(parent: Path, make: Callable[[], Any]) -> Iterator[Any]:
    """A group that a real process has joined and left; None if that cannot be done there."""
    group = None
    joined = False
    if (parent / "cgroup.procs").exists():
        _remove_stale(parent)
        # OSError and the like: read-only, not ours, or without the controller
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            group = make()
            subprocess.run(
                [sys.executable, "-c", "pass"],
                check=True,
                timeout=30,
                stdin=subprocess.DEVNULL,
                preexec_fn=group.join,  # no thread runs yet
            )
            joined = True
    try:
        yield group if joined else None
    finally:
        if group is not None:
            group.remove()


def _cgroup_parents(
    root: Path, membership: str, controller: str = "memory"
) -> Iterator[tuple[Path, int]]:
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        own = path.lstrip("/")
        if controller in controllers.split(","):
            yield root / controller / own, 1
            yield root / controller, 1  # a container sees its own group there
        elif not controllers:
            # version 2 gives a group's children no controllers while it has processes itself; and
            # a session's slice often passes the CPU's on to none, as the root does
            beside = (root / own).parent if own else root
            for folder in dict.fromkeys((root / own, beside, root)):
                yield folder, 2


def _remove_stale(parent: Path) -> None:
    """What a killed profiler has left; one that lives keeps its own."""
    for folder in parent.glob(CGROUP_PREFIX + "*"):
        pid = folder.name[len(CGROUP_PREFIX) :].split("-")[0]
        if not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


class Watch(threading.Thread):
    """Keeps the peak of the tree's memory, and kills the tree past the limit or a deadline.

    `also` is done at every look until it is set to None. Whoever holds `looking` knows that no
    watch is amid a look, and may fork.
    """

    looking = threading.Lock()

    def __init__(
        self,
        tree: ProcessTree,
        cgroup: Cgroup | None,
        memory_stop_mb: float,
        tmpfs: Tmpfs | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.peak_mb = self.tmpfs_mb = self.page_cache_mb = 0.0
        self.timed_out = False
        self.deadlines: dict[int, float] = {}  # by the number of the request
        self.series = Series()
        self.also: Callable[[], None] | None = None
        self.every_s = LOOK_EVERY_S
        self._tree, self._cgroup, self._memory_stop_mb = tree, cgroup, memory_stop_mb
        self._memory = TreeMemory(tree, tmpfs or Tmpfs(()))
        self._since = time.monotonic()
        self._cgroup_peak_mb = self._given_back_mb = 0.0
        self._end = threading.Event()

    @property
    def stopped(self) -> bool:
        """True once memory has passed the limit."""
        return self.peak_mb > self._memory_stop_mb

    @property
    def pids(self) -> set[int]:
        """All processes of the tree that were ever seen."""
        return self._memory.pids

    def run(self) -> None:
        """Look until `finish`. The tree is killed past a limit, and if looking fails."""
        try:
            while not self._end.is_set():
                self.look()
                also = self.also
                if also is not None:
                    also()
                now = time.monotonic()
                self.timed_out = any(now > end for end in list(self.deadlines.values()))
                if self.stopped or self.timed_out:
                    return
                self._end.wait(self.every_s)
        finally:
            if not self._end.is_set():
                self._tree.kill()

    def look(self) -> float:
        """The tree's memory now, in MB."""
        with self.looking:
            before_mb = self._given_back()
            seen = self._memory.look()
            self.peak_mb = max(self.peak_mb, seen.peak, self._cgroup_peak(seen.files, before_mb))
            self.tmpfs_mb = max(self.tmpfs_mb, seen.tmpfs)
            if seen.now:
                self.series.add(time.monotonic() - self._since, seen.now)
        return seen.now

    def finish(self) -> None:
        """Stop looking, after a last look at what the tree has peaked at."""
        self._end.set()
        if self.is_alive():
            self.join()
        if not (self.stopped or self.timed_out):
            self.look()
        if self._cgroup is not None:
            self.page_cache_mb = self._cgroup.page_cache_mb()

    def _given_back(self) -> float:
        """What the kernel would free; looked at only if the cgroup's peak rose since then."""
        if self._cgroup is None or self._cgroup.peak_mb() <= self._cgroup_peak_mb:
            return 0.0
        return self._cgroup.given_back_mb()

    def _cgroup_peak(self, files_mb: float, before_mb: float) -> float:
        """The cgroup's peak without page cache, if it rose since the last look; else 0.

        The cache is the most of the last look's, of that before this one and of that after it: it
        grows while a file is read, and is gone at once with a file that is deleted after that.
        """
        if self._cgroup is None:
            return 0.0
        peak_mb, most_mb = self._cgroup.peak_mb(), max(before_mb, self._given_back_mb)
        if peak_mb <= self._cgroup_peak_mb:
            self._given_back_mb = 0.0
            return 0.0
        self._cgroup_peak_mb = peak_mb
        self._given_back_mb = self._cgroup.given_back_mb()
        return peak_mb - max(most_mb, self._given_back_mb) + files_mb


# ---- behaviour


class Socket(NamedTuple):
    """A line of /proc/net: `remote` is None for a socket that listens or is not connected."""

    port: int
    remote: str | None
    listening: bool
    inode: str


def read_sockets(text: str, *, tcp: bool) -> list[Socket]:
    """The sockets of a table of /proc/net (tcp, tcp6, udp, udp6)."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        port = int(fields[1].rpartition(":")[2], 16)
        listening = tcp and fields[3] == "0A"
        remote = None if listening else _beyond(fields[2])
        found.append(Socket(port, remote, listening, fields[9]))
    return found


def _beyond(text: str) -> str | None:
    """The address and port, if it is beyond this machine; words are in the machine's byte order."""
    words, _, port = text.partition(":")
    numbers = [int(words[at : at + 8], 16) for at in range(0, len(words), 8)]
    raw = struct.pack(f"={len(numbers)}I", *numbers)
    address: Any = ipaddress.ip_address(raw)
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_unspecified:
        return None
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"{host}:{int(port, 16)}"


def tree_sockets(pids: Sequence[int]) -> list[Socket]:
    """The sockets of these processes, which share a network with the first."""
    own = {inode for pid in pids for inode in _socket_inodes(pid)}
    if not own:
        return []
    sockets = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        text = _read(f"/proc/{pids[0]}/net/{table}")
        sockets.extend(read_sockets(text, tcp=table.startswith("tcp")))
    return [item for item in sockets if item.inode in own]


def _socket_inodes(pid: int) -> set[str]:
    links = set()
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - hot path
            with contextlib.suppress(OSError):
                links.add(os.readlink(f"/proc/{pid}/fd/{number}"))  # noqa: PTH115 - as above
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def count_workers(pids: Sequence[int]) -> int:
    """Processes that share a listening socket, the most there are of one; the last of each line.

    A master that only hands its socket down to its children is none.
    """
    listening = {item.inode for item in tree_sockets(pids) if item.listening}
    holders = {pid: _socket_inodes(pid) & listening for pid in pids}
    counts = dict.fromkeys(listening, 0)
    for pid, inodes in holders.items():
        children = _children(pid)
        for inode in inodes:
            if not any(inode in holders.get(child, ()) for child in children):
                counts[inode] += 1
    return max(counts.values(), default=1)


def count_model_copies(pids: Sequence[int], model_mb: float) -> int:
    """Processes whose private memory could hold the model; 1 if it is shared or mapped."""
    rollups = read_rollups(pids)
    private_mb = [
        (item.get("Private_Clean", 0) + item.get("Private_Dirty", 0)) / 1024 for item in rollups
    ]
    return max(1, sum(mb >= model_mb for mb in private_mb))


def meeting_places(pids: Sequence[int], told_port: int, scratch: str) -> list[str]:
    """Where a second server would meet this one: ports it was not told, named Unix sockets."""
    found = {str(item.port) for item in tree_sockets(pids) if item.listening}
    found.discard(str(told_port))
    own = {inode for pid in pids for inode in _socket_inodes(pid)}
    for line in _read(f"/proc/{pids[0]}/net/unix").splitlines()[1:] if pids else ():
        fields = line.split(None, 7)
        if len(fields) == 8 and fields[6] in own and not fields[7].startswith(scratch):
            found.add(fields[7])
    return sorted(found)


def mapped_shared_mb(pids: Sequence[int]) -> float:
    """MB of files in /dev/shm that these processes map, deleted ones and semaphores too."""
    sizes: dict[str, int] = {}
    for pid in pids:
        for line in _read(f"/proc/{pid}/maps").splitlines():
            fields = line.split(None, 5)
            if len(fields) == 6 and fields[5].startswith(SHM + "/"):
                low, high = (int(bound, 16) for bound in fields[0].split("-"))
                sizes[fields[4]] = max(sizes.get(fields[4], 0), high - low + int(fields[2], 16))
    return sum(sizes.values()) / MB


class Fanotify:
    """The kernel's own account of files that were closed after writing, with who wrote them.

    For root only; OSError elsewhere. A queue, read at the end.
    """

    _CLOEXEC_NONBLOCK, _CLOSE_WRITE, _ADD_MOUNT = 0x1 | 0x2, 0x8, 0x1 | 0x10
    _EVENT = struct.Struct("=IBBHQii")
    _SHOWS_OTHERS = ("proc", "sysfs", "devpts", "devtmpfs", "cgroup", "cgroup2", "mqueue")

    def __init__(self) -> None:
        self._queue = _LIBC.fanotify_init(self._CLOEXEC_NONBLOCK, os.O_RDONLY | os.O_CLOEXEC)
        if self._queue < 0:
            raise OSError(ctypes.get_errno(), "fanotify_init")
        lines = [line.split() for line in _read("/proc/self/mounts").splitlines()]
        points = {line[1] for line in lines if line[2] not in self._SHOWS_OTHERS}
        marked = [point for point in points if self._mark(point)]
        if "/" not in marked:
            self.close()
            raise OSError(ctypes.get_errno(), "fanotify_mark")

    def _mark(self, point: str) -> bool:
        mask = ctypes.c_uint64(self._CLOSE_WRITE)
        path = os.fsencode(point)
        return bool(_LIBC.fanotify_mark(self._queue, self._ADD_MOUNT, mask, -100, path) == 0)

    def written_by(self, pids: set[int]) -> list[str]:
        """The paths that these processes wrote since the last call."""
        paths: list[str] = []
        while True:
            try:
                data = os.read(self._queue, 65536)
            except BlockingIOError:
                return paths
            while data:
                length, _, _, _, _, descriptor, pid = self._EVENT.unpack_from(data)
                data = data[length:]
                if descriptor < 0:
                    continue
                if pid in pids:
                    paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
                os.close(descriptor)

    def close(self) -> None:
        """Stop listening."""
        os.close(self._queue)


def alone() -> bool:
    """True if all processes here are above or below this one, as in a container of its own."""
    pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
    known, todo = {os.getpid()}, [os.getpid()]
    while todo:
        below = set(_children(todo.pop())) - known
        known |= below
        todo.extend(below)
    pid = os.getpid()
    while pid > 1:
        pid = int(_read(f"/proc/{pid}/stat").rpartition(")")[2].split()[1])
        known.add(pid)
    return pids <= known


def changed_since(since: float, skipped: Sequence[str]) -> list[str] | None:
    """Files of the root file system that changed after that time; None if it takes too long."""
    deadline = time.monotonic() + SCAN_S
    found = []
    for path, status in walk("/", skipped):
        if time.monotonic() > deadline:
            return None
        if status.st_ctime >= since:
            found.append(path)
    return found


class Observer:
    """Watches what one server does, from its start to its end; `result` is a Behaviour.

    What cannot be seen is None, with the reason. Writing bytecode is no write: no server of ours
    does it, and one that cannot is not stopped by it.
    """

    def __init__(self, model: Path, scratch: Path, model_mb: float) -> None:
        self._folders = ("/tmp", SHM, str(model), str(scratch))  # noqa: S108 - read
        self._work, self._model_mb = scratch / "work", model_mb
        self._since = time.time()
        self._connections: set[str] = set()
        self._written: list[str] | None = None
        self._seen: dict[str, Any] = {}
        self.why = [
            "startup_connections: one that is over between two looks is missed, as is UDP without "
            "connect()"
        ]
        self._fanotify: Fanotify | None = None
        with contextlib.suppress(OSError, AttributeError):  # not root; a libc without it
            self._fanotify = Fanotify()

    def look_at_start(self, pids: Sequence[int]) -> None:
        """One of many looks until the server is ready."""
        sockets = tree_sockets(pids)
        self._connections.update(item.remote for item in sockets if item.remote is not None)

    def look_at_work(self, pids: Sequence[int], told_port: int) -> None:
        """Once, when it has answered requests."""
        ports = {item.port for item in tree_sockets(pids) if item.listening}
        copies = None
        if self._model_mb >= MODEL_SHOWS_MB:
            copies = count_model_copies(pids, self._model_mb)
        else:
            self.why.append(
                f"model_copies: a model of {self._model_mb:.0f} MB does not show beside an "
                f"interpreter; from {MODEL_SHOWS_MB} MB it does"
            )
        self._seen = {
            "workers": count_workers(pids),
            "model_copies": copies,
            "shared_memory_mb": mapped_shared_mb(pids),
            "listening_ports": sorted({SERVICE_PORT if p == told_port else p for p in ports}),
        }

    def finish(self, pids: set[int], shm_files_mb: float) -> None:
        """When it has ended; `pids` are all that it ever had."""
        if self._fanotify is not None:
            self._written = self._fanotify.written_by(pids)
            self._fanotify.close()
        elif alone():
            skipped = ("/proc", "/sys", "/dev", "/opt/ml", *self._folders)
            self._written = changed_since(self._since, skipped)
            if self._written is None:
                self.why.append(f"writes_outside: looking took more than {SCAN_S:.0f} s")
        else:
            self.why.append(
                "writes_outside: only in the working directory; elsewhere it needs root, or a "
                "container of its own, to tell whose they are"
            )
        if "shared_memory_mb" in self._seen:
            self._seen["shared_memory_mb"] = max(self._seen["shared_memory_mb"], shm_files_mb)

    def result(self) -> dict[str, Any]:
        """The Behaviour of profile.json, but for `early_ready`."""
        here = sorted(f"./{item.name}" for item in self._work.iterdir())
        outside = {path for path in self._written or () if not self._is_inside(path)}
        paths = [f"{path} (in the working directory)" for path in here] + sorted(outside)
        if len(paths) > MAX_PATHS:
            self.why.append(f"writes_outside: {len(paths) - MAX_PATHS} more")
        return {
            "writes_outside": paths[:MAX_PATHS] if paths or self._written is not None else None,
            "startup_connections": sorted(self._connections),
            **self._seen,
            "why": self.why,
        }

    def _is_inside(self, path: str) -> bool:
        bytecode = "/__pycache__/" in path
        return bytecode or any(path.startswith(folder + "/") for folder in self._folders)


_VERBOSE_COMPILED = re.compile(r"^# code object from (/.+\.py)$", re.M)


def uncompiled(verbose: str) -> int | None:
    """Modules that were compiled from source, by what PYTHONVERBOSE printed; None without Python.

    >>> uncompiled("import 'site'\\n# code object from /app/main.py\\n")
    1
    """
    if "# code object from " not in verbose:
        return None
    return len(set(_VERBOSE_COMPILED.findall(verbose)))


# ---- the server


class Reply(NamedTuple):
    """An answer to a request."""

    status: int
    body: bytes
    seconds: float


class Client:
    """One keep-alive connection to the server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        timeout_s: float = REQUEST_TIMEOUT_S + 5,
    ) -> tuple[int, bytes]:
        """Status and body; OSError or HTTPException if there is no answer."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection = self._connection
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Server:
    """The image's own server as a process. Use as a context: nothing of it is left afterwards."""

    def __init__(
        self,
        command: Sequence[str],
        model: Path,
        limits: Limits,
        cgroup: Cgroup | None = None,
        cpu_group: CpuGroup | None = None,
    ) -> None:
        self._command, self._model, self._limits = command, model, limits
        self._cgroup = cgroup
        self._groups = [group for group in (cgroup, cpu_group) if group is not None]
        self._scratch = tempfile.TemporaryDirectory(prefix="seatrial-profile-")
        self.scratch = Path(self._scratch.name)
        self.stderr = self.scratch / "stderr"
        self.environment: dict[str, str] = {}
        self.observer: Observer | None = None
        self.behaviour: dict[str, Any] = {}
        self._requests = itertools.count()
        self._tree = ProcessTree(cpu_group)
        self.look_every_s = LOOK_EVERY_S
        self.started = 0.0

    def __enter__(self) -> Server:
        try:
            mounts = tmpfs_mounts(_read("/proc/self/mounts"), [SHM, str(self.scratch)])
            self._tmpfs = Tmpfs(mounts)
            self._start()
        except BaseException:  # a signal too: nothing may be left
            self._tree.end()
            self._remove()
            raise
        self.watch = Watch(self._tree, self._cgroup, self._limits.memory_stop_mb, self._tmpfs)
        self.watch.every_s = self.look_every_s
        if self.observer is not None:
            look = self.observer.look_at_start
            self.watch.also = lambda: look(self.pids())
        self.watch.start()
        return self

    def _start(self) -> None:
        self.port = free_port()
        self.client = Client(self.port)
        for name in ("work", "tmp"):
            (self.scratch / name).mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "SEATRIAL_MODEL_DIR": str(self._model),
            "SEATRIAL_HOST": "127.0.0.1",
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "TMPDIR": str(self.scratch / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.environment,
        }
        self.started = time.monotonic()
        try:
            with self.stderr.open("wb") as stderr, Watch.looking:
                self.process = subprocess.Popen(
                    list(self._command),
                    cwd=str(self.scratch / "work"),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,  # prediction records: not ours to keep
                    stderr=stderr,
                    start_new_session=True,
                    preexec_fn=self._before_exec,  # no other thread is amid anything now
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
            self.client.close()
            self._tree.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self._tree.end()
            try:
                self._finish_observer()
            finally:
                self._remove()

    def _finish_observer(self) -> None:
        if self.observer is not None:
            self.observer.finish(self.watch.pids, self._tmpfs.peak_mb.get(SHM, 0.0))
            self.behaviour = self.observer.result()

    def observe(self, model_mb: float) -> None:
        """Before it starts: have its behaviour watched; it is in `behaviour` when it has ended."""
        (self.scratch / "work").mkdir()
        self.observer = Observer(self._model, self.scratch, model_mb)

    def wait_for_port(self) -> float:
        """Seconds from the start until the port takes a connection."""
        return self._wait(self._takes_connection, "took no connection")

    def wait_for_ping(self) -> float:
        """Seconds from the start until /ping answers 200."""
        taken = self._wait(self._pings, "did not answer 200 to /ping")
        self.watch.also = None
        return taken

    def invoke(self, payload: Payload, client: Client | None = None) -> Reply:
        """Send the payload; ServerError if no answer comes back."""
        headers = {
            "Content-Type": payload.content_type,
            "X-Amzn-SageMaker-Custom-Attributes": "seatrial-synthetic=true",
        }
        number = next(self._requests)
        started = time.monotonic()
        self.watch.deadlines[number] = started + REQUEST_TIMEOUT_S
        try:
            status, body = (client or self.client).request(
                "POST", "/invocations", payload.body, headers
            )
        except (OSError, http.client.HTTPException) as error:
            raise self.failure(f"did not answer: {error!r}") from error
        finally:
            del self.watch.deadlines[number]
        return Reply(status, body, time.monotonic() - started)

    def pids(self) -> list[int]:
        """The processes of the server now."""
        return self._tree.pids()

    def own_memory_mb(self) -> float:
        """What it holds now that is in no file on a disk: what a leak would add to."""
        return sum(map(_own_pss, read_rollups(self.pids()))) / 1024

    def cpu_s(self) -> float:
        """CPU seconds of the server so far."""
        return tree_cpu_s(self._tree.pids())

    @property
    def waited_s(self) -> float | None:
        """How long a request was waited for in vain; None if each had an answer in time."""
        return REQUEST_TIMEOUT_S if self.watch.timed_out else None

    def _before_exec(self) -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for group in self._groups:
            group.join()

    def _wait(self, done: Callable[[], bool], otherwise: str) -> float:
        deadline = self.started + self._limits.start_s
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if done():
                    return time.monotonic() - self.started
            if self.process.poll() is not None or self.watch.stopped:
                raise self.failure("ended before it was ready")
            if time.monotonic() > deadline:
                raise self.failure(f"{otherwise} in {self._limits.start_s:g} s{self._elsewhere()}")
            time.sleep(0.002)

    def _elsewhere(self) -> str:
        """Where it listens instead of the port it was told."""
        ports = {item.port for item in tree_sockets(self.pids()) if item.listening}
        if not ports or self.port in ports:
            return ""
        listens = ", ".join(map(str, sorted(ports)))
        return f"; it listens on {listens}, not on the port that SAGEMAKER_BIND_TO_PORT tells it"

    def _takes_connection(self) -> bool:
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        return True

    def _pings(self) -> bool:
        return self.client.request("GET", "/ping", None, {}, timeout_s=2.0)[0] == 200

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
        with self.stderr.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - STDERR_TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
        for path in (self._scratch.name, str(self._model)):
            text = text.replace(path, "…")
        return " | ".join(line.strip() for line in text.splitlines()[-5:] if line.strip())

    def _remove(self) -> None:
        for group in self._groups:
            group.remove()
        self._scratch.cleanup()


def free_port() -> int:
    """A TCP port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prctl(option: int, value: int) -> None:
    _LIBC.prctl(option, value, 0, 0, 0)


# ---- the measurements


def not_measured(name: str, archive: Path) -> dict[str, Any]:
    """A candidate's part of profile.json with nothing in it yet."""
    return {
        "candidate": name,
        "archive_size_mb": archive.stat().st_size / MB,
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


class Start(NamedTuple):
    """One cold start."""

    to_port_s: float
    to_ping_s: float
    to_first_prediction_s: float
    cpu_s: float
    idle_memory_mb: float
    processes: int
    threads: int
    early_ready: bool


class Profiler:
    """Measures candidates with one server command, the same payloads and limits for each."""

    def __init__(
        self,
        command: Sequence[str],
        payloads: Sequence[Payload],
        limits: Limits,
        image: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.command, self.payloads, self.limits = command, payloads, limits
        self.image = image  # its name, if it was told: it cannot be seen from inside
        self.environment = environment or {}  # more, as the container has it
        self.cgroups = find_cgroups()
        self.cpu_groups = find_cpu_groups() if limits.tiers.budget.requests else None
        self.smallest = min(self.payloads, key=lambda item: len(item.body))

    def profile(self, name: str, archive: Path, elsewhere: str | None) -> dict[str, Any]:
        """The candidate's part of profile.json; but for sizes nothing, if it runs elsewhere."""
        result = not_measured(name, archive)
        with tempfile.TemporaryDirectory(prefix="seatrial-profile-") as folder:
            try:
                result["unpacked_size_mb"] = unpack(archive, Path(folder)) / MB
            except SizeError as error:
                return {**result, "unpacked_size_mb": error.size_mb, "failure": str(error)}
            if elsewhere is not None:
                return {**result, "failure": f"not measured: it runs in {elsewhere} only"}
            bench = Bench(self, name, Path(folder), result["unpacked_size_mb"])
            early_ready = bench.cold_starts(result)
            if result["failure"] is None:
                bench.samples(result)
                result["behaviour"]["early_ready"] = early_ready
                result["growth"] = bench.growth()
                result.update(bench.tiers(result))
                result["scaled"] = bench.scaled(result["payloads"])
            result["cut_short"] = bench.cut_short
        return result

    def server(self, model: Path) -> Server:
        """A fresh server, not yet started."""
        server = Server(self.command, model, self.limits, self.cgroups.make())
        server.environment.update(self.environment)
        return server

    def server_of_tier(self, model: Path, limits: Limits, group: CpuGroup | None) -> Server:
        """The same under a quota, or under none, and without a cgroup for its memory."""
        server = Server(self.command, model, limits, cpu_group=group)
        server.environment.update(self.environment)
        return server

    def count_uncompiled(self, archive: Path) -> int | None:
        """Modules that the server compiles at every start; None if it is not Python or fails."""
        with tempfile.TemporaryDirectory(prefix="seatrial-profile-") as folder:
            with contextlib.suppress(SizeError):
                unpack(archive, Path(folder))
            server = self.server(Path(folder))
            server.environment["PYTHONVERBOSE"] = "1"
            with server:
                try:
                    server.wait_for_port()
                    server.wait_for_ping()
                except ServerError:
                    return None
                return uncompiled(server.stderr.read_text(encoding="utf-8", errors="replace"))


class Bench:
    """The measurements of one candidate, each with servers of its own, in a given time.

    `cut_short` has a line for whatever was measured less than asked for, or not at all.
    """

    def __init__(self, profiler: Profiler, name: str, model: Path, model_mb: float) -> None:
        self._profiler, self._limits = profiler, profiler.limits
        self._name, self._model, self._model_mb = name, model, model_mb
        self._end = time.monotonic() + self._limits.whole_s
        self._meeting_places: list[str] | None = None  # not known yet
        self.cut_short: list[str] = []

    def _left_s(self, seconds: float = math.inf) -> float:
        """What is left of the whole time, and no more than these seconds."""
        return max(0.0, min(seconds, self._end - time.monotonic()))

    def _cut(self, line: str) -> None:
        self.cut_short.append(line)
        self._say(line)

    def cold_starts(self, result: dict[str, Any]) -> bool:
        """Start it again and again; True if it ever said that it is ready before it was."""
        starts: list[Start] = []
        peak_mb = 0.0
        for number in range(1, self._limits.cold_starts + 1):
            server = self._profiler.server(self._model)
            try:
                with server:
                    starts.append(_cold_start(server, self._profiler.smallest))
                if server.watch.stopped:
                    raise server.failure("ended")
            except ServerError as error:
                self._say(f"cold start {number}: {error}")
                result["failure"] = str(error)
                result["no_answer_s"] = server.waited_s
                result["stopped"] = server.watch.stopped
                result["peak_memory_mb"] = max(peak_mb, server.watch.peak_mb)
                return False
            peak_mb = max(peak_mb, server.watch.peak_mb)
            self._say(
                f"cold start {number} of {self._limits.cold_starts}: "
                f"{starts[-1].to_first_prediction_s:.2f} s, "
                f"idle {starts[-1].idle_memory_mb:.0f} MB"
            )
        result.update(_medians(starts), peak_memory_mb=peak_mb)
        return any(start.early_ready for start in starts)

    def samples(self, result: dict[str, Any]) -> None:
        """The samples, one client at a time, and then by more at once."""
        runs = []
        for number, payload in enumerate(self._profiler.payloads):
            server = self._profiler.server(self._model)
            if number == 0:
                server.observe(self._model_mb)
            runs.append((self._payload(server, payload), server))
        payloads = [run for run, _ in runs]
        result["payloads"] = payloads
        result["peak_memory_mb"] = max(
            result["peak_memory_mb"], *(item["peak_memory_mb"] for item in payloads)
        )
        result["stopped"] = any(item["stopped"] for item in payloads)
        result["behaviour"] = runs[0][1].behaviour
        watches = [server.watch for _, server in runs]
        result["memory"] = max(watches, key=lambda watch: watch.peak_mb).series.points()
        result["tmpfs_mb"] = max(watch.tmpfs_mb for watch in watches)
        if self._profiler.cgroups.parent is not None:
            result["page_cache_mb"] = max(watch.page_cache_mb for watch in watches)
        result["concurrent"] = [
            self._payload(self._profiler.server(self._model), payload, clients=clients)
            for clients in self._limits.concurrency
            if clients > 1
            for payload in self._profiler.payloads
        ]

    def scaled(self, samples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The samples repeated, smallest first, until one is not answered or there is no time."""
        limit = self._limits
        if not limit.scaled.requests:
            return []
        results: list[dict[str, Any]] = []
        for payload in scaled_payloads(self._profiler.payloads, int(limit.payload_limit_mb * MB)):
            expected_s = expected_seconds(payload.rows, (*samples, *results))
            if expected_s > self._left_s():
                self._cut(
                    f"payload {payload.name} and larger: left out, since one request would take "
                    f"about {expected_s:.0f} s of the {self._left_s():.0f} s left"
                )
                break
            server = self._profiler.server(self._model)
            results.append(self._payload(server, payload, limit.scaled))
            if not results[-1]["requests"] or results[-1]["stopped"]:
                break
        return results

    def growth(self) -> dict[str, Any] | None:
        """What a sustained run of the smallest payload adds; None if too few were answered."""
        budget = self._limits.growth
        if not budget.requests:
            return None
        if not self._left_s():
            self._cut("growth: left out, no time is left for it")
            return None
        points: list[tuple[int, float]] = []
        every = max(1, budget.requests // MAX_SERIES)
        with self._profiler.server(self._model) as server, contextlib.suppress(ServerError):
            server.wait_for_port()
            server.wait_for_ping()
            end = time.monotonic() + self._left_s(budget.seconds)
            for number in range(1, budget.requests + 1):
                if server.invoke(self._profiler.smallest).status != 200:
                    break
                if number % every == 0:
                    points.append((number, server.own_memory_mb()))
                if time.monotonic() > end:
                    break
        found = growth(points)
        if found is not None:
            self._say(
                f"growth over {found['requests']} requests: "
                f"{found['slope_low']:.2f} to {found['slope_high']:.2f} MB per 1000"
            )
        else:
            self._cut(f"growth: unknown, from {len(points) * every} requests in the time it has")
        return found

    def tiers(self, result: dict[str, Any]) -> dict[str, Any]:
        """A cold start and the samples with each tier's CPU; none where no quota can be had."""
        found: dict[str, Any] = {"tier_starts": [], "tier_latencies": [], "whole_latencies": []}
        cores = len(os.sched_getaffinity(0))
        quotas = self._profiler.cpu_groups is not None
        runs = tier_runs(self._limits.tiers, cores, result, quotas=quotas)
        if not runs or not self._limits.tiers.budget.requests:
            return found
        end = time.monotonic() + self._left_s(self._limits.tiers.budget.seconds)
        alone = self._why_alone(len(runs), result["peak_memory_mb"])
        batches = [runs]
        if alone is not None:
            self._say(f"tiers one after another: {alone}")
            batches = [[run] for run in runs if run.memory_size_mb is not None]
        for number, batch in enumerate(batches):
            todo = [run for later in batches[number:] for run in later]
            self._plan(batch, max(0.0, end - time.monotonic()), sum(1 / r.busy_cpus for r in todo))
            self._in_turn(batch)
        for run in runs:
            found["tier_starts"] += run.starts
            whole = run.memory_size_mb is None
            found["whole_latencies" if whole else "tier_latencies"] += run.latencies()
        return found

    def _why_alone(self, servers: int, peak_mb: float) -> str | None:
        """Why so many servers may not be up together; None if they may."""
        if self._meeting_places is None or self._meeting_places:
            where = ", ".join(self._meeting_places or ("an unknown place",))
            return f"their servers would meet at {where}"
        needed_mb = servers * peak_mb * MEMORY_MARGIN
        room_mb = min(self._limits.memory_stop_mb, available_mb())
        if needed_mb > room_mb:
            return f"{servers} servers need {needed_mb:.0f} MB, and {room_mb:.0f} are to be had"
        return None

    def _plan(self, batch: Sequence[TierRun], seconds: float, slowness: float) -> None:
        """Share the time out: less CPU takes longer. Says what does not fit."""
        for run in batch:
            late = run.plan(self._profiler.payloads, seconds / run.busy_cpus / slowness)
            if late:
                self._cut(f"{run.label}: {', '.join(late)} left out, too slow for its time")

    def _in_turn(self, batch: Sequence[TierRun]) -> None:
        """Have them measured with a server of each up, and only one of them asked at a time."""
        stop_mb = self._limits.memory_stop_mb // len(batch)
        limits = self._limits._replace(memory_stop_mb=stop_mb)
        with contextlib.ExitStack() as up:
            for run in batch:
                if run.start_s <= run.share_s:
                    self._start(run, limits, up)
            take_turns(batch, self._profiler.payloads, self._limits.tiers.budget.requests)
        for run in batch:
            if run.failure is not None:
                self._cut(f"{run.label}: {run.failure}")

    def _start(self, run: TierRun, limits: Limits, up: contextlib.ExitStack) -> None:
        """Start its server under its quota, until `up` ends."""
        groups, group = self._profiler.cpu_groups, None
        if run.memory_size_mb is not None and groups is not None:
            try:
                group = groups.make(run.vcpus)  # from the start: a server may count its CPUs
            except OSError as error:  # it is more than a group above it has
                run.failure = f"no such quota can be had here ({error})"
                return
        server = self._profiler.server_of_tier(self._model, limits, group)
        server.environment.setdefault("SEATRIAL_THREADS", str(run.threads))
        server.look_every_s = IDLE_LOOK_EVERY_S
        up.enter_context(server)
        with contextlib.suppress(ServerError):
            run.begin(server, self._profiler.smallest)

    def _payload(
        self, server: Server, payload: Payload, budget: Budget | None = None, clients: int = 1
    ) -> dict[str, Any]:
        budget = budget or Budget(self._limits.requests, self._limits.seconds)
        budget = Budget(budget.requests, self._left_s(budget.seconds))
        run = PayloadRun(payload, budget, clients)
        with server:
            run.measure(server)
            memory_after_mb = server.watch.look() or None
            if server.observer is not None and memory_after_mb is not None:
                pids = server.pids()
                server.observer.look_at_work(pids, server.port)
                self._meeting_places = meeting_places(pids, server.port, str(server.scratch))
        result = {**run.result(server.watch), "memory_after_mb": memory_after_mb}
        stop_mb, p50_ms = self._limits.memory_stop_mb, result["latency_p50_ms"]
        peak = f"> {stop_mb}" if result["stopped"] else f"{result['peak_memory_mb']:.0f}"
        speed = "" if p50_ms is None else f", p50 {p50_ms:.2f} ms"
        at_once = f", {clients} at once" if clients > 1 else ""
        self._say(
            f"payload {payload.name} ({payload.rows} rows{at_once}): {result['requests']} "
            f"answered, {result['errors']} errors, peak {peak} MB{speed}"
        )
        if not result["errors"] and result["requests"] < budget.requests:
            unknown = "; its p95 is unknown" if result["latency_p95_ms"] is None else ""
            self._cut(
                f"payload {payload.name}{at_once}: {result['requests']} of {budget.requests} "
                f"requests in the time it has{unknown}"
            )
        return result

    def _say(self, line: str) -> None:
        say(f"{self._name}: {line}")


def _cold_start(server: Server, payload: Payload) -> Start:
    to_port_s, to_ping_s = server.wait_for_port(), server.wait_for_ping()
    reply, early_ready = _first_prediction(server, payload)
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
        early_ready,
    )


def _first_prediction(server: Server, payload: Payload) -> tuple[Reply, bool]:
    """The first answer that is not the server's own error, and whether there was one before."""
    deadline = time.monotonic() + EARLY_READY_S
    reply = server.invoke(payload)
    early = reply.status >= 500
    while reply.status >= 500 and time.monotonic() < deadline:
        time.sleep(0.05)
        reply = server.invoke(payload)
    return reply, early and reply.status == 200


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


def expected_seconds(rows: int, measured: Sequence[dict[str, Any]]) -> float:
    """What a request of so many rows should take: as many times as long as it has more rows.

    >>> expected_seconds(300, [{"rows": 100, "latency_p50_ms": 2000.0}])
    6.0
    """
    known = [item for item in measured if item["latency_p50_ms"] is not None]
    largest = max(known, key=lambda item: int(item["rows"]), default=None)
    if largest is None:
        return 0.0
    return float(largest["latency_p50_ms"] * rows / largest["rows"] / 1000)


def available_mb(root: Path = Path("/sys/fs/cgroup")) -> float:
    """What this machine, and the container's own cap, leave free."""
    free = [_kilobytes(_read("/proc/meminfo")).get("MemAvailable", 0) / 1024]
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        cap, used = _read(str(root / limit)).strip(), _read(str(root / usage)).strip()
        if cap.isdigit() and used.isdigit():  # "max" is none
            free.append((int(cap) - int(used)) / MB)
    return min(free)


def tier_runs(tiers: Tiers, cores: int, result: dict[str, Any], *, quotas: bool) -> list[TierRun]:
    """A run of each tier whose quota the cores can hold, if there are quotas; and on all cores.

    Of the latter one for each number of threads, as far as there are cores for them.
    """
    sizes, whole = tiers.sizes_mb, tiers.mb_per_vcpu
    held = [size for size in sizes if quotas and size / whole <= cores]
    threads = sorted({min(tier_threads(size, whole), cores) for size in sizes})
    if not held and threads == [cores]:
        return []  # the samples were sent so already
    return [
        *(TierRun(size, size / whole, tier_threads(size, whole), result) for size in held),
        *(TierRun(None, cores, number, result) for number in threads),
    ]


def tier_threads(memory_size_mb: float, mb_per_vcpu: float) -> int:
    """As seatrial.limits has it, where the reason is."""
    return max(1, math.floor(memory_size_mb / mb_per_vcpu + 0.5))


def take_turns(runs: Sequence[TierRun], payloads: Sequence[Payload], requests: int) -> None:
    """Each payload in its turn, and in blocks by each run, until all have had their share."""
    left = runs[0].quickest_first(payloads)
    for payload in list(left):
        asking = [run for run in runs if run.turns_to(payload, left, requests)]
        while asking:
            asking = [run for run in asking if run.block()]
        left.remove(payload)


class TierRun:
    """A cold start and the samples under the quota of one tier; of no tier, on all cores.

    `threads` is what the server is told to compute with. `share_s` is the time it may take, `todo`
    what fits it, `failure` what ended it early.
    """

    def __init__(
        self, memory_size_mb: int | None, vcpus: float, threads: int, result: dict[str, Any]
    ) -> None:
        self.memory_size_mb, self.vcpus, self.threads = memory_size_mb, vcpus, threads
        self.busy_cpus = min(vcpus, float(threads))
        self.label = f"{memory_size_mb} MB's CPU"
        if memory_size_mb is None:
            self.label = f"all cores, threads: {threads}"
        self.starts: list[dict[str, Any]] = []
        self.share_s = self._spent_s = 0.0
        self.failure: str | None = None
        self._server: Server | None = None
        self._samples: list[TierSample] = []
        self.todo: list[Payload] = []
        self.start_s = self._slow_s(
            result["cold_start"]["to_first_prediction_s"], result["cold_start"]["cpu_s"]
        )
        self._request_s = {
            item["payload"]: self._slow_s(
                item["latency_p50_ms"] / 1000, item["cpu_s_per_request"] or 0.0
            )
            for item in result["payloads"]
            if item["latency_p50_ms"] is not None
        }

    def plan(self, payloads: Sequence[Payload], share_s: float) -> list[str]:
        """Take those of which enough requests for a mean fit; says what does not."""
        self.share_s = share_s
        seconds = share_s - self.start_s
        known = self.quickest_first(payloads)
        for item in known:
            seconds -= self._request_s[item.name] * (FEWEST_FOR_MEAN + 1)
            if seconds < 0:
                break
            self.todo.append(item)
        late = ["its start"] if self.start_s > share_s else []
        return late + [item.name for item in known if item not in self.todo]

    def quickest_first(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Those that were answered: what a quick one leaves of its time is then a slow one's."""
        known = [item for item in payloads if item.name in self._request_s]
        return sorted(known, key=lambda item: self._request_s[item.name])

    def begin(self, server: Server, payload: Payload) -> None:
        """From the process to the answer to the smallest sample, as without a quota."""
        try:
            to_port_s, to_ping_s = server.wait_for_port(), server.wait_for_ping()
            reply, _ = _first_prediction(server, payload)
        except ServerError as error:
            self.failure = str(error)
            raise
        to_first_prediction_s = time.monotonic() - server.started
        self._server, self._spent_s = server, to_first_prediction_s
        if reply.status == 200 and self.memory_size_mb is not None:
            self.starts.append(
                {
                    "memory_size_mb": self.memory_size_mb,
                    "to_port_s": to_port_s,
                    "to_ping_s": to_ping_s,
                    "to_first_prediction_s": to_first_prediction_s,
                }
            )

    def turns_to(self, payload: Payload, left: Sequence[Payload], requests: int) -> bool:
        """Take up the payload, one of those left, with an equal part of the time; False if not."""
        if self._server is None or payload not in self.todo:
            return False
        after = sum(item in self.todo for item in left)
        budget = Budget(requests, max(0.0, self.share_s - self._spent_s) / after)
        self._samples.append(TierSample(payload, budget))
        return True

    def block(self) -> bool:
        """Send a block of the payload; True if there is to be another."""
        assert self._server is not None  # noqa: S101 - it turned to the payload
        started = time.monotonic()
        try:
            return self._samples[-1].block(self._server)
        except ServerError as error:
            self._server, self.failure = None, str(error)
            return False
        finally:
            self._spent_s += time.monotonic() - started

    def latencies(self) -> list[dict[str, Any]]:
        """Of each payload that had enough answers."""
        found = [sample.result() for sample in self._samples]
        of = {"memory_size_mb": self.memory_size_mb}
        if self.memory_size_mb is None:
            of = {"threads": self.threads}
        return [{**of, **item} for item in found if item is not None]

    def _slow_s(self, wall_s: float, cpu_s: float) -> float:
        """How long that should take here: the wall at least, and what its CPU time becomes."""
        return max(wall_s, cpu_s / self.busy_cpus)


class TierSample:
    """One payload's requests under the quota of a tier, in blocks between those of other tiers.

    What a mean needs is sent even if it takes longer than was expected, unless it takes three times
    as long.
    """

    def __init__(self, payload: Payload, budget: Budget) -> None:
        self.payload, self._budget = payload, budget
        self.seconds: list[float] = []
        self._sent = 0
        self._spent_s = 0.0
        self._metered, self._cpu_s = 0, 0.0  # requests of whole blocks, and what they took

    def block(self, server: Server) -> bool:
        """Send some; True if there are to be more."""
        started = time.monotonic()
        self._lead_in(server, started)
        sent, cpu_s = self._sent, server.cpu_s()
        begun, last = time.monotonic(), sent + BLOCK_REQUESTS
        before_s = self._spent_s
        goes_on = True
        while goes_on and self._sent < last and time.monotonic() < begun + BLOCK_S:
            reply = server.invoke(self.payload)
            self._sent += 1
            if reply.status == 200:
                self.seconds.append(reply.seconds)
            self._spent_s = before_s + time.monotonic() - started
            goes_on = self._goes_on()
        self._metered += self._sent - sent
        self._cpu_s += server.cpu_s() - cpu_s
        return goes_on

    def _lead_in(self, server: Server, started: float) -> None:
        """The first period goes uncounted: while it was idle its quota was saved up."""
        period_s = CPU_PERIOD_US / 1e6
        if self.seconds and statistics.median(self.seconds) > LONG_PERIODS * period_s:
            return
        for _ in range(BLOCK_REQUESTS):
            server.invoke(self.payload)
            if time.monotonic() > started + period_s:
                break

    def _goes_on(self) -> bool:
        enough_s = self._budget.seconds * (1 if self._sent >= FEWEST_FOR_MEAN else 3)
        return self._sent < self._budget.requests and self._spent_s <= enough_s

    def result(self) -> dict[str, Any] | None:
        """Its part of profile.json; None of fewer than a mean needs."""
        ordered = sorted(self.seconds)
        if len(ordered) < FEWEST_FOR_MEAN:
            return None
        return {
            "payload": self.payload.name,
            "latency_p50_ms": percentile_ms(ordered, 0.50),
            "latency_p95_ms": percentile_ms(ordered, 0.95, FEWEST_FOR_P95),
            "latency_p95_at_least_ms": p95_at_least_ms(ordered),
            "latency_max_ms": 1000 * ordered[-1],
            "latency_mean_ms": 1000 * statistics.mean(ordered),
            "cpu_s_per_request": max(self._cpu_s, 0.0) / self._metered if self._metered else None,
            "requests": len(ordered),
        }


class PayloadRun:
    """One payload, sent to a fresh server again and again, by so many clients at a time."""

    def __init__(self, payload: Payload, budget: Budget, clients: int = 1) -> None:
        self.payload, self.budget, self.clients = payload, budget, clients
        self.seconds: list[float] = []
        self.cpu_s: float | None = None
        self.requests_per_s: float | None = None
        self.response_bytes: int | None = None
        self.no_answer_s: float | None = None
        self.errors = 0
        self.first_error: str | None = None
        self._claimed = 1  # the first is sent in any case
        self._in_a_row = 0
        self._lock = threading.Lock()

    def measure(self, server: Server) -> None:
        """Send until there are enough answers, the time is up, or errors come in a row."""
        try:
            server.wait_for_port()
            server.wait_for_ping()
            self._send(server)
        except ServerError as error:
            self._note(str(error))
            self.no_answer_s = server.waited_s

    def _send(self, server: Server) -> None:
        self._end = time.monotonic() + self.budget.seconds
        cpu_s = server.cpu_s()
        self._one(server, None)  # the first warms up
        warm_cpu_s, warm, started = server.cpu_s(), len(self.seconds), time.monotonic()
        self.cpu_s = warm_cpu_s - cpu_s
        if self.clients == 1:
            while self._goes_on():
                self._one(server, None)
        else:
            self._send_at_once(server)
        sent, took_s = self._sent(), time.monotonic() - started
        if sent > 1:
            self.cpu_s = (server.cpu_s() - warm_cpu_s) / (sent - 1)
            self.requests_per_s = (len(self.seconds) - warm) / took_s if took_s > 0 else None

    def _send_at_once(self, server: Server) -> None:
        def client() -> None:
            connection = Client(server.port)
            try:
                while self._goes_on():
                    self._one(server, connection)
            except ServerError as error:
                self._note(str(error))
                self._in_a_row = MAX_ERRORS
            finally:
                connection.close()

        threads = [threading.Thread(target=client, daemon=True) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, server: Server, client: Client | None) -> None:
        reply = server.invoke(self.payload, client)
        if reply.status != 200:
            self._note(_refusal(reply))
            return
        with self._lock:
            self._in_a_row = 0
            self.seconds.append(reply.seconds)
            self.response_bytes = max(self.response_bytes or 0, len(reply.body))

    def _sent(self) -> int:
        return len(self.seconds) + self.errors

    def _goes_on(self) -> bool:
        """Claim the next request, if there is to be one."""
        with self._lock:
            goes_on = (
                self._claimed < self.budget.requests
                and self._in_a_row < MAX_ERRORS
                and time.monotonic() <= self._end
            )
            self._claimed += goes_on
        return goes_on

    def _note(self, error: str) -> None:
        with self._lock:
            self._in_a_row += 1
            self.errors += 1
            self.first_error = self.first_error or error

    def result(self, watch: Watch) -> dict[str, Any]:
        """The payload's part of profile.json."""
        warm = sorted(self.seconds[1:] or self.seconds)
        return {
            "payload": self.payload.name,
            "rows": self.payload.rows,
            "concurrency": self.clients,
            "request_mb": len(self.payload.body) / MB,
            "response_mb": None if self.response_bytes is None else self.response_bytes / MB,
            "requests": len(self.seconds),
            "errors": self.errors,
            "first_error": self.first_error,
            "no_answer_s": self.no_answer_s,
            "peak_memory_mb": watch.peak_mb,
            "stopped": watch.stopped,
            "latency_p50_ms": percentile_ms(warm, 0.50),
            "latency_p95_ms": percentile_ms(warm, 0.95, FEWEST_FOR_P95),
            "latency_p95_at_least_ms": p95_at_least_ms(warm),
            "latency_p99_ms": percentile_ms(warm, 0.99, FEWEST_FOR_P99),
            "latency_max_ms": 1000 * warm[-1] if warm else None,
            "latency_mean_ms": 1000 * statistics.mean(warm) if warm else None,
            "cpu_s_per_request": max(self.cpu_s, 0.0)
            if self.seconds and self.cpu_s is not None
            else None,
            "requests_per_s": self.requests_per_s,
        }


def percentile_ms(ordered_s: Sequence[float], share: float, fewest: int = 1) -> float | None:
    """The smallest of these that at least `share` of them do not exceed, in ms; None of fewer."""
    if len(ordered_s) < fewest:
        return None
    index = math.ceil(share * len(ordered_s)) - 1
    return ordered_s[index] * 1000


def p95_at_least_ms(ordered_s: Sequence[float]) -> float | None:
    """What the 95th percentile is no less than, in ms; wrong of at most one run in twenty.

    If it were less, so many slower ones would come by chance in fewer runs than that (binomial).

    >>> p95_at_least_ms([7.0]), p95_at_least_ms([1.0, 2.0, 3.0])
    (7000.0, 2000.0)
    """
    count = len(ordered_s)
    tail = 1.0  # the chance of `slower` or more
    for slower in range(count + 1):
        if tail <= SURE + 1e-9:
            return ordered_s[count - slower] * 1000
        tail -= math.comb(count, slower) * 0.05**slower * 0.95 ** (count - slower)
    return None


# Blocks of a run, and Student's t at 97.5 % for the increments from each to the next, of all of
# them and of the last half; and how many neighbours of an increment may make good for it.
BLOCKS, T_ALL, T_HALF = 20, 2.101, 2.306
LAGS = 2
WARM_UP_RATIO = 0.2


def growth(points: Sequence[tuple[int, float]]) -> dict[str, Any] | None:
    """The slope of memory over requests with its 95 % interval; None of too few points.

    Points are (requests so far, MB). The first fifth is warm-up. Memory is autocorrelated: it moves
    in steps that are not taken back, so neighbouring points are no independent evidence, and the
    interval of ordinary least squares would call every second step a leak. The slope is that of
    least squares through the means of twenty blocks; half the interval is Newey and West's standard
    error of the mean increment from block to block, which is right for a random walk with drift
    and narrower where memory is given back. What levels off, or moved early, is no leak either: the
    low end is no more than that of the last half alone, nor than the slope that is next if it goes
    on changing as it did from the first half to the second.

    >>> leak = growth([(n, 100 + n * 0.05) for n in range(100)])
    >>> round(leak["slope_low"], 6), round(leak["slope_high"], 6)
    (50.0, 50.0)
    """
    warm = points[int(len(points) * WARM_UP_RATIO) :]
    size = len(warm) // BLOCKS
    if size == 0:
        return None
    warm = warm[len(warm) - size * BLOCKS :]
    blocks = [warm[at : at + size] for at in range(0, len(warm), size)]
    at = [statistics.mean(number for number, _ in block) for block in blocks]
    mb = [statistics.mean(value for _, value in block) for block in blocks]
    half = BLOCKS // 2
    early, _ = _slope(at[:half], mb[:half], T_HALF)
    late, late_half_width = _slope(at[half:], mb[half:], T_HALF)
    slope, half_width = _slope(at, mb, T_ALL)
    return {
        "requests": points[-1][0],
        "slope_mb_per_1000_requests": 1000 * slope,
        "slope_low": 1000 * min(slope - half_width, late - late_half_width, 2 * late - early),
        "slope_high": 1000 * (slope + half_width),
    }


def _slope(at: Sequence[float], mb: Sequence[float], student_t: float) -> tuple[float, float]:
    """Least squares, and half the interval of the mean increment (Newey and West, 1987)."""
    mean_at, mean_mb = statistics.mean(at), statistics.mean(mb)
    spread = sum((x - mean_at) ** 2 for x in at)
    slope = sum((x - mean_at) * (y - mean_mb) for x, y in zip(at, mb)) / spread
    steps = [(b - a) / (y - x) for a, b, x, y in zip(mb, mb[1:], at, at[1:])]
    off = [step - statistics.mean(steps) for step in steps]
    variance = sum(value**2 for value in off)
    for lag in range(1, LAGS + 1):
        weight = 1 - lag / (LAGS + 1)
        variance += 2 * weight * sum(a * b for a, b in zip(off, off[lag:]))
    return slope, student_t * math.sqrt(max(variance, 0.0) / (len(steps) - 1) / len(steps))


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
    sizes = {
        status.st_ino: status.st_size for _, status in walk(str(root), [str(p) for p in skipped])
    }
    return sum(sizes.values())


def cpu_name() -> str:
    """The processor, as the kernel names it."""
    match = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.M)
    return match.group(1).strip() if match else platform.machine()


# ---- the step


def find_archive(folder: Path, name: str) -> Path:
    """The candidate's archive."""
    archive = folder / name / "model.tar.gz"
    if not archive.is_file():
        raise ProfileError(
            "there is no archive of a candidate",
            got=f"{name}/{archive.name}",
            allowed="<candidate>/model.tar.gz beside optimization.json",
            do="Run OptimizeModel again",
        )
    return archive


def say(line: str) -> None:
    """One line of progress, at once."""
    sys.stdout.write(f"ProfileModel {line}\n")
    sys.stdout.flush()


def profile_candidates(
    folder: Path, names: Sequence[str], profiler: Profiler, transfer_mb_per_s: float | None
) -> dict[str, Any]:
    """profile.json as plain values; transfers are estimates: size over the assumed speed."""
    image_mb, image_method = image_size()
    archives = {name: find_archive(folder, name) for name in names}
    uncompiled_modules = profiler.count_uncompiled(archives[names[0]])
    elsewhere = {n: i for n, i in own_images(folder).items() if i != profiler.image}
    candidates = [profiler.profile(n, path, elsewhere.get(n)) for n, path in archives.items()]
    profile: dict[str, Any] = {
        "schema_version": 1,
        "memory_method": profiler.cgroups.method,
        "memory_stop_mb": profiler.limits.memory_stop_mb,
        "image": profiler.image,
        "image_size_mb": image_mb,
        "image_size_method": image_method,
        "uncompiled_modules": uncompiled_modules,
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "cpu_count": len(os.sched_getaffinity(0)),
        "serve_command": list(profiler.command),
        "candidates": candidates,
    }
    if transfer_mb_per_s is not None:
        profile["assumed_transfer_mb_per_s"] = transfer_mb_per_s
        profile["estimated_image_pull_s"] = image_mb / transfer_mb_per_s
        for item in candidates:
            item["estimated_download_s"] = item["archive_size_mb"] / transfer_mb_per_s
    return profile


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    count, seconds = _number(int), _number(float)
    add("--candidates", type=Path, required=True, metavar="DIR")
    add("--output", type=Path, required=True, metavar="DIR")
    add("--serve-command", default="serve", metavar="COMMAND")
    add("--image", metavar="URI", help="the image that this runs in")
    add(
        "--environment",
        type=_variable,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="for the server; may be given more than once",
    )
    add("--names", metavar="A,B", help="default: every survivor")
    add("--cold-start-repeats", type=count, default=3, metavar="N")
    add("--requests-per-payload", type=count, default=50, metavar="N")
    add("--max-seconds-per-payload", type=seconds, default=20, metavar="S")
    add("--max-seconds-per-candidate", type=seconds, default=60, metavar="S")
    add("--max-start-seconds", type=seconds, default=180, metavar="S")
    add("--memory-stop-mb", type=count, default=6144, metavar="MB")
    add("--concurrency", type=_numbers, default=(1,), metavar="N,M", help="clients at once")
    for name in ("scaled", "growth", "tier"):
        add(f"--{name}-requests", type=_number(int, 0), default=0, metavar="N", help="0: none")
        add(f"--{name}-seconds", type=seconds, default=5, metavar="S")
    add("--payload-limit-mb", type=seconds, default=4, metavar="MB", help="of a scaled payload")
    add("--tiers-mb", type=_numbers, default=(), metavar="MB,MB", help="memory sizes to try")
    add("--mb-per-vcpu", type=seconds, default=1769, metavar="MB")
    add("--transfer-mb-per-s", type=seconds, metavar="MB", help="assumed, for the estimates")
    return parser.parse_args(argv)


def _limits(args: argparse.Namespace) -> Limits:
    tier_budget = Budget(args.tier_requests, args.tier_seconds)
    return Limits(
        cold_starts=args.cold_start_repeats,
        requests=args.requests_per_payload,
        seconds=args.max_seconds_per_payload,
        start_s=args.max_start_seconds,
        memory_stop_mb=args.memory_stop_mb,
        concurrency=args.concurrency,
        scaled=Budget(args.scaled_requests, args.scaled_seconds),
        payload_limit_mb=args.payload_limit_mb,
        growth=Budget(args.growth_requests, args.growth_seconds),
        tiers=Tiers(args.tiers_mb, args.mb_per_vcpu, tier_budget),
        whole_s=args.max_seconds_per_candidate,
    )


def _number(kind: Any, least: float | None = None) -> Any:
    """A parser of numbers above 0, or from `least` on."""

    def number(text: str) -> Any:
        value = kind(text)
        if not (0 if least is None else least - 1) < value < math.inf:
            raise argparse.ArgumentTypeError(
                f"{text} is not above 0" if least is None else f"{text} is under {least:g}"
            )
        return value

    return number


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_number(int)(part) for part in text.split(","))


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    args = _arguments(argv)
    if not Path("/proc/self/status").exists():
        raise ProfileError(
            "memory cannot be measured here", got=sys.platform, allowed="Linux", do="Use Linux"
        )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end_on_signal)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # a daemon's parent is then this process, not init
    names = read_names(args.candidates, args.names)
    payloads = read_payloads(args.candidates / "payloads.jsonl")
    tree = ProcessTree()
    try:
        command = shlex.split(args.serve_command)
        environment = dict(args.environment)
        profiler = Profiler(command, payloads, _limits(args), args.image, environment)
        profile = profile_candidates(args.candidates, names, profiler, args.transfer_mb_per_s)
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
