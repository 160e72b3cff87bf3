"""The profiler as the program it is, on servers of known appetite and on our own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.contracts import CandidateProfile, Check, PayloadProfile, Profile, read_contract
from seatrial.readiness.behaviour import early_ready, listening_ports
from seatrial.readiness.latency import latency_at
from seatrial.steps import profile_model

pytestmark = pytest.mark.flow

AS_IT_IS = "as it is"
PROGRAM = Path(str(profile_model.__file__)).resolve()
STAND_IN = """
import http.server, mmap, os, signal, socket, sys, time

def allocate(mb):
    block = mmap.mmap(-1, mb * 2**20)
    for page in range(0, len(block), 4096):
        block[page] = 1
    return block

def spike(mb):  # for 5 ms at its full height
    block = allocate(mb)
    time.sleep(0.005)
    block.close()

def in_child(act):
    pid = os.fork()
    if pid == 0:
        act()
        os._exit(0)
    return pid

HELD = []

def do(command, number):
    word, rest = command.split()[0], [int(part) for part in command.split()[1:]]
    if word == "spike":
        spike(*rest)
    elif word == "child-spike":  # a process that lives for its spike only
        os.waitpid(in_child(lambda: spike(*rest)), 0)
    elif word == "workers":  # share what the parent touched, and touch a little of their own
        HELD.append(allocate(rest[0]))
        for _ in range(3):
            in_child(lambda: (HELD.append(allocate(rest[1])), time.sleep(60)))
        time.sleep(0.3)
    elif word == "grow":
        while True:
            HELD.append(allocate(10))
    elif word == "grow-in-child":
        in_child(lambda: do("grow", 0))
        time.sleep(60)
    elif word == "daemon":  # leaves the group, the session and its parent
        if number == 1 and os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                HELD.append(allocate(rest[0]))
                time.sleep(60)
            os._exit(0)
        time.sleep(0.3)
    elif word == "die":
        sys.stderr.write("loading\\nlast words\\n")
        sys.stderr.flush()
        os._exit(7)
    elif word == "sleep":
        time.sleep(rest[0])
    elif word == "share":  # so many ms, over the threads
        time.sleep(rest[0] / 1000 / int(os.environ.get("SEATRIAL_THREADS", "1")))
    elif word == "refuse":
        return 400
    elif word == "not-yet":  # ready too early
        return 503 if number < rest[0] else 200
    elif word == "leak":  # so many KB
        block = bytearray(rest[0] * 1024)
        block[::512] = bytes([1]) * len(block[::512])
        HELD.append(block)
    elif word == "burn":  # so many ms of CPU time
        end = time.thread_time() + rest[0] / 1000
        while time.thread_time() < end:
            pass
    elif word == "tmpfs":
        with open(os.environ["TEST_SHM"], "wb") as file:
            file.write(bytes(rest[0] * 2**20))
    return 200

class Handler(http.server.BaseHTTPRequestHandler):
    number = 0

    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        Handler.number += 1
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(do(body, Handler.number))

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass

how = sys.argv[1:]
if "fail" in how:
    sys.exit("no model in " + os.environ["SEATRIAL_MODEL_DIR"])
if "grow" in how:
    do("grow", 0)
if "deaf" in how:
    time.sleep(60)
if "slow-ping" in how:
    Handler.do_GET = lambda self: self.answer(503)
if "write" in how:
    for path in ("relative.log", os.environ["TEST_OUTSIDE"], os.environ["TMPDIR"] + "/inside"):
        with open(path, "w") as file:
            file.write("x")
if "connect" in how:  # sends nothing
    HELD.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    HELD[-1].connect(("192.0.2.1", 9))
    time.sleep(0.1)
address = ("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
if "elsewhere" in how:
    address = ("127.0.0.1", 0)
server = http.server.HTTPServer(address, Handler)
if "forked" in how:
    for _ in range(2):
        in_child(server.serve_forever)
    time.sleep(60)
if "two-ports" in how:
    HELD.append(socket.create_server(("127.0.0.1", 0)))
if "unix-socket" in how:
    HELD.append(socket.socket(socket.AF_UNIX))
    HELD[-1].bind(bytes(1) + b"seatrial-test-%d" % os.getpid())
server.serve_forever()
"""


@dataclass
class Bench:
    """A folder of candidates, and the profiler to run on it."""

    folder: Path

    @property
    def stand_in(self) -> Path:
        return self.folder / "stand_in.py"

    def give(self, *bodies: str, content_type: str = "text/csv") -> None:
        """Payloads, one a body, named payload-1, payload-2, …"""
        lines = [
            {
                "schema_version": 1,
                "name": f"payload-{number}",
                "content_type": content_type,
                "rows": max(1, body.count("\n")),
                "body": body,
            }
            for number, body in enumerate(bodies, 1)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.folder / "payloads.jsonl").write_text(text)

    def command(self, how: str, patch: str, options: dict[str, str]) -> list[str]:
        serve = shlex.join([sys.executable, str(self.stand_in), *how.split()])
        arguments = {
            "--candidates": str(self.folder),
            "--output": str(self.folder / "profile"),
            "--serve-command": serve,
            "--cold-start-repeats": "1",
            "--requests-per-payload": "3",
            "--max-seconds-per-payload": "5",
            **options,
        }
        flat = [part for pair in arguments.items() for part in pair]
        if patch == AS_IT_IS:
            return [sys.executable, str(PROGRAM), *flat]
        program = "\n".join(
            (
                f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r})",
                "import profile_model as p",
                "p.image_size = lambda: (1.0, 'not measured here')",  # a second a test
                "p.Profiler.count_uncompiled = lambda *_: None",  # a start a test
                patch,
                "sys.exit(p.main(sys.argv[1:]))",
            )
        )
        return [sys.executable, "-c", program, *flat]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "TMPDIR": str(self.folder / "scratch"),
            "TEST_SHM": str(self.shm_file),
            "TEST_OUTSIDE": str(self.outside_file),
        }

    @property
    def shm_file(self) -> Path:
        return Path(profile_model.SHM, f"seatrial-test-{os.getpid()}")

    @property
    def outside_file(self) -> Path:
        return Path("/var/tmp", f"seatrial-test-{os.getpid()}")  # noqa: S108 - not /tmp

    def run(
        self, how: str = "", *, patch: str = "", **options: str
    ) -> subprocess.CompletedProcess[str]:
        named = {"--" + name.replace("_", "-"): value for name, value in options.items()}
        return subprocess.run(
            self.command(how, patch, named),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def profile(self, how: str = "", *, patch: str = "", **options: str) -> Profile:
        done = self.run(how, patch=patch, **options)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        self.nothing_is_left()
        return read_contract(Profile, self.folder / "profile" / "profile.json")

    def candidate(self, how: str = "", *, patch: str = "", **options: str) -> CandidateProfile:
        [candidate] = self.profile(how, patch=patch, **options).candidates
        return candidate

    def payloads(self, how: str = "", *, patch: str = "", **options: str) -> list[PayloadProfile]:
        return list(self.candidate(how, patch=patch, **options).payloads)

    def running(self) -> list[int]:
        """Processes of this bench's stand-in or of servers with its model."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(self.stand_in).encode() in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found

    def nothing_is_left(self) -> None:
        deadline = time.monotonic() + 5
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self.running() == []
        assert list((self.folder / "scratch").iterdir()) == []
        assert stale_cgroups() == []


def stale_cgroups() -> list[Path]:
    """Memory cgroups of profilers that have ended."""
    membership = Path("/proc/self/cgroup").read_text()
    parents = profile_model._cgroup_parents(Path("/sys/fs/cgroup"), membership)
    folders = {path for parent, _ in parents for path in parent.glob("seatrial-profile-*")}
    return [path for path in folders if not Path("/proc", path.name.split("-")[2]).exists()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "fp32"
    folder.mkdir()
    (tmp_path / "scratch").mkdir()
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("model.txt")
        info.size = 0
        tar.addfile(info)
    (tmp_path / "optimization.json").write_text(
        json.dumps({"candidates": [{"name": "fp32", "rejection": None}]})
    )
    made = Bench(tmp_path)
    made.stand_in.write_text(STAND_IN)
    made.give("hello")
    yield made
    for pid in made.running():  # of a test that failed
        os.kill(pid, signal.SIGKILL)
    made.shm_file.unlink(missing_ok=True)
    made.outside_file.unlink(missing_ok=True)


NO_CGROUP = "p.find_cgroups = lambda: p.Cgroups(None, 0)"
METHODS = pytest.mark.parametrize(
    "patch",
    [
        pytest.param("", id="best-method-here"),
        pytest.param(NO_CGROUP, id="without-cgroup"),
    ],
)
SERVER_MB = 20  # of the stand-in without what it is told to hold, give or take 10


# ---- memory


@METHODS
def test_a_spike_of_5_ms_is_not_missed(bench: Bench, patch: str) -> None:
    bench.give("hello", "spike 300")
    calm, spiky = bench.payloads(patch=patch)
    assert calm.peak_memory_mb == pytest.approx(SERVER_MB, abs=10)
    assert spiky.peak_memory_mb == pytest.approx(calm.peak_memory_mb + 300, abs=6)
    assert not spiky.stopped


@METHODS
def test_memory_that_workers_share_counts_once(bench: Bench, patch: str) -> None:
    bench.give("hello", "workers 100 20")
    calm, forked = bench.payloads(patch=patch, requests_per_payload="1")
    expected = calm.peak_memory_mb + 100 + 3 * 20
    assert expected - 3 < forked.peak_memory_mb < expected + 20  # an interpreter is not all shared


def test_a_process_that_lived_between_two_looks_is_seen_where_a_cgroup_can_be(
    bench: Bench,
) -> None:
    bench.give("hello", "child-spike 200")
    profile = bench.profile()
    calm, spiky = profile.candidates[0].payloads
    if not profile.memory_method.startswith("cgroup"):
        pytest.skip("no memory cgroup can be made here")
    assert spiky.peak_memory_mb == pytest.approx(calm.peak_memory_mb + 200, abs=12)


@METHODS
def test_a_daemon_that_left_the_tree_counts_and_is_ended(bench: Bench, patch: str) -> None:
    bench.give("hello", "daemon 150")
    calm, daemon = bench.payloads(patch=patch)
    assert daemon.peak_memory_mb == pytest.approx(calm.peak_memory_mb + 150, abs=20)


@METHODS
@pytest.mark.parametrize("body", ["grow", "grow-in-child"])
def test_what_grows_forever_is_stopped_at_the_limit(bench: Bench, patch: str, body: str) -> None:
    bench.give("hi", body, "hello")
    profile = bench.profile(patch=patch, memory_stop_mb="400")
    [candidate] = profile.candidates
    before, growing, after = candidate.payloads
    assert profile.memory_stop_mb == 400
    assert candidate.stopped
    assert candidate.failure is None
    assert growing.stopped
    assert 400 < growing.peak_memory_mb < 600
    assert (growing.requests, growing.errors) == (0, 1)
    assert growing.first_error is not None
    assert growing.first_error.endswith("MB, over 400 MB")
    assert candidate.peak_memory_mb == growing.peak_memory_mb
    assert not before.stopped
    assert after.requests == 3


def test_growth_while_loading_is_stopped_too(bench: Bench) -> None:
    candidate = bench.candidate("grow", memory_stop_mb="200")
    assert candidate.stopped
    assert candidate.failure is not None
    assert candidate.failure.startswith("stopped at ")
    assert candidate.peak_memory_mb is not None
    assert candidate.peak_memory_mb > 200
    assert candidate.cold_start is None
    assert candidate.payloads == ()


@METHODS
def test_a_file_on_tmpfs_is_memory(bench: Bench, patch: str) -> None:
    bench.give("hello", "tmpfs 80")
    candidate = bench.candidate(patch=patch, requests_per_payload="1")
    calm, filled = candidate.payloads
    assert filled.peak_memory_mb == pytest.approx(calm.peak_memory_mb + 80, abs=6)
    assert candidate.tmpfs_mb == pytest.approx(80, abs=1)


# ---- what would break on serverless


def test_what_breaks_on_serverless_is_seen(bench: Bench) -> None:
    bench.give("not-yet 3")
    [candidate] = bench.profile("write connect two-ports").candidates
    seen = candidate.behaviour
    assert candidate.failure is None
    assert seen.early_ready is True
    assert seen.writes_outside is not None
    expected = {"./relative.log (in the working directory)"}
    if os.geteuid() == 0 and profile_model_can_fanotify():
        expected.add(str(bench.outside_file))
    assert set(seen.writes_outside) == expected
    assert seen.startup_connections == ("192.0.2.1:9",)
    assert seen.workers == 1
    assert seen.listening_ports is not None
    assert len(seen.listening_ports) == 2
    assert 8080 in seen.listening_ports
    judged = {item.code: item for item in _judged(candidate)}
    assert judged["READY_EARLY"].status == "fail"
    assert judged["LISTENING_PORTS"].status == "warn"
    [other] = set(seen.listening_ports) - {8080}
    assert judged["LISTENING_PORTS"].detail == f"TCP ports beside 8080: {other}"


def _judged(candidate: CandidateProfile) -> Iterator[Check]:
    """What the gate says of a port and of /ping, which are of the profile alone."""
    facts: Any = SimpleNamespace(measured=candidate)
    setting: Any = None
    yield from early_ready(facts, setting)
    yield from listening_ports(facts, setting)


def profile_model_can_fanotify() -> bool:
    try:
        profile_model.Fanotify().close()
    except OSError:
        return False
    return True


def test_what_does_not_break_is_not_accused(bench: Bench) -> None:
    candidate = bench.candidate()
    seen = candidate.behaviour
    assert not seen.writes_outside
    assert (seen.shared_memory_mb, seen.workers, seen.startup_connections) == (0, 1, ())
    assert seen.listening_ports == (8080,)
    assert seen.early_ready is False
    assert [item.status for item in _judged(candidate)] == ["pass", "pass"]
    assert seen.model_copies is None
    assert any(line.startswith("model_copies: a model of 0 MB") for line in seen.why)


def test_shared_memory_and_workers_are_counted(bench: Bench) -> None:
    bench.give("tmpfs 30")
    seen = bench.candidate("forked", requests_per_payload="2").behaviour
    assert seen.shared_memory_mb == pytest.approx(30, abs=1)
    assert seen.workers == 2


def test_a_server_on_another_port_is_told_which(bench: Bench) -> None:
    failure = bench.candidate("elsewhere", max_start_seconds="1").failure
    assert failure is not None
    assert "; it listens on " in failure


def test_a_candidate_with_an_image_of_its_own_is_measured_in_no_other(bench: Bench) -> None:
    candidate = {"name": "fp32", "rejection": None, "inference_image": "neo:1"}
    (bench.folder / "optimization.json").write_text(json.dumps({"candidates": [candidate]}))
    profile = bench.profile(image="serving:1")
    [found] = profile.candidates
    assert profile.image == "serving:1"
    assert found.failure == "not measured: it runs in neo:1 only"
    assert (found.cold_start, found.payloads, found.peak_memory_mb) == (None, (), None)
    [there] = bench.profile(image="neo:1").candidates
    assert there.failure is None
    assert there.payloads[0].requests == 3


# ---- growth, tiers, more clients


@pytest.mark.parametrize(("body", "leaks"), [("leak 50", True), ("hello", False)])
def test_a_leak_of_50_kb_a_request_is_told_from_none(bench: Bench, body: str, leaks: bool) -> None:
    bench.give(body)
    growth = bench.candidate(growth_requests="150").growth
    assert growth is not None
    assert growth.requests == 150
    if leaks:
        assert growth.slope_low <= 49 <= growth.slope_high + 1
        assert growth.slope_low > 40
    else:
        assert growth.slope_low <= 0


def test_a_tier_s_cpu_share_is_in_force_where_it_can_be(bench: Bench) -> None:
    bench.give("burn 33")
    candidate = bench.candidate(
        tiers_mb="442,1769,999999", tier_requests="20", tier_seconds="60", requests_per_payload="1"
    )
    if profile_model.find_cpu_groups() is None:
        assert candidate.tier_latencies == ()
        pytest.skip("no CPU quota can be had here")
    quarter, whole = candidate.tier_latencies  # no machine holds the third
    all_cores = candidate.whole_latencies[0]
    assert (all_cores.payload, all_cores.threads) == ("payload-1", 1)
    assert all_cores.latency_p50_ms >= 33
    for seen in (*candidate.whole_latencies, *candidate.tier_latencies):
        assert seen.cpu_s_per_request == pytest.approx(0.033, rel=0.2)
    assert (quarter.memory_size_mb, whole.memory_size_mb) == (442, 1769)
    assert quarter.requests == whole.requests == 20
    assert quarter.latency_p50_ms > 99  # 33 ms of CPU time, 5 in each period of 20
    assert whole.latency_p50_ms >= 33
    predicted = latency_at(
        candidate.model_copy(update={"tier_latencies": ()}), candidate.payloads[0], 442, 1769
    )
    assert predicted is not None
    assert predicted.p50_ms == pytest.approx(quarter.latency_p50_ms, rel=0.5)
    assert predicted.mean_ms == pytest.approx(quarter.latency_mean_ms, rel=0.5)
    slow, quick = candidate.tier_starts
    assert (slow.memory_size_mb, quick.memory_size_mb) == (442, 1769)
    assert slow.to_port_s <= slow.to_ping_s < slow.to_first_prediction_s
    assert slow.to_first_prediction_s - slow.to_ping_s > 0.08  # as above, of the first request


TWO_CORES = "p.os.sched_getaffinity = lambda _: {0, 1}"
NO_QUOTA = TWO_CORES + "; p.find_cpu_groups = lambda: None"


@pytest.mark.parametrize("patch", [TWO_CORES, NO_QUOTA])
def test_a_server_is_told_how_many_threads_compute_at_a_tier(bench: Bench, patch: str) -> None:
    bench.give("share 200")
    candidate = bench.candidate(
        patch=patch, tiers_mb="1024,3072", tier_requests="5", tier_seconds="60"
    )
    assert [item.threads for item in candidate.whole_latencies] == [1, 2]
    seen_ms = [item.latency_p50_ms for item in candidate.whole_latencies]
    if patch == TWO_CORES and profile_model.find_cpu_groups() is not None:
        assert [item.memory_size_mb for item in candidate.tier_latencies] == [1024, 3072]
        seen_ms += [item.latency_p50_ms for item in candidate.tier_latencies]
    else:
        assert candidate.tier_latencies == ()
        assert candidate.tier_starts == ()
    for one_ms, two_ms in zip(seen_ms[::2], seen_ms[1::2], strict=True):
        assert one_ms >= 200 > two_ms >= 100


def test_the_endpoint_s_variables_are_the_profiled_server_s(bench: Bench) -> None:
    bench.give("share 200")
    candidate = bench.candidate(
        patch=TWO_CORES,
        environment="SEATRIAL_THREADS=8",
        tiers_mb="1024,3072",
        tier_requests="5",
        tier_seconds="60",
    )
    [sample] = candidate.payloads
    for seen in (sample, *candidate.whole_latencies, *candidate.tier_latencies):
        assert seen.latency_p50_ms is not None
        assert 25 <= seen.latency_p50_ms < 100


@pytest.mark.parametrize("wrong", ["THREADS", "=1", ""])
def test_a_variable_is_a_name_and_a_value(bench: Bench, wrong: str) -> None:
    done = bench.run(environment=wrong)
    assert done.returncode == 2
    assert f"argument --environment: {wrong} is not NAME=VALUE" in done.stderr


@pytest.mark.parametrize(
    ("how", "stop_mb", "why"),
    [
        ("two-ports", "6144", "their servers would meet at "),
        ("unix-socket", "6144", "their servers would meet at @seatrial-test"),
        ("", "40", "3 servers need "),
    ],
)
def test_where_servers_cannot_be_up_together_tiers_are_measured_one_after_another(
    bench: Bench, how: str, stop_mb: str, why: str
) -> None:
    if profile_model.find_cpu_groups() is None:
        pytest.skip("no CPU quota can be had here")
    done = bench.run(
        how, patch=TWO_CORES, tiers_mb="1769,999999", tier_requests="5", memory_stop_mb=stop_mb
    )
    assert f"fp32: tiers one after another: {why}" in done.stdout
    bench.nothing_is_left()
    [candidate] = read_contract(Profile, bench.folder / "profile" / "profile.json").candidates
    assert [item.requests for item in candidate.tier_latencies] == [5]
    assert candidate.whole_latencies == ()


REFUSED = """
limit = p.CpuGroup.limit
def refuse(self, vcpus):
    if vcpus != 1:
        raise OSError(22, "Invalid argument")
    limit(self, vcpus)
p.CpuGroup.limit = refuse
"""


def test_a_quota_that_cannot_be_had_leaves_one_tier_out_and_is_said(bench: Bench) -> None:
    if profile_model.find_cpu_groups() is None:
        pytest.skip("no CPU quota can be had here")
    candidate = bench.candidate(patch=REFUSED, tiers_mb="442,1769", tier_requests="5")
    assert [item.memory_size_mb for item in candidate.tier_latencies] == [1769]
    [said] = candidate.cut_short
    assert said.startswith("442 MB's CPU: no such quota can be had here (")


def test_a_tier_that_would_take_too_long_is_left_out_and_said_so(bench: Bench) -> None:
    if profile_model.find_cpu_groups() is None:
        pytest.skip("no CPU quota can be had here")
    bench.give("burn 400")
    candidate = bench.candidate(
        tiers_mb="442", tier_requests="20", tier_seconds="4", requests_per_payload="1"
    )
    assert candidate.tier_latencies == ()
    assert [item.memory_size_mb for item in candidate.tier_starts] == [442]
    tier, all_cores = candidate.cut_short
    assert tier == "442 MB's CPU: payload-1 left out, too slow for its time"
    assert all_cores.startswith("all cores, threads: 1: ")


def test_a_slow_model_is_asked_less_and_what_is_missing_is_said(bench: Bench) -> None:
    bench.give("hello", "sleep 1")
    started = time.monotonic()
    candidate = bench.candidate(
        max_seconds_per_candidate="2",
        requests_per_payload="50",
        cold_start_repeats="1",
        scaled_requests="3",
        growth_requests="1000",
    )
    assert time.monotonic() - started < 20
    quick, slow = candidate.payloads
    assert quick.requests == 50
    assert quick.latency_p95_ms is not None
    assert quick.latency_p99_ms is None  # of 49
    assert slow.requests in (1, 2)
    assert (slow.latency_p95_ms, slow.latency_p99_ms) == (None, None)
    assert slow.latency_p95_at_least_ms == pytest.approx(1000, rel=0.5)
    said = "\n".join(candidate.cut_short)
    assert f"payload payload-2: {slow.requests} of 50 requests" in said
    assert "its p95 is unknown" in said
    assert "growth: left out" in said


# ---- servers that fail


def test_a_server_that_dies_is_an_error_with_its_last_words(bench: Bench) -> None:
    bench.give("hi", "die", "hello")
    first, second, third = bench.payloads()
    assert (second.requests, second.errors) == (0, 1)
    assert second.first_error == "the server ended with exit code 7: loading | last words"
    assert second.latency_p50_ms is None
    assert first.requests == third.requests == 3


def test_a_server_that_cannot_start_is_a_failure_without_paths_of_this_machine(
    bench: Bench,
) -> None:
    candidate = bench.candidate("fail")
    assert candidate.failure == "the server ended with exit code 1: no model in …"
    assert candidate.cold_start is None


@pytest.mark.parametrize(
    ("how", "what"), [("deaf", "took no connection"), ("slow-ping", "did not answer 200 to /ping")]
)
def test_a_server_that_is_never_ready_is_given_up(bench: Bench, how: str, what: str) -> None:
    candidate = bench.candidate(how, max_start_seconds="1")
    assert candidate.failure == f"the server {what} in 1 s"


def test_a_payload_that_is_refused_is_an_error_and_the_others_go_on(bench: Bench) -> None:
    bench.give("refuse 1 2", "hello")  # the smallest is the cold start's
    refused, good = bench.payloads(requests_per_payload="9")
    assert (refused.requests, refused.errors) == (0, 3)
    assert refused.first_error == "status 400: hello"
    assert (good.requests, good.errors) == (9, 0)


def test_a_server_that_refuses_its_first_prediction_has_failed(bench: Bench) -> None:
    bench.give("refuse")
    assert bench.candidate().failure == "payload payload-1: status 400: hello"


def test_a_request_past_the_service_s_time_is_an_error(bench: Bench) -> None:
    bench.give("hello", "sleep 30")
    _, slow = bench.payloads(patch="p.REQUEST_TIMEOUT_S = 0.5")
    assert (slow.requests, slow.errors) == (0, 1)
    assert slow.first_error == "no answer in 0.5 s"
    assert slow.no_answer_s == 0.5
    assert not slow.stopped


def test_one_request_is_sent_even_if_it_takes_all_the_time(bench: Bench) -> None:
    bench.give("hello", "sleep 1")
    _, slow = bench.payloads(max_seconds_per_payload="0.5", requests_per_payload="50")
    assert (slow.requests, slow.errors) == (1, 0)
    assert slow.latency_p50_ms == pytest.approx(1000, rel=0.5)


# ---- input


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2
    assert done.stderr.startswith("seatrial: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_a_truncated_archive_is_one_line_and_exit_2(bench: Bench) -> None:
    archive = bench.folder / "fp32" / "model.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-8])
    refused(bench.run(patch=AS_IT_IS), "cannot unpack fp32/model.tar.gz")
    assert not (bench.folder / "profile").exists()
    bench.nothing_is_left()


def test_a_missing_archive_is_one_line_and_exit_2(bench: Bench) -> None:
    (bench.folder / "fp32" / "model.tar.gz").unlink()
    refused(bench.run(patch=AS_IT_IS), "fp32/model.tar.gz", "Run OptimizeModel again")


def test_a_command_that_is_not_there_is_one_line_and_exit_2(bench: Bench) -> None:
    refused(
        bench.run(patch=AS_IT_IS, serve_command="no-such-server --x"),
        "no-such-server --x",
        "serve_command",
    )
    bench.nothing_is_left()


def test_an_archive_over_the_disk_is_an_answer(bench: Bench) -> None:
    with tarfile.open(bench.folder / "fp32" / "model.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("model.onnx")
        info.size = 3 * 2**20
        with Path("/dev/zero").open("rb") as zeros:
            tar.addfile(info, zeros)
    candidate = bench.candidate(patch="p.DISK_LIMIT_MB = 2")
    assert candidate.failure == "it unpacks to more than the service's disk of 2 MB"
    assert candidate.unpacked_size_mb == 3


# ---- its own end


@contextlib.contextmanager
def underway(bench: Bench) -> Iterator[subprocess.Popen[bytes]]:
    """A profiler whose server is busy with a request."""
    bench.give("sleep 30")
    process = subprocess.Popen(
        bench.command("", AS_IT_IS, {}), env=bench.environment, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        # the profiler itself names the stand-in in one argument, the server as one
        while not bench.running():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_its_server(bench: Bench, number: signal.Signals) -> None:
    with underway(bench) as process:
        process.send_signal(number)
        assert process.wait(10) == 128 + number
        bench.nothing_is_left()
        assert not (bench.folder / "profile").exists()


def test_even_when_it_is_killed_its_server_ends(bench: Bench) -> None:
    with underway(bench) as process:
        process.kill()
        process.wait(10)
        deadline = time.monotonic() + 5
        while bench.running() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert bench.running() == []


# ---- our own server


def test_our_server_with_a_real_model_gives_a_whole_profile(bench: Bench) -> None:
    pack_real_model(bench.folder / "int8")
    (bench.folder / "optimization.json").write_text(
        json.dumps(
            {
                "candidates": [
                    {"name": "fp32", "rejection": "worse"},
                    {"name": "int8", "rejection": None},
                ]
            }
        )
    )
    bench.give("1.0,2.0\n" * 1000, "1.0,2.0\n")
    profile = bench.profile(
        patch=AS_IT_IS,
        serve_command=shlex.join([sys.executable, "-m", "seatrial.serving"]),
        cold_start_repeats="2",
        requests_per_payload="21",
        concurrency="1,2",
        scaled_requests="1",
        payload_limit_mb="0.03125",
        transfer_mb_per_s="100",
    )
    [candidate] = profile.candidates
    assert candidate.candidate == "int8"
    assert candidate.failure is None
    assert (candidate.processes, candidate.stopped) == (1, False)
    start = candidate.cold_start
    assert start is not None
    assert start.repeats == 2
    assert 0 < start.to_port_s <= start.to_ping_s <= start.to_first_prediction_s
    assert start.cpu_s > 0.01  # Python's own start takes that
    assert candidate.idle_memory_mb is not None
    assert candidate.peak_memory_mb is not None
    assert 30 < candidate.idle_memory_mb <= candidate.peak_memory_mb < 250
    for payload in candidate.payloads:
        assert (payload.requests, payload.errors) == (21, 0)
        assert payload.latency_p50_ms is not None
        assert payload.latency_p95_ms is not None
        assert payload.latency_p99_ms is None  # of twenty
        assert payload.latency_max_ms is not None
        assert 0 < payload.latency_p50_ms <= payload.latency_p95_ms <= payload.latency_max_ms
        assert payload.cpu_s_per_request is not None
        assert 0 < payload.cpu_s_per_request < 0.1
        assert payload.requests_per_s is not None
        assert payload.requests_per_s > 10
        assert payload.memory_after_mb is not None
        assert payload.memory_after_mb <= payload.peak_memory_mb
    many, one = candidate.payloads
    assert many.request_mb == pytest.approx(1000 * one.request_mb)
    assert [(run.payload, run.concurrency) for run in candidate.concurrent] == [
        ("payload-1", 2),
        ("payload-2", 2),
    ]
    assert [run.requests for run in candidate.concurrent] == [21, 21]
    [scaled] = candidate.scaled  # a quarter of the limit is less than the sample
    assert scaled.payload == "payload-1 × 0.0312 MB"
    assert (scaled.requests, scaled.rows, scaled.request_mb) == (1, 4096, 0.03125)
    assert 10 < len(candidate.memory) <= 200
    assert max(point.memory_mb for point in candidate.memory) <= candidate.peak_memory_mb
    assert profile.uncompiled_modules is not None
    assert profile.image_size_mb is not None
    assert profile.estimated_image_pull_s == pytest.approx(profile.image_size_mb / 100)
    assert candidate.estimated_download_s == pytest.approx(candidate.archive_size_mb / 100)
    assert profile.serve_command[1:] == ("-m", "seatrial.serving")
    assert profile.image_size_mb > 20
    text = (bench.folder / "profile" / "profile.json").read_text()
    assert str(bench.folder) not in text


def pack_real_model(folder: Path) -> None:
    """y = a + b, as an archive that our server serves."""
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=1)],
        "sum",
        [value("x", TensorProto.FLOAT, [None, 2])],
        [value("y", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    column: dict[str, Any] = {"type": "double", "required": True, "onnx_input": "x"}
    signature = {
        "schema_version": 1,
        "task": "regression",
        "model_file": "model.onnx",
        "inputs": [{"name": "a", **column}, {"name": "b", **column}],
        "outputs": [{"name": "y", "type": "double", "onnx_output": "y", "index": 0}],
        "label": None,
        "score": "y",
        "input_example": [{"a": 1.0, "b": 2.0}],
    }
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "signature.json").write_text(json.dumps(signature))
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        for name in ("model.onnx", "signature.json"):
            tar.add(folder / name, name)
