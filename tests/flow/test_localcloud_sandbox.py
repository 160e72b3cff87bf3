"""One sandbox at a time, in this process: its time, its memory, and servers that misbehave."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from seatrial.limits import Limits, load_limits
from seatrial.localcloud.api import OWNER_VARIABLE, AwsError, Place
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
Result = TypeVar("Result")


def spec(folder: Path, *, startup_s: float = 20.0, **environment: str) -> SandboxSpec:
    return SandboxSpec(
        TINY, {"SEATRIAL_MODEL_DIR": str(folder), **environment}, folder, 1024, startup_s
    )


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


def test_memory_that_comes_and_goes_between_looks_counts(tmp_path: Path) -> None:
    async def use(sandbox: Sandbox) -> None:
        await ask(sandbox, "model-less")
        assert 5 < sandbox.peak_memory_mb < 200
        with pytest.raises(OutOfMemory, match="MB of the 1024 MB it has"):
            await ask(sandbox, "touch 1100")

    in_sandbox(spec(tmp_path), use)


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
