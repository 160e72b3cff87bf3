"""The profiler's parts that need no server: what it may import, what it reads, what it refuses."""

from __future__ import annotations

import ast
import io
import itertools
import json
import os
import random
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.limits import tier_threads
from seatrial.steps import profile_model
from seatrial.steps.profile_model import (
    MB,
    Budget,
    Cgroup,
    Look,
    Payload,
    PayloadRun,
    ProcessTree,
    ProfileError,
    Reply,
    ServerError,
    SizeError,
    TierRun,
    Watch,
    available_mb,
    expected_seconds,
    p95_at_least_ms,
    percentile_ms,
    read_names,
    read_payloads,
    take_turns,
    tier_runs,
    unpack,
)

SOURCE = Path(str(profile_model.__file__)).read_text(encoding="utf-8")
NEWER_THAN_3_8 = {
    *("removeprefix", "removesuffix", "is_relative_to", "with_stem", "hardlink_to", "readlink"),
    *("waitstatus_to_exitcode", "pidfd_open", "randbytes", "lcm", "nextafter", "file_digest"),
    *("bit_count", "pairwise", "batched", "cache", "UTC", "to_thread", "extraction_filter"),
}


# ---- one file for any image


def test_it_is_python_3_8() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    names = {node.attr for node in attributes if ast.unparse(node) != "os.readlink"}
    assert names & NEWER_THAN_3_8 == set()
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    assert "strict" not in keywords  # zip's, 3.10


def test_its_annotations_are_never_evaluated() -> None:
    first = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.ImportFrom))
    assert first.module == "__future__"


def test_it_imports_the_standard_library_alone() -> None:
    for node in ast.walk(ast.parse(SOURCE)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [str(node.module)]
        assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


# ---- what is to be profiled


def candidates(folder: Path, **rejections: str | None) -> Path:
    items = [{"name": name, "rejection": why} for name, why in rejections.items()]
    (folder / "optimization.json").write_text(json.dumps({"candidates": items}))
    return folder


def test_a_candidate_that_was_passed_over_is_not_profiled(tmp_path: Path) -> None:
    items = [
        {"name": "fp32", "rejection": None, "passed_over": None},
        {"name": "fp16", "rejection": None, "passed_over": "gains nothing over fp32"},
    ]
    (tmp_path / "optimization.json").write_text(json.dumps({"candidates": items}))
    assert profile_model.read_names(tmp_path, None) == ["fp32"]
    assert profile_model.read_names(tmp_path, "fp16") == ["fp16"]


def test_survivors_are_profiled_unless_others_are_named(tmp_path: Path) -> None:
    folder = candidates(tmp_path, fp32=None, int8="mean deviation 0.2", ort=None)
    assert read_names(folder, None) == ["fp32", "ort"]
    assert read_names(folder, "int8, fp32") == ["int8", "fp32"]


def test_a_name_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="fp32, int8"):
        read_names(candidates(tmp_path, fp32=None, int8=None), "fp16")


def test_no_survivor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="no survivor"):
        read_names(candidates(tmp_path, fp32="worse"), None)


def test_a_name_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="letters, digits"):
        read_names(candidates(tmp_path, **{"../x": None}), None)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"candidates": [{}]}'])
def test_an_optimization_that_is_none_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "optimization.json").write_text(text)
    with pytest.raises(ProfileError, match="Run OptimizeModel first"):
        read_names(tmp_path, None)


def test_payloads_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "payloads.jsonl"
    lines = [
        {"name": "one", "content_type": "text/csv", "rows": 1, "body": "é\n"},
        {"name": "two", "content_type": "application/json", "rows": 2, "body": "{}"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_payloads(path) == [
        Payload("one", "text/csv", 1, "é\n".encode()),
        Payload("two", "application/json", 2, b"{}"),
    ]


@pytest.mark.parametrize("text", [None, "", "{}\n", "nothing\n", '{"name": "x", "body": 1}\n'])
def test_payloads_that_are_none_are_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "payloads.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ProfileError, match="sample payloads"):
        read_payloads(path)


# ---- archives


Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", **changes: Any) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def pack(path: Path, *members: Member) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def test_files_and_folders_are_unpacked(tmp_path: Path) -> None:
    archive = pack(
        tmp_path / "fp32" / "model.tar.gz",
        member("./code", type=tarfile.DIRTYPE),
        member("code/inference.py", b"pass"),
        member("./model.onnx", b"x" * 3_000_000),
    )
    folder = tmp_path / "model"
    folder.mkdir()
    assert unpack(archive, folder) == 3_000_004
    assert (folder / "code" / "inference.py").read_bytes() == b"pass"
    assert (folder / "model.onnx").stat().st_size == 3_000_000


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(member("/etc/x", b"1"), id="absolute"),
        pytest.param(member("../x", b"1"), id="above"),
        pytest.param(member("a/../../x", b"1"), id="above-later"),
        pytest.param(member("x", type=tarfile.SYMTYPE, linkname="/etc"), id="symbolic-link"),
        pytest.param(member("x", type=tarfile.LNKTYPE, linkname="y"), id="hard-link"),
        pytest.param(member("x", type=tarfile.CHRTYPE), id="device"),
        pytest.param(member("x", type=tarfile.FIFOTYPE), id="pipe"),
    ],
)
def test_what_reaches_outside_is_refused(tmp_path: Path, hostile: Member) -> None:
    archive = pack(tmp_path / "fp32" / "model.tar.gz", hostile)
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(ProfileError, match=r"fp32/model\.tar\.gz holds what"):
        unpack(archive, folder)
    assert list(folder.iterdir()) == []


def test_a_truncated_archive_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    import random

    content = random.Random(0).randbytes(100_000)
    whole = pack(tmp_path / "fp32" / "model.tar.gz", member("model.onnx", content))
    data = whole.read_bytes()
    for number, end in enumerate((0, 5, 30, len(data) // 2, len(data) - 9, len(data) - 1)):
        whole.write_bytes(data[:end])
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ProfileError, match=r"cannot unpack fp32/model\.tar\.gz: "):
            unpack(whole, folder)


def test_an_archive_of_another_kind_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(b"PK\x03\x04 not a tar")
    with pytest.raises(ProfileError, match="Build and upload the archive again"):
        unpack(archive, tmp_path)


@pytest.mark.parametrize(
    ("spare", "fits"),
    [
        pytest.param(1, True, id="under"),
        pytest.param(0, True, id="exactly-at-limit"),
        pytest.param(-1, False, id="over"),
    ],
)
def test_archive_and_model_together_fit_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: int, fits: bool
) -> None:
    content = b"x" * 1000
    archive = pack(tmp_path / "model.tar.gz", member("model.onnx", content))
    limit = len(content) + archive.stat().st_size + spare
    monkeypatch.setattr(profile_model, "DISK_LIMIT_MB", limit / MB)
    folder = tmp_path / "model"
    folder.mkdir()
    if fits:
        assert unpack(archive, folder) == 1000
    else:
        with pytest.raises(SizeError) as caught:
            unpack(archive, folder)
        assert caught.value.size_mb == 1000 / MB
        assert list(folder.iterdir()) == []


# ---- memory


def cgroup(folder: Path, version: int) -> Cgroup:
    mb = MB
    if version == 1:
        (folder / "memory.max_usage_in_bytes").write_text(f"{700 * mb}\n")
        stat = f"cache 1\ntotal_cache {90 * mb}\ntotal_shmem {40 * mb}\n"
    else:
        (folder / "memory.peak").write_text(f"{700 * mb}\n")
        stat = f"anon 1\nfile {90 * mb}\nshmem {40 * mb}\n"
    (folder / "memory.stat").write_text(stat)
    return Cgroup(folder, version)


@pytest.mark.parametrize("version", [1, 2])
def test_a_cgroup_tells_its_peak_and_its_page_cache_without_tmpfs(
    tmp_path: Path, version: int
) -> None:
    group = cgroup(tmp_path, version)
    assert group.peak_mb() == 700
    assert group.page_cache_mb() == 50


@pytest.mark.parametrize(
    ("kernel_mb", "expected_mb"),
    [
        pytest.param(1, 51, id="few-notes"),
        pytest.param(30, 50 * (1 + 104 / 4096), id="other-memory"),
    ],
)
def test_what_the_kernel_notes_of_cached_pages_goes_with_them(
    tmp_path: Path, kernel_mb: float, expected_mb: float
) -> None:
    group = cgroup(tmp_path, 1)
    (tmp_path / "memory.kmem.usage_in_bytes").write_text(str(kernel_mb * MB))
    assert group.given_back_mb() == expected_mb


def test_version_2_tells_what_the_kernel_can_free(tmp_path: Path) -> None:
    group = cgroup(tmp_path, 2)
    with (tmp_path / "memory.stat").open("a") as stat:
        stat.write(f"slab_reclaimable {7 * MB}\n")
    assert group.given_back_mb() == 57


class Memory:
    """Stands in for TreeMemory."""

    def __init__(self, *looks: Look) -> None:
        self.looks = list(looks)

    def look(self) -> Look:
        return self.looks.pop(0)


def watch(memory: Memory, group: Cgroup | None = None, stop_mb: float = 6144) -> Watch:
    made = Watch(ProcessTree(), group, stop_mb)
    made._memory = memory  # type: ignore[assignment]
    return made


def test_the_cgroup_s_peak_counts_without_page_cache_and_with_mapped_files(tmp_path: Path) -> None:
    group = cgroup(tmp_path, 1)
    watched = watch(Memory(Look(100, 120, 30), Look(100, 120, 30), Look(100, 120, 30)), group)
    watched.look()
    assert watched.peak_mb == 700 - 50 + 30
    (tmp_path / "memory.max_usage_in_bytes").write_text(f"{800 * MB}")
    watched.look()
    assert watched.peak_mb == 800 - 50 + 30
    watched.look()
    assert watched.peak_mb == 780


class Group:
    """Stands in for a Cgroup of 20 MB whose file of 300 is deleted right after it was read."""

    def __init__(self, *cached_mb: float) -> None:
        self.cached_mb = list(cached_mb)

    def peak_mb(self) -> float:
        return 320

    def given_back_mb(self) -> float:
        return self.cached_mb.pop(0)


@pytest.mark.parametrize(
    "cached_mb",
    [
        pytest.param((100, 300), id="still read during the look"),
        pytest.param((300, 120), id="deleted during the look"),
    ],
)
def test_a_file_that_is_deleted_after_its_peak_is_no_memory(cached_mb: tuple[float, ...]) -> None:
    watched = watch(Memory(Look(20, 20, 0)), Group(*cached_mb))  # type: ignore[arg-type]
    watched.look()
    assert watched.peak_mb == 20


def test_the_cache_at_the_last_look_counts_where_the_peak_rose_since() -> None:
    class Rising(Group):
        peaks = itertools.chain([300, 300], itertools.repeat(320))

        def peak_mb(self) -> float:
            return next(self.peaks)

    group = Rising(280, 280, 150, 90)
    watched = watch(Memory(Look(20, 20, 0), Look(20, 20, 0)), group)  # type: ignore[arg-type]
    watched.look()
    watched.look()
    assert watched.peak_mb == 320 - 280


def test_a_file_that_its_mappers_let_go_of_one_after_the_other_counts_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rollup(file_kb: int) -> dict[str, int]:
        return {"Pss_Anon": 1000, "Pss_Shmem": 0, "Pss_File": file_kb}

    # of 300 MB, in three processes of which the first two end while they are read
    readings = [[rollup(100_000), rollup(150_000), rollup(300_000)], [rollup(300_000)]]
    monkeypatch.setattr(profile_model, "read_rollups", lambda _: readings.pop(0))
    memory = profile_model.TreeMemory(ProcessTree(), profile_model.Tmpfs(()))
    assert memory._rollups([1, 2, 3]) == [rollup(300_000)]
    assert not readings


@pytest.mark.parametrize(
    ("peak_mb", "stopped"),
    [
        pytest.param(399.9, False, id="under"),
        pytest.param(400.0, False, id="exactly-at-limit"),
        pytest.param(400.1, True, id="over"),
    ],
)
def test_memory_is_stopped_over_its_limit(peak_mb: float, stopped: bool) -> None:
    watched = watch(Memory(Look(10, peak_mb, 5)), stop_mb=400)
    watched.look()
    assert watched.stopped is stopped


def test_cgroups_are_looked_for_where_the_kernel_says(tmp_path: Path) -> None:
    text = "4:memory:/jobs/7\n3:cpu,cpuacct:/\n0::/user.slice/session-1.scope\n"
    assert list(profile_model._cgroup_parents(tmp_path, text)) == [
        (tmp_path / "memory" / "jobs" / "7", 1),
        (tmp_path / "memory", 1),
        (tmp_path / "user.slice" / "session-1.scope", 2),
        (tmp_path / "user.slice", 2),
        (tmp_path, 2),
    ]


def test_in_the_root_s_own_group_there_is_one_place(tmp_path: Path) -> None:
    assert list(profile_model._cgroup_parents(tmp_path, "0::/\n")) == [(tmp_path, 2)]


def test_without_a_cgroup_the_method_says_what_is_left(tmp_path: Path) -> None:
    found = profile_model.find_cgroups(tmp_path, "0::/\n")
    assert found.parent is None
    assert found.method.startswith("resident memory of the process tree (PSS if it has several)")
    assert list(tmp_path.iterdir()) == []


def test_cpu_groups_are_looked_for_in_the_cpu_controller(tmp_path: Path) -> None:
    text = "4:memory:/jobs/7\n3:cpu,cpuacct:/a\n0::/x/y\n"
    assert list(profile_model._cgroup_parents(tmp_path, text, "cpu")) == [
        (tmp_path / "cpu" / "a", 1),
        (tmp_path / "cpu", 1),
        (tmp_path / "x" / "y", 2),
        (tmp_path / "x", 2),
        (tmp_path, 2),
    ]
    assert profile_model.find_cpu_groups(tmp_path, text) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "files"),
    [
        (1, {"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "11577"}),
        (2, {"cpu.max": "11577 20000"}),
    ],
)
def test_a_quota_is_written_as_each_version_has_it(
    tmp_path: Path, version: int, files: dict[str, str]
) -> None:
    profile_model.CpuGroup(tmp_path, version).limit(1024 / 1769)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


MOUNTS = "/dev/vda / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\ntmpfs /mnt/a tmpfs rw 0 0\n"


def test_a_folder_is_on_the_tmpfs_that_is_mounted_above_it() -> None:
    folders = ["/dev/shm", "/mnt/a/b/c", "/mnt/ab", "/tmp"]  # noqa: S108 - not used
    assert profile_model.tmpfs_mounts(MOUNTS, folders) == folders[:2]
    hidden = MOUNTS + "/dev/vdb /dev/shm ext4 rw 0 0\n"
    assert profile_model.tmpfs_mounts(hidden, folders) == ["/mnt/a/b/c"]


def test_tmpfs_counts_what_was_made_or_written_since(tmp_path: Path) -> None:
    def write(name: str, mb: int) -> None:
        with (tmp_path / name).open("wb") as file:
            file.write(b"x" * mb * MB)
            os.fsync(file.fileno())  # a disk's blocks are counted late

    write("left", 1)
    write("rewritten", 1)
    tmpfs = profile_model.Tmpfs([str(tmp_path)])
    assert tmpfs.used_mb() == 0
    write("rewritten", 2)
    write("new", 3)
    assert tmpfs.used_mb() == pytest.approx(5, abs=0.1)
    (tmp_path / "new").unlink()
    assert tmpfs.used_mb() == pytest.approx(2, abs=0.1)
    assert tmpfs.peak_mb == {str(tmp_path): pytest.approx(5, abs=0.1)}


@pytest.mark.parametrize("count", [199, 200, 201, 10_000])
def test_a_curve_is_never_too_long_and_keeps_its_peak(count: int) -> None:
    series = profile_model.Series()
    for number in range(count):
        series.add(number / 100, 999.0 if number == count // 3 else number % 50)
    points = series.points()
    assert len(points) == count if count <= 200 else 100 <= len(points) <= 200
    assert {"at_s": count // 3 / 100, "memory_mb": 999.0} in points
    assert points == sorted(points, key=lambda point: point["at_s"])


# ---- behaviour


TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12 1
   2: 0F02000A:C351 012000C0:01BB 02 00000000:00000000 00:00000000 00000000     0        0 13 1
"""
TCP6 = """  sl  local_address remote_address st
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0 0 0 0 0 21 1
   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C350 01 0 0 0 0 0 22 1
   2: B80D0120000000000000000001000000:C351 B80D0120000000000000000002000000:0050 01 0 0 0 0 0 23 1
"""


@pytest.mark.skipif(sys.byteorder == "big", reason="the table is of a little-endian machine")
def test_sockets_are_read_as_the_kernel_lists_them() -> None:
    assert [item[:3] for item in profile_model.read_sockets(TCP, tcp=True)] == [
        (8080, None, True),
        (8080, None, False),
        (50001, "192.0.32.1:443", False),
    ]
    found = profile_model.read_sockets(TCP6.replace(" 0 0 0 0 0 ", " 0:0 0:0 0 0 0 "), tcp=True)
    assert [item[:3] for item in found] == [
        (8080, None, True),
        (8080, None, False),
        (50001, "[2001:db8::2]:80", False),
    ]
    assert [item.inode for item in found] == ["21", "22", "23"]


def test_modules_compiled_from_source_are_counted_once_each() -> None:
    verbose = (
        "# /lib/__pycache__/os.cpython-38.pyc matches /lib/os.py\n"
        "# code object from '/lib/__pycache__/os.cpython-38.pyc'\n"
        "# code object from /app/main.py\n# code object from /app/main.py\n"
        "# code object from /app/other.py\n"
    )
    assert profile_model.uncompiled(verbose) == 2
    assert profile_model.uncompiled("# code object from '/lib/os.pyc'\n") == 0
    assert profile_model.uncompiled("listening on 8080\n") is None


# ---- figures


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50_000.0), (0.95, 95_000.0), (0.99, 99_000.0), (1.0, 100_000.0)]
)
def test_percentiles_are_values_that_were_measured(share: float, expected: float) -> None:
    assert percentile_ms([float(n) for n in range(1, 101)], share) == expected


def test_percentiles_of_few() -> None:
    assert percentile_ms([], 0.5) is None
    assert percentile_ms([0.25], 0.01) == 250.0
    assert percentile_ms([1.0, 2.0], 0.5) == 1000.0


@pytest.mark.parametrize(
    ("count", "p95_ms"),
    [
        pytest.param(19, None, id="under"),
        pytest.param(20, 19_000.0, id="exactly"),
        pytest.param(21, 20_000.0, id="over"),
    ],
)
def test_a_percentile_needs_one_above_it(count: int, p95_ms: float | None) -> None:
    ordered = [float(value) for value in range(1, count + 1)]
    assert percentile_ms(ordered, 0.95, profile_model.FEWEST_FOR_P95) == p95_ms


def test_what_a_p95_is_at_least_is_wrong_of_one_run_in_twenty_at_most() -> None:
    rng = random.Random(1)
    for count in (1, 2, 5, 13, 19, 50):
        wrong = 0
        for _ in range(2000):
            drawn = sorted(rng.random() for _ in range(count))  # whose 95th percentile is 0.95
            least = p95_at_least_ms(drawn)
            wrong += least is not None and least > 950
        assert wrong / 2000 <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5
    assert p95_at_least_ms([]) is None


def test_a_longer_request_is_expected_to_take_as_many_times_as_long() -> None:
    measured = [{"rows": 10, "latency_p50_ms": 900.0}, {"rows": 100, "latency_p50_ms": 1000.0}]
    assert expected_seconds(400, measured) == 4.0
    assert expected_seconds(400, [{"rows": 10, "latency_p50_ms": None}]) == 0.0


@pytest.mark.parametrize(
    ("seconds", "todo", "late"),
    [
        pytest.param(1.99, [], ["its start", "quick", "slow"], id="not even the start"),
        pytest.param(2.0, [], ["quick", "slow"], id="the start exactly"),
        pytest.param(2.0 + 6 * 0.1 - 0.01, [], ["quick", "slow"], id="under the quick one"),
        pytest.param(2.0 + 6 * 0.1 + 0.01, ["quick"], ["slow"], id="over the quick one"),
        pytest.param(2.0 + 6 * 1.1 + 0.01, ["quick", "slow"], [], id="over both"),
    ],
)
def test_a_tier_measures_what_fits_its_time(
    seconds: float, todo: list[str], late: list[str]
) -> None:
    def sample(name: str, ms: float) -> dict[str, Any]:
        return {"payload": name, "latency_p50_ms": ms, "cpu_s_per_request": ms / 1000}

    result = {
        "cold_start": {"to_first_prediction_s": 1.0, "cpu_s": 1.0},
        "payloads": [sample("slow", 500), sample("quick", 50), sample("refused", 1)],
    }
    result["payloads"][2]["latency_p50_ms"] = None
    run = TierRun(1024, 0.5, 1, result)
    payloads = [Payload(name, "text/csv", 1, b"1") for name in ("slow", "quick", "refused")]
    left_out = run.plan(payloads, seconds)
    assert [item.name for item in run.todo] == todo
    assert sorted(left_out) == sorted(late)


class Asked:
    """Stands in for a server that is up beside others: who was asked is in `log`."""

    def __init__(self, name: str, log: list[str], *, fails_at: int = 0) -> None:
        self.name, self.log, self.fails_at = name, log, fails_at
        self.started = time.monotonic()

    def wait_for_port(self) -> float:
        return 0.0

    wait_for_ping = wait_for_port

    def cpu_s(self) -> float:
        return 0.002 * len(self.log)  # 2 ms a request, of whomever

    def invoke(self, payload: Payload) -> Reply:
        self.log.append(f"{self.name} {payload.name}")
        if self.fails_at and len(self.log) >= self.fails_at:
            raise ServerError("it ended")
        return Reply(200, b"1", 0.001 * len(self.name))


def taking_turns(*servers: Asked, requests: int = 40) -> list[TierRun]:
    """Runs of two payloads that have all had their turns."""
    payloads = [Payload(name, "text/csv", 1, b"1") for name in ("slow", "quick")]
    result = {
        "cold_start": {"to_first_prediction_s": 0.0, "cpu_s": 0.0},
        "payloads": [
            {"payload": "slow", "latency_p50_ms": 2.0, "cpu_s_per_request": 0.0},
            {"payload": "quick", "latency_p50_ms": 1.0, "cpu_s_per_request": 0.0},
        ],
    }
    runs = [TierRun(1024 * number, 1.0, 1, result) for number, _ in enumerate(servers, 1)]
    for run, server in zip(runs, servers, strict=True):
        assert run.plan(payloads, 60.0) == []
        run.begin(server, payloads[0])  # type: ignore[arg-type]
        server.log.clear()
    take_turns(runs, payloads, requests)
    return runs


def test_tiers_take_turns_by_blocks_whose_first_period_goes_uncounted() -> None:
    log: list[str] = []
    runs = taking_turns(Asked("a", log), Asked("bb", log))
    blocks = [name for name, _ in itertools.groupby(log)]
    assert blocks == 2 * ["a quick", "bb quick"] + 2 * ["a slow", "bb slow"]
    assert log.count("a quick") == 2 * (20 + 20)  # these take no time, so 20 stand for a period
    for run, ms in zip(runs, (1.0, 2.0), strict=True):
        assert [item["payload"] for item in run.latencies()] == ["quick", "slow"]
        assert {item["requests"] for item in run.latencies()} == {40}
        assert [item["latency_mean_ms"] for item in run.latencies()] == pytest.approx([ms, ms])
        taken_s = [item["cpu_s_per_request"] for item in run.latencies()]
        assert taken_s == pytest.approx([0.002, 0.002])


def test_a_tier_whose_server_ends_keeps_what_it_has_and_the_others_go_on() -> None:
    log: list[str] = []
    ends, goes_on = taking_turns(Asked("a", log, fails_at=100), Asked("bb", log))
    assert ends.failure == "it ended"
    assert [item["requests"] for item in ends.latencies()] == [20]
    assert goes_on.failure is None
    assert [item["requests"] for item in goes_on.latencies()] == [40, 40]


@pytest.mark.parametrize(
    ("cores", "quotas", "tiers", "threads"),
    [
        pytest.param(1, True, [], [], id="none is held, so none is measured"),
        pytest.param(2, True, [1024, 2048, 3072, None, None], [1, 1, 2, 1, 2], id="some are held"),
        pytest.param(
            4, True, [1024, 2048, 3072, 6144, *3 * [None]], [1, 1, 2, 3, 1, 2, 3], id="all"
        ),
        pytest.param(4, False, 3 * [None], [1, 2, 3], id="no quota can be had"),
    ],
)
def test_the_tiers_that_the_cores_hold_are_run_and_all_cores_with_their_threads(
    cores: int, quotas: bool, tiers: list[int | None], threads: list[int]
) -> None:
    result = {"cold_start": {"to_first_prediction_s": 1.0, "cpu_s": 1.0}, "payloads": []}
    sizes = (2048, 6144) if cores == 1 else (1024, 2048, 3072, 6144)
    found = tier_runs(profile_model.Tiers(sizes, 1769), cores, result, quotas=quotas)
    assert [item.memory_size_mb for item in found] == tiers
    assert [item.threads for item in found] == threads


@pytest.mark.parametrize("memory_size_mb", [1, 884, 885, 1769, 2653, 2654, 6144, 10240])
def test_the_profiler_s_number_of_threads_is_the_deployment_s(memory_size_mb: int) -> None:
    expected = tier_threads(memory_size_mb, 1769)
    assert profile_model.tier_threads(memory_size_mb, 1769) == expected


def test_a_container_has_no_more_memory_than_its_cap_leaves(tmp_path: Path) -> None:
    free_mb = available_mb(tmp_path)
    assert free_mb > 1
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text(f"{MB}\n")
    assert available_mb(tmp_path) > 1
    (tmp_path / "memory.max").write_text(f"{2 * MB}\n")
    assert available_mb(tmp_path) == 1


class FakeServer:
    """Stands in for Server: each answer is a status, or an error to raise."""

    def __init__(self, answers: Callable[[int], int | ServerError]) -> None:
        self.answers, self.sent, self.clock_s = answers, 0, 0.0
        self.waited_s = None

    def wait_for_port(self) -> float:
        return 0.0

    def wait_for_ping(self) -> float:
        return 0.0

    def cpu_s(self) -> float:
        return self.clock_s

    def invoke(self, _: Payload, __: None = None) -> Reply:
        self.sent += 1
        self.clock_s += 9.0 if self.sent == 1 else 0.5  # the first request warms up
        answer = self.answers(self.sent)
        if isinstance(answer, ServerError):
            raise answer
        return Reply(answer, b"x" * self.sent, self.clock_s)


def run(answers: Callable[[int], int | ServerError], requests: int = 5) -> tuple[int, Any]:
    measured = PayloadRun(Payload("p", "text/csv", 3, b"1\n" * 512), Budget(requests, 60))
    server = FakeServer(answers)
    measured.measure(server)  # type: ignore[arg-type]
    watched = watch(Memory())
    return server.sent, measured.result(watched)


def test_the_first_request_is_warm_up_and_not_measured() -> None:
    sent, result = run(lambda _: 200)
    assert sent == result["requests"] == 5
    assert result["latency_p50_ms"] == 10_000.0
    assert result["cpu_s_per_request"] == 0.5
    assert result["request_mb"] == 1024 / MB
    assert result["response_mb"] == 5 / MB


def test_a_single_request_is_all_there_is() -> None:
    _, result = run(lambda _: 200, requests=1)
    assert result["latency_p50_ms"] == 9000.0
    assert result["cpu_s_per_request"] == 9.0


def test_three_errors_in_a_row_end_it() -> None:
    sent, result = run(lambda _: 500)
    assert (sent, result["requests"], result["errors"]) == (3, 0, 3)
    assert result["first_error"] == "status 500: x"
    assert result["latency_p50_ms"] is None
    assert result["cpu_s_per_request"] is None


def test_single_errors_do_not_end_it() -> None:
    sent, result = run(lambda number: 500 if number in (2, 3) else 200, requests=6)
    assert (sent, result["requests"], result["errors"]) == (6, 4, 2)


def test_a_server_that_fails_ends_it() -> None:
    sent, result = run(lambda number: ServerError("it ended") if number == 2 else 200)
    assert (sent, result["requests"], result["errors"]) == (2, 1, 1)
    assert result["first_error"] == "it ended"
