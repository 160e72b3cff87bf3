"""A child process gets what it is given and no more, and is gone when it should be."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seatrial.errors import InputError
from seatrial.optimization.children import ChildLimits, Finished, run_child
from seatrial.optimization.landlock import LANDLOCK_CREATE

pytestmark = pytest.mark.flow

LIMITS = ChildLimits(memory_mb=512, seconds=20)


def run(code: str, scratch: Path, limits: ChildLimits = LIMITS) -> Finished:
    """`code` as a module of its own: timeit is one that runs what it is given, once."""
    return run_child("timeit", ["-n1", "-r1", code], limits=limits, scratch=scratch)


def test_a_child_does_its_work_in_its_folder(tmp_path: Path) -> None:
    found = run("open('answer', 'w').write('42')", tmp_path / "new")
    assert found.ok, found.reason
    assert (tmp_path / "new" / "answer").read_text() == "42"


def test_a_failure_says_what_failed(tmp_path: Path) -> None:
    found = run("raise ValueError('too bad')", tmp_path)
    assert (found.exit_code, found.killed) == (1, None)
    assert found.reason == "ValueError: too bad"


def test_only_the_end_of_what_it_says_is_kept(tmp_path: Path) -> None:
    code = "import os; os.write(2, b'x' * 5_000_000 + b'\\nlast\\n'); os._exit(3)"
    found = run(code, tmp_path)
    assert found.exit_code == 3
    assert found.last_lines[-1] == "last"
    assert sum(map(len, found.last_lines)) < 20_000


# The second is what Python makes of "not permitted" where a limit is to be raised.
DENIED = ("PermissionError", "ValueError: not allowed to raise maximum limit")


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_INET6)",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import os; os.fork()",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.kill(os.getppid(), 0)",
        "import os; os.pidfd_open(os.getppid())",
        "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (5, 5))",
        "import resource as r; r.prlimit(0, r.RLIMIT_FSIZE, (5, 5))",
        "import ctypes; c = ctypes.CDLL(None, use_errno=True);"
        "assert c.syscall(425, 1, 0) == -1; raise PermissionError",
    ],
)
def test_what_reaches_out_is_not_permitted(code: str, tmp_path: Path) -> None:
    found = run(code, tmp_path)
    assert found.exit_code == 1
    assert found.reason.startswith(DENIED), found.last_lines


def test_a_command_of_the_shell_does_not_run(tmp_path: Path) -> None:
    run("import os; os.system('touch ran')", tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_listening_server_is_not_reached(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = run(f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}')", tmp_path)
    assert "Operation not permitted" in found.reason


def test_threads_and_numbers_work(tmp_path: Path) -> None:
    found = run(
        "import threading, numpy; t = threading.Thread(target=print); t.start(); t.join();"
        "numpy.ones((300, 300)) @ numpy.ones((300, 300))",
        tmp_path,
    )
    assert found.ok, found.reason


def test_it_sees_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    found = run("import os, sys; sys.exit(' '.join(os.environ))", tmp_path)
    assert "AWS" not in found.reason
    assert "HOME" in found.reason


def test_it_reads_nothing_and_inherits_nothing(tmp_path: Path) -> None:
    found = run(
        "import os, sys; sys.exit(sys.stdin.read() + str(os.listdir('/proc/self/fd')))", tmp_path
    )
    assert found.reason == "SystemExit: ['0', '1', '2', '3']"  # 3 is the folder being listed


def test_too_much_time_is_ended(tmp_path: Path) -> None:
    found = run("import time; time.sleep(60)", tmp_path, ChildLimits(memory_mb=512, seconds=0.5))
    assert (found.exit_code, found.killed) == (None, "time")
    assert found.reason == "it used more time than it may"
    assert found.seconds < 5


def test_too_much_memory_is_ended(tmp_path: Path) -> None:
    code = "a = []\nwhile True: a.append(bytearray(2**20))"
    found = run(code, tmp_path, ChildLimits(memory_mb=100, seconds=20))
    assert (found.exit_code, found.killed) == (None, "memory")
    assert found.reason == "it used more memory than it may"


def test_far_too_much_memory_at_once_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("bytearray(2**40)")
    limits = ChildLimits(memory_mb=100, seconds=20)
    found = run_child("cProfile", ["script.py"], limits=limits, scratch=tmp_path)
    assert (found.exit_code, found.killed) == (None, "memory")


def test_a_crash_is_told_with_its_signal(tmp_path: Path) -> None:
    found = run("import ctypes; ctypes.string_at(0)", tmp_path)
    assert (found.exit_code, found.killed) == (None, "signal 11")
    assert found.reason == "it crashed (signal 11)"
    assert not list(tmp_path.glob("core*"))


@pytest.mark.parametrize(("size", "ok"), [(2**20 - 1, True), (2**20, True), (2**20 + 1, False)])
def test_a_file_has_a_limit(size: int, ok: bool, tmp_path: Path) -> None:
    limits = ChildLimits(memory_mb=512, seconds=20, file_mb=1)
    found = run(f"f = open('big', 'wb'); f.write(bytes({size})); f.close()", tmp_path, limits)
    assert found.ok is ok, found.reason


def test_an_interpreter_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="interpreter"):
        run_child("timeit", [], limits=LIMITS, scratch=tmp_path, python=Path("/nonexistent"))


PARENT = """
import sys
from pathlib import Path
from seatrial.optimization.children import ChildLimits, run_child
code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
limits = ChildLimits(memory_mb=512, seconds=60)
run_child("timeit", ["-n1", "-r1", code], limits=limits, scratch=Path(sys.argv[1]))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_its_parent(how: signal.Signals, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stderr=subprocess.DEVNULL
    )
    try:
        pid = int(wait_for_text(tmp_path / "pid"))
        parent.send_signal(how)
        parent.wait(10)
        deadline = time.monotonic() + 5
        while is_running(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_running(pid)
    finally:
        parent.kill()
        parent.wait()


def wait_for_text(path: Path) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written")


def is_running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_it_writes_in_its_own_folder_only(tmp_path: Path) -> None:
    version = ctypes.CDLL(None).syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        pytest.skip("this kernel has no Landlock")
    found = run(f"open({str(tmp_path / 'elsewhere')!r}, 'w')", tmp_path / "own")
    assert found.reason.startswith("PermissionError")
    assert os.listdir(tmp_path) == ["own"]  # noqa: PTH208
