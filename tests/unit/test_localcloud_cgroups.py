"""What a control group's files say, in both versions of the kernel's interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.localcloud.cgroup_search import (
    cpu_text,
    find_cgroups,
    memory_text,
    remove_recorded,
)
from seatrial.localcloud.cgroups import Cage, Cgroups, Group
from seatrial.localcloud.memory_guard import CappedMemory, guard_memory

MB = 2**20
Make = Callable[..., Group]


def group(folder: Path, version: int, files: dict[str, str]) -> Group:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return Group(folder, version)


def v1(folder: Path, *, peak_mb: int = 300, kills: int = 0) -> Group:
    files = {
        "memory.max_usage_in_bytes": f"{peak_mb * MB}\n",
        "memory.oom_control": f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n",
        "memory.stat": f"cache 1\ntotal_cache {90 * MB}\ntotal_shmem {10 * MB}\n",
    }
    return group(folder, 1, files)


def v2(folder: Path, *, peak_mb: int = 300, kills: int = 0) -> Group:
    files = {
        "memory.peak": f"{peak_mb * MB}\n",
        "memory.events": f"low 0\noom 3\noom_kill {kills}\n",
        "memory.stat": f"anon 1\nfile {90 * MB}\nshmem {10 * MB}\n",
    }
    return group(folder, 2, files)


@pytest.mark.parametrize("make", [v1, v2])
def test_counters_are_read(tmp_path: Path, make: Make) -> None:
    found = make(tmp_path / "g", kills=2)
    assert (found.highest_mb(), found.page_cache_mb(), found.memory_kills()) == (300, 80, 2)


def test_version_2_without_a_peak_says_what_it_holds(tmp_path: Path) -> None:
    assert group(tmp_path / "g", 2, {"memory.current": str(7 * MB)}).highest_mb() == 7


def test_a_group_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    gone = Group(tmp_path / "gone", 1)
    assert (gone.highest_mb(), gone.page_cache_mb(), gone.memory_kills()) == (0, 0, 0)
    assert gone.pids() == []


def test_caps_are_written_as_each_version_wants_them(tmp_path: Path) -> None:
    first, second = group(tmp_path / "1", 1, {}), group(tmp_path / "2", 2, {})
    for one in (first, second):
        one.cap_memory(1024)
        one.cap_cpu(0.58)
    assert {item.name: item.read_text() for item in first.folder.iterdir()} == {
        "memory.limit_in_bytes": "1073741824",
        "memory.memsw.limit_in_bytes": "1073741824",
        "cpu.cfs_period_us": "20000",
        "cpu.cfs_quota_us": "11600",
    }
    assert {item.name: item.read_text() for item in second.folder.iterdir()} == {
        "memory.max": "1073741824",
        "memory.swap.max": "0",
        "cpu.max": "11600 20000",
    }


@pytest.mark.parametrize("make", [v1, v2])
def test_peak_is_without_page_cache_and_never_falls(tmp_path: Path, make: Make) -> None:
    guard = CappedMemory(make(tmp_path / "g"))
    guard.look_at_idle(1)
    assert guard.peak_mb == 220
    make(tmp_path / "g", peak_mb=200, kills=1)
    guard.look_at_idle(1)
    assert (guard.peak_mb, guard.over) == (220, True)


def test_without_a_group_memory_is_watched() -> None:
    guard = guard_memory(None, 1024)
    assert (guard.peak_mb, guard.over) == (0, False)
    guard.peak_mb = 1024
    assert not guard.over
    guard.peak_mb = 1024.1
    assert guard.over


def test_both_controllers_of_version_2_are_one_folder(tmp_path: Path) -> None:
    parent = Group(tmp_path, 2)
    cage = Cgroups(parent, parent).cage("s", memory_mb=1024, vcpus=1)
    assert cage.folders == [tmp_path / "s"]
    assert cage.command(("serve", "a b"))[2:] == (
        f'echo 0 > {tmp_path}/s/cgroup.procs && exec "$@"',
        "sh",
        "serve",
        "a b",
    )


def test_cpu_is_left_alone_unless_asked_for(tmp_path: Path) -> None:
    parent = Group(tmp_path, 2)
    cage = Cgroups(parent, parent).cage("s", memory_mb=1024, vcpus=None)
    assert cage.cpu is None
    assert Cage().command(("serve",)) == ("serve",)


def test_where_no_group_can_be_made_nothing_is_left(tmp_path: Path) -> None:
    record = tmp_path / "cgroups"
    found = find_cgroups(record, membership="4:memory:/nowhere\n0::/nowhere\n", root=tmp_path)
    assert (found.memory, found.cpu) == (None, None)
    remove_recorded(record)
    assert "looked at every 50 ms" in memory_text(found)
    assert cpu_text(found, wanted=True) == "not limited: no CPU cgroup can be made here"
    assert cpu_text(found, wanted=False).startswith("not limited; `seatrial cloud up --cpu-share`")


def test_one_controllers_failure_leaves_the_others_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 2 has one folder for both."""

    def only_memory(_: Group, controller: str) -> None:
        if controller != "memory":
            raise OSError

    monkeypatch.setattr("seatrial.localcloud.cgroup_search._try_out", only_memory)
    place = group(tmp_path / "own", 2, {"cgroup.procs": ""})
    found = find_cgroups(tmp_path / "record", membership="0::/own\n", root=tmp_path)
    assert found.cpu is None
    assert found.memory is not None
    assert found.memory.folder.parent == place.folder
    assert found.memory.folder.is_dir()


def test_what_is_in_force_is_said(tmp_path: Path) -> None:
    both = Cgroups(Group(tmp_path, 1), Group(tmp_path, 2))
    assert "killed by the kernel (cgroup v1)" in memory_text(both)
    assert cpu_text(both, wanted=True) == "the tier's, in periods of 20 ms (cgroup v2)"


def offered(tmp_path: Path, *, at_root: set[str], in_slice: set[str]) -> Callable[..., None]:
    """Stands for a trial: which controllers a child has, at the root and in the slice."""

    def try_out(made: Group, controller: str) -> None:
        if controller not in (at_root if made.folder.parent == tmp_path else in_slice):
            raise OSError

    return try_out


@pytest.mark.parametrize(
    ("at_root", "in_slice", "memory", "cpu"),
    [
        pytest.param({"memory", "cpu"}, {"memory", "cpu"}, "slice", "slice", id="all"),
        pytest.param({"memory", "cpu"}, {"memory"}, ".", ".", id="together-at-the-root"),
        pytest.param({"cpu"}, {"memory"}, "slice", None, id="apart-is-memory-only"),
        pytest.param(set(), {"cpu"}, None, "slice", id="cpu-only"),
    ],
)
def test_both_caps_of_version_2_are_in_one_place_or_memory_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_root: set[str],
    in_slice: set[str],
    memory: str | None,
    cpu: str | None,
) -> None:
    """As systemd has it: a session in a slice whose children have not every controller."""
    trial = offered(tmp_path, at_root=at_root, in_slice=in_slice)
    monkeypatch.setattr("seatrial.localcloud.cgroup_search._try_out", trial)
    for folder in (tmp_path, tmp_path / "slice"):
        group(folder, 2, {"cgroup.procs": ""})
    found = find_cgroups(tmp_path / "record", membership="0::/slice/session.scope\n", root=tmp_path)
    for place, expected in ((found.memory, memory), (found.cpu, cpu)):
        seen = place and place.folder.parent
        assert seen == (tmp_path / expected if expected else None)


def test_cpu_is_not_looked_for_unless_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = offered(tmp_path, at_root={"memory", "cpu"}, in_slice=set())
    monkeypatch.setattr("seatrial.localcloud.cgroup_search._try_out", trial)
    group(tmp_path, 2, {"cgroup.procs": ""})
    found = find_cgroups(tmp_path / "record", cpu=False, membership="0::/\n", root=tmp_path)
    assert found.memory is not None
    assert found.cpu is None
