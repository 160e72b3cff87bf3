"""One sandbox at a time, in this process: its time, its memory, and servers that misbehave."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from seatrial.limits import Limits, load_limits
from seatrial.localcloud.api import OWNER_VARIABLE, AwsError, Place
from seatrial.localcloud.cgroup_search import cgroup_record, find_cgroups, remove_recorded
from seatrial.localcloud.cgroups import Cgroups
from seatrial.localcloud.fleet import Fleet
from seatrial.localcloud.hosting import Hosting
from seatrial.localcloud.http1 import Answer, AnswerTooLarge, connect
from seatrial.localcloud.images import Image
from seatrial.localcloud.invoke import Invoker, Request
from seatrial.localcloud.memory import process_tree, tree_memory_mb
from seatrial.localcloud.metrics import Invocation
from seatrial.localcloud.sandbox import OutOfMemory, Sandbox, SandboxError, SandboxSpec, TimedOut
from seatrial.localcloud.sweep import owner_mark, sweep, work_dir

pytestmark = pytest.mark.flow

TINY = Image(
    interpreter=sys.executable,
    serve=("python3", str(Path(__file__).parent / "servers" / "tiny.py")),
)
FREE = Cgroups()
Result = TypeVar("Result")


def spec(
    folder: Path,
    *,
    startup_s: float = 20.0,
    cgroups: Cgroups = FREE,
    vcpus: float | None = None,
    **environment: str,
) -> SandboxSpec:
    return SandboxSpec(
        TINY,
        {"SEATRIAL_MODEL_DIR": str(folder), **environment},
        folder,
        1024,
        startup_s,
        cgroups,
        vcpus,
    )


@pytest.fixture
def cgroups(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cgroups]:
    """Where this machine lets us make groups; they are gone afterwards."""
    record = tmp_path_factory.mktemp("record") / "cgroups"
    found = find_cgroups(record)
    yield found
    remove_recorded(record)
    if record.exists():
        assert not [line for line in record.read_text().split() if Path(line).exists()]


@pytest.fixture(params=["capped", "watched"])
def caps(request: pytest.FixtureRequest, cgroups: Cgroups) -> Cgroups:
    """Both ways to enforce memory, as far as this machine has them."""
    if request.param == "watched":
        return FREE
    if cgroups.memory is None:
        pytest.skip("no memory cgroup can be made here")
    return cgroups


def in_sandbox(
    wanted: SandboxSpec, use: Callable[[Sandbox], Awaitable[Result]], lines: list[str] | None = None
) -> Result:
    """What `use` makes of a sandbox; it is gone afterwards, whatever happened."""

    async def run() -> Result:
        def keep(_: str, printed: list[str]) -> None:
            if lines is not None:
                lines.extend(printed)

        sandbox = await Sandbox.start(wanted, keep)
        try:
            return await use(sandbox)
        finally:
            await sandbox.kill()
            assert not sandbox.alive
            assert list(wanted.folder.iterdir()) == []

    return asyncio.run(run())


async def ask(sandbox: Sandbox, text: str, *, timeout_s: float = 10.0) -> Answer:
    await sandbox.ready()
    return await sandbox.invoke({}, text.encode(), timeout_s=timeout_s, max_body_bytes=100)


@pytest.mark.parametrize(
    ("took_s", "answers"),
    [pytest.param(0.1, True, id="under"), pytest.param(3, False, id="over")],
)
def test_a_request_over_its_time_kills_the_sandbox(
    tmp_path: Path, took_s: float, answers: bool
) -> None:
    async def use(sandbox: Sandbox) -> None:
        if answers:
            assert (await ask(sandbox, f"sleep {took_s}", timeout_s=1.0)).status == 200
            return
        with pytest.raises(TimedOut, match="no answer in 1 s"):
            await ask(sandbox, f"sleep {took_s}", timeout_s=1.0)
        assert not sandbox.alive

    in_sandbox(spec(tmp_path), use)


def test_a_server_that_never_pings_is_given_up(tmp_path: Path) -> None:
    async def use(sandbox: Sandbox) -> None:
        with pytest.raises(TimedOut):
            await sandbox.ready()
        assert not sandbox.alive

    in_sandbox(spec(tmp_path, startup_s=1.0, TINY_PING="503"), use)


def test_a_server_that_ends_is_noticed_and_its_words_are_kept(tmp_path: Path) -> None:
    async def use(sandbox: Sandbox) -> None:
        with pytest.raises(SandboxError, match="ended before /ping answered"):
            await sandbox.ready()

    lines: list[str] = []
    in_sandbox(spec(tmp_path, TINY_EXIT="yes"), use, lines)
    assert lines == ["cannot start"]


def test_memory_that_comes_and_goes_between_looks_counts(tmp_path: Path, caps: Cgroups) -> None:
    async def use(sandbox: Sandbox) -> None:
        await ask(sandbox, "model-less")
        assert 5 < sandbox.peak_memory_mb < 200
        with pytest.raises(OutOfMemory, match="MB of the 1024 MB it has"):
            await ask(sandbox, "touch 1100")

    in_sandbox(spec(tmp_path, cgroups=caps), use)


def test_memory_just_under_the_tier_is_left_alone_and_seen(tmp_path: Path, caps: Cgroups) -> None:
    async def use(sandbox: Sandbox) -> None:
        assert (await ask(sandbox, "touch 900")).status == 200
        assert 800 < sandbox.peak_memory_mb < 1024

    in_sandbox(spec(tmp_path, cgroups=caps), use)


def test_a_worker_killed_for_memory_is_noticed_though_the_server_lives(
    tmp_path: Path, caps: Cgroups
) -> None:
    async def use(sandbox: Sandbox) -> None:
        with pytest.raises(OutOfMemory, match="of the 1024 MB it has"):
            await ask(sandbox, "worker 1100")
        assert not sandbox.alive

    in_sandbox(spec(tmp_path, cgroups=caps), use)


def test_a_killed_sandbox_is_not_taken_for_one_without_memory(
    tmp_path: Path, caps: Cgroups
) -> None:
    async def use(sandbox: Sandbox) -> None:
        await sandbox.ready()
        os.kill(sandbox.pid, 9)
        with pytest.raises(SandboxError) as caught:
            await ask(sandbox, "model-less")
        assert not isinstance(caught.value, OutOfMemory)

    in_sandbox(spec(tmp_path, cgroups=caps), use)


def test_a_sandbox_gets_its_share_of_a_cpu(tmp_path: Path, cgroups: Cgroups) -> None:
    if cgroups.cpu is None:
        pytest.skip("no CPU cgroup can be made here")

    async def use(sandbox: Sandbox) -> float:
        return float((await ask(sandbox, "burn 0.5")).body)

    assert in_sandbox(spec(tmp_path, cgroups=cgroups, vcpus=0.25), use) < 0.2


def test_nothing_that_left_its_process_group_survives_in_a_cgroup(
    tmp_path: Path, cgroups: Cgroups
) -> None:
    if cgroups.memory is None:
        pytest.skip("no memory cgroup can be made here")
    left: list[int] = []

    async def use(sandbox: Sandbox) -> None:
        left.append(int((await ask(sandbox, "daemon")).body))

    in_sandbox(spec(tmp_path, cgroups=cgroups), use)
    command = Path(f"/proc/{left[0]}/cmdline")  # empty once it is dead, but for its parent to see
    assert not command.exists() or not command.read_bytes()


def test_an_answer_that_is_too_large_is_not_read_on(tmp_path: Path) -> None:
    async def use(sandbox: Sandbox) -> None:
        with pytest.raises(AnswerTooLarge):
            await ask(sandbox, "size 101")
        assert len((await ask(sandbox, "size 100")).body) == 100

    in_sandbox(spec(tmp_path), use)


def test_an_invocation_over_60_s_is_the_services_model_error(tmp_path: Path) -> None:
    """With a limit of half a second, so as not to wait a minute."""
    values = load_limits().model_dump()
    values["invocation_s"]["value"] = 0.5
    recorded: list[Invocation] = []

    class OneFleet:
        def fleet(self, _: str) -> Fleet:
            return fleet

    async def run() -> AwsError:
        place = Place("eu-west-1", "http://127.0.0.1:1", str(tmp_path))
        hosting = cast(Hosting, OneFleet())
        limits = Limits.model_validate(values)
        invoker = Invoker(place, limits, hosting, lambda _: "InService", recorded.append)
        try:
            with pytest.raises(AwsError) as caught:
                await invoker.invoke(Request("id", "slow", {}, b"sleep 3"))
            return caught.value
        finally:
            await fleet.close(let_finish_s=0)

    fleet = Fleet(
        spec(tmp_path / "fleet"),
        lambda *_: None,
        variant_name="v",
        max_concurrency=1,
        provisioned=0,
        folder=tmp_path / "fleet",
    )
    error = asyncio.run(run())
    assert (error.code, error.status) == ("ModelError", 424)
    assert error.message.startswith(
        'Received server error (0) from primary with message "Your invocation timed out while '
        "waiting for a response from container primary."
    )
    assert [item.status for item in recorded] == [500]
    assert not (tmp_path / "fleet").exists()


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", b"hi", id="length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
            b"hi",
            id="chunks",
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nhi", b"hi", id="until-closed"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            b"hi",
            id="after-a-100",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", None, id="cut-short"),
        pytest.param(b"", None, id="closed-without-an-answer"),
        pytest.param(b"SSH-2.0-dropbear\r\n", None, id="not-http"),
    ],
)
def test_answers_of_all_kinds_of_servers(sent: bytes, body: bytes | None) -> None:
    async def run() -> Answer:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            connection = await connect(server.sockets[0].getsockname()[1])
            try:
                return await connection.request("GET", "/ping", {}, b"", 100)
            finally:
                connection.close()
                await asyncio.sleep(0)

    if body is None:
        with pytest.raises(ConnectionError):
            asyncio.run(run())
    else:
        assert asyncio.run(run()).body == body


CHILD = """
import subprocess, sys, time
held = bytearray(b"x") * (50 * 2**20)
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, "-c", sys.orig_argv[2], "child"])
else:
    print("up", flush=True)
time.sleep(60)
"""


def start(code: str, **environment: str) -> subprocess.Popen[Any]:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ | environment
    )


def test_memory_is_that_of_the_whole_tree() -> None:
    parent = start(CHILD)
    assert parent.stdout is not None
    try:
        parent.stdout.readline()
        pids = process_tree(parent.pid)
        assert len(pids) == 2
        assert 100 < tree_memory_mb(parent.pid) < 160
    finally:
        for pid in process_tree(parent.pid):
            os.kill(pid, 9)
        parent.wait()
        parent.stdout.close()
    assert tree_memory_mb(parent.pid) == 0


def test_a_sweep_removes_the_clouds_cgroups_and_what_is_in_them(tmp_path: Path) -> None:
    """As the next start does after a kill -9 of the daemon and of its warden."""
    work_dir(tmp_path).mkdir(parents=True)
    record = cgroup_record(work_dir(tmp_path))
    found = find_cgroups(record)
    if found.memory is None:
        pytest.skip("no memory cgroup can be made here")
    cage = found.cage("s", memory_mb=1024, vcpus=0.5)
    unmarked = subprocess.Popen(cage.command(("/bin/sh", "-c", "echo up; sleep 60")), stdout=-1)
    assert unmarked.stdout is not None
    with unmarked.stdout as printed:
        assert printed.readline() == b"up\n"
    groups = [Path(line) for line in record.read_text().split()]
    sweep(tmp_path)
    assert unmarked.wait(timeout=5) == -9
    assert not [folder for folder in groups if folder.exists()]


def test_a_sweep_finds_the_clouds_processes_and_no_others(tmp_path: Path) -> None:
    state_dir, other_dir = tmp_path / "cloud", tmp_path / "other"
    work_dir(state_dir).mkdir(parents=True)
    ours = start(CHILD, **{OWNER_VARIABLE: owner_mark(state_dir)})
    other = start("import time; time.sleep(60)", **{OWNER_VARIABLE: owner_mark(other_dir)})
    try:
        assert ours.stdout is not None
        ours.stdout.readline()
        assert sweep(state_dir) == 2
        assert ours.wait(timeout=5) == -9
        assert other.poll() is None
        assert not work_dir(state_dir).exists()
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
