"""The endpoint's image, built for real and started from its root file system as a sandbox would.

Needs root, buildah and SEATRIAL_TEST_BASE: a base image's name, or the tar of its root file system.
docker/README.md says how to make one; SEATRIAL_TEST_IMAGE_ARGS are more arguments of the builder.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial.archives import pack, unpack
from seatrial.contracts import ModelSignature
from seatrial.contracts.model import InputColumn, OutputColumn

ROOT = Path(__file__).parents[2]
BASE = os.environ.get("SEATRIAL_TEST_BASE", "")
TAG = "localhost/seatrial-serving:test"
BASE_TAG = "localhost/seatrial-base:test"
USER = "4321:4321"
START_S = 30


def _reason_to_skip() -> str | None:
    if not BASE:
        return "SEATRIAL_TEST_BASE names no base image to build on"
    missing = [name for name in ("buildah", "unshare", "chroot") if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "needs root, to mount the image" if os.geteuid() else None


REASON = _reason_to_skip()
pytestmark = [pytest.mark.flow, pytest.mark.skipif(REASON is not None, reason=REASON or "")]

# What a strict sandbox leaves: a root that is read-only but for /tmp, three devices, no /dev/shm,
# and a user whom the image does not know. All mounts go with the process.
ENTER = """
set -eu
root=$1 model=$2 user=$3
shift 3
mount --bind "$root" "$root"
mount --bind "$model" "$root/opt/ml/model"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -o remount,bind,ro "$root"
mount -o remount,bind,ro "$root/opt/ml/model"
mount -o remount,ro "$root/dev"
exec chroot --userspec="$user" --groups= "$root" "$@"
"""


@dataclass(frozen=True)
class BuiltImage:
    """The image's root file system, its configuration, and what the build said at its end."""

    root: Path
    config: dict[str, Any]
    weight: str

    def command(self, model: Path, arguments: Sequence[str]) -> list[str]:
        """The command line that runs `arguments` in the image, as process 1."""
        entering = ["sh", "-c", ENTER, "enter", str(self.root), str(model), USER]
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return [*namespaces, *entering, *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        """What a container of the image gets."""
        return {**dict(item.split("=", 1) for item in self.config["Env"]), **more}

    def output(self, model: Path, *arguments: str) -> str:
        """What a command says that runs in the image to its end."""
        return subprocess.run(
            self.command(model, arguments),
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            timeout=60,
            check=True,
        ).stdout


def _buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _base() -> str:
    if not Path(BASE).is_file():
        return BASE
    container = _buildah("from", "scratch")
    _buildah("add", "--quiet", container, BASE, "/")
    # the same base every time, so that the builder's cache knows what was built on it
    _buildah("commit", "--quiet", "--rm", "--timestamp=0", container, BASE_TAG)
    return BASE_TAG


@pytest.fixture(scope="module")
def image() -> Iterator[BuiltImage]:
    script = str(ROOT / "docker" / "build_image.py")
    names = ["--builder=buildah", f"--base={_base()}", f"--tag={TAG}"]
    more = shlex.split(os.environ.get("SEATRIAL_TEST_IMAGE_ARGS", ""))
    build = subprocess.run(
        [sys.executable, script, *names, *more], capture_output=True, text=True, check=False
    )
    assert build.returncode == 0, build.stdout + build.stderr
    container = _buildah("from", TAG)
    try:
        yield BuiltImage(
            root=Path(_buildah("mount", container)),
            config=json.loads(_buildah("inspect", "--type=image", TAG))["Docker"]["config"],
            weight=build.stdout.splitlines()[-1],
        )
    finally:
        _buildah("rm", container)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = 2x, packed and unpacked as for an endpoint."""
    from onnx import TensorProto, helper

    column = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "double",
        [column("x", TensorProto.FLOAT, [None, 1])],
        [column("y", TensorProto.FLOAT, [None, 1])],
    )
    onnx = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    signature = ModelSignature(
        schema_version=1,
        task="regression",
        model_file="model.onnx",
        inputs=(InputColumn(name="x", type="double", required=True, onnx_input="x"),),
        outputs=(OutputColumn(name="y", type="double", onnx_output="y", index=0),),
        label=None,
        score="y",
        input_example=({"x": 1.5},),
    )
    folder = tmp_path_factory.mktemp("double")
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    (folder / "signature.json").write_text(signature.model_dump_json(), encoding="utf-8")
    archive = pack(folder, tmp_path_factory.mktemp("archive") / "model.tar.gz")
    # the folders of a test belong to root alone, and the server does not run as root
    unpacked = unpack(archive, tmp_path_factory.mktemp("model"), max_mb=1)
    unpacked.chmod(0o755)
    return unpacked


@dataclass(frozen=True)
class Serving:
    """The started image."""

    port: int
    process: subprocess.Popen[bytes]
    stdout: Path
    start_s: float

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "text/csv"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def stop(self) -> int:
        """SIGTERM to the server itself, as a container gets it; its exit code."""
        os.kill(self.server_pid(), signal.SIGTERM)
        return self.process.wait(timeout=10)

    def server_pid(self) -> int:
        """Process 1 of the container, seen from here."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(children.read_text())


@contextmanager
def serving(image: BuiltImage, model: Path, folder: Path) -> Iterator[Serving]:
    """Start the image with the argument `serve`, and wait until it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.monotonic()
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            image.command(model, ["serve"]),
            env=image.environment(SAGEMAKER_BIND_TO_PORT=str(port)),
            stdout=stdout,
            stderr=stderr,
        )
    started = Serving(port, process, folder / "stdout", 0.0)
    try:
        while not _ready(started):
            assert process.poll() is None, (folder / "stderr").read_text()
            assert time.monotonic() - began < START_S, "no answer to /ping"
            time.sleep(0.005)
        yield Serving(port, process, folder / "stdout", time.monotonic() - began)
    finally:
        # --kill-child does not reach it: a change of user ends the signal of a parent's death.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(started.server_pid(), signal.SIGKILL)
        process.kill()
        process.wait()


def _ready(server: Serving) -> bool:
    try:
        return server.ask("GET", "/ping")[0] == 200
    except OSError:
        return False


def test_an_image_serves_with_only_tmp_writable_as_any_user(
    image: BuiltImage, model: Path, tmp_path: Path
) -> None:
    with serving(image, model, tmp_path) as server:
        assert server.ask("POST", "/invocations", "x\n2.5\n") == (200, "5.0\n")
        [record] = [json.loads(line) for line in server.stdout.read_text().splitlines()]
        assert record["captureData"]["endpointInput"]["data"] == "x\n2.5\n"
        assert record["captureData"]["endpointOutput"]["data"] == "5.0\n"
        sys.stdout.write(f"started in {server.start_s:.3f} s; {image.weight}\n")


def test_a_container_stops_when_it_is_told_to(
    image: BuiltImage, model: Path, tmp_path: Path
) -> None:
    with serving(image, model, tmp_path) as server:
        assert server.stop() == 0


def test_the_sandbox_of_these_tests_is_as_strict_as_it_says(image: BuiltImage, model: Path) -> None:
    script = """
id -u
for path in / /opt/ml/model /dev /opt/seatrial /tmp; do
  (: > "$path/written") 2> /dev/null && echo "$path"
done
test -e /dev/shm || echo no shm
"""
    said = image.output(model, "sh", "-c", script).splitlines()
    assert said == ["4321", "/tmp", "no shm"]  # noqa: S108 - a path in the image


def test_nothing_is_compiled_at_start(image: BuiltImage, model: Path) -> None:
    code = """
import sys, seatrial.serving.__main__
from pathlib import Path
for name, module in sorted(sys.modules.items()):
    cached = getattr(module, "__cached__", None)
    if cached and name != "__main__" and not Path(cached).exists():
        print(name)
"""
    assert image.output(model, "python3", "-c", code) == ""


def test_there_is_no_pip(image: BuiltImage, model: Path) -> None:
    code = "import importlib.util as u; print(u.find_spec('pip'), u.find_spec('ensurepip'))"
    assert image.output(model, "python3", "-c", code) == "None None\n"
    assert image.output(model, "sh", "-c", "command -v pip pip3 || :") == ""


def test_the_image_says_what_sagemaker_reads(image: BuiltImage) -> None:
    assert image.config["Labels"][
        "com.amazonaws.sagemaker.capabilities.accept-bind-to-port"
    ] == "true"  # fmt: skip
    assert list(image.config["ExposedPorts"]) == ["8080/tcp"]
    assert image.config["User"] == "65534:65534"
    assert not image.config.get("Entrypoint")
