"""Which candidates go on: fp32 first, then what serverless bills least for."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from seatrial.archives import pack
from seatrial.contracts import BatchLatency, Candidate, Estimate, Start
from seatrial.optimization import packing
from seatrial.optimization.packing import pack_survivors
from seatrial.optimization.selection import select, slower

RULES = {"max_survivors": 3, "min_gain_ratio": 0.05}


def speed(value: float, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(value=value, low=low or value * 0.99, high=high or value * 1.01)


START = Start(
    import_ms=1, load_ms=1, first_prediction_ms=1, cpu_ms=100, repeats=7, speedup=speed(1.0)
)


def candidate(name: str, cpu_ms: float, **changes: Any) -> Candidate:
    """One with a batch of one row, as many times faster than fp32 as its CPU time says."""
    faster = speed(10 / cpu_ms)
    return Candidate(
        **{
            "name": name,
            "backend": "onnxruntime",
            "precision": "fp32" if name.startswith("fp32") else "int8",
            "graph_optimization": "extended",
            "archive": None,
            "archive_sha256": None,
            "archive_size_mb": None,
            "model_size_mb": 40.0,
            "start": START,
            "latencies": (
                BatchLatency(
                    rows=1, p50_ms=cpu_ms, p99_ms=cpu_ms, cpu_ms=cpu_ms, calls=9, speedup=faster
                ),
            ),
            "peak_memory_mb": 100.0,
            "agreement": None,
            "quality": {},
            "rejection": None,
            **changes,
        }
    )


BASE = candidate("fp32", 10)


def chosen(*candidates: Candidate) -> list[str]:
    return [item.name for item in select(candidates, **RULES) if item.survivor]  # type: ignore[arg-type]


def passed_over(name: str, *candidates: Candidate) -> str:
    found = {item.name: item.passed_over for item in select(candidates, **RULES)}  # type: ignore[arg-type]
    return found[name] or ""


def test_fp32_goes_on_with_the_two_cheapest() -> None:
    others = [candidate("a", 5), candidate("b", 2), candidate("c", 4)]
    assert chosen(BASE, *others) == ["fp32", "b", "c"]
    assert "b, c cost less time and memory; 3 go on at most" in passed_over("a", BASE, *others)


def test_without_fp32_three_others_go_on() -> None:
    rejected = BASE.model_copy(update={"rejection": "auc goes"})
    others = [candidate(name, cpu) for name, cpu in (("a", 5), ("b", 2), ("c", 4), ("d", 6))]
    assert chosen(rejected, *others) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("changes", "survives"),
    [
        pytest.param({}, False, id="the same in everything"),
        pytest.param({"peak_memory_mb": 95.3}, False, id="under 5 % less memory"),
        pytest.param({"peak_memory_mb": 95.0}, True, id="5 % less memory"),
        pytest.param({"model_size_mb": 20.0}, True, id="half the size"),
        pytest.param({"start": START.model_copy(update={"speedup": speed(1.2)})}, True, id="start"),
    ],
)
def test_what_gains_nothing_is_passed_over(changes: dict[str, Any], survives: bool) -> None:
    other = candidate("int8", 10, **changes)
    assert chosen(BASE, other) == (["fp32", "int8"] if survives else ["fp32"])
    if not survives:
        assert "gains nothing over fp32" in passed_over("int8", BASE, other)


def test_a_gain_must_be_surer_than_its_noise() -> None:
    noisy = candidate("int8", 10)
    batch = noisy.latencies[0].model_copy(update={"speedup": speed(1.5, 0.9, 2.5)})
    assert chosen(BASE, noisy.model_copy(update={"latencies": (batch,)})) == ["fp32"]


@pytest.mark.parametrize(
    ("value", "survives"),
    [
        pytest.param(0.96, True, id="under 5 % slower"),
        pytest.param(0.95, False, id="over 5 % slower"),
        pytest.param(0.83, False, id="much slower"),
    ],
)
def test_what_looks_slower_is_passed_over_whatever_else_it_gains(
    value: float, survives: bool
) -> None:
    gaining = candidate(
        "int8",
        10,
        model_size_mb=10.0,
        start=START.model_copy(update={"speedup": speed(1.5)}),
    )
    batch = gaining.latencies[0].model_copy(update={"speedup": speed(value, 0.5, 1.6)})
    unsure = gaining.model_copy(update={"latencies": (batch,)})
    assert chosen(BASE, unsure) == (["fp32", "int8"] if survives else ["fp32"])
    if not survives:
        assert "perhaps slower than fp32 at 1 row a call" in passed_over("int8", BASE, unsure)


def test_small_files_do_not_gain_by_their_size() -> None:
    base = BASE.model_copy(update={"model_size_mb": 1.9})
    assert chosen(base, candidate("int8", 10, model_size_mb=0.95)) == ["fp32"]


@pytest.mark.parametrize(
    ("high", "is_slower"),
    [
        pytest.param(0.99, True, id="surely"),
        pytest.param(1.0, False, id="perhaps as fast"),
        pytest.param(1.1, False, id="not sure"),
    ],
)
def test_slower_is_judged_by_the_interval(high: float, is_slower: bool) -> None:
    fast = candidate("int8", 5)
    slow = fast.latencies[0].model_copy(update={"rows": 900, "speedup": speed(0.9, 0.8, high)})
    reason = slower(fast.model_copy(update={"latencies": (*fast.latencies, slow)}))
    assert (reason is not None) is is_slower
    if reason is not None:
        assert "slower than fp32 at 900 rows a call: 0.90 times" in reason


def test_rejected_candidates_keep_their_reason_and_take_no_place() -> None:
    rejected = candidate("int8", 1, rejection="auc goes")
    found = select((BASE, rejected), max_survivors=3, min_gain_ratio=0.05)
    assert [item.survivor for item in found] == [True, False]
    assert found[1].passed_over is None


def test_there_is_a_folder_for_the_reasons_although_nothing_could_be_built(tmp_path: Path) -> None:
    broken = candidate("fp32", 1.0, rejection="could not be built")
    assert pack_survivors([broken], {}, tmp_path / "new" / "candidates") == (broken,)
    assert (tmp_path / "new" / "candidates").is_dir()


def test_a_full_disk_costs_the_candidate_that_met_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {name: tmp_path / "built" / name for name in ("fp32", "int8-dynamic")}
    for folder in folders.values():
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(b"a model")

    def full(folder: Path, archive: Path) -> Path:
        if archive.parent.name != "fp32":
            archive.parent.mkdir(parents=True)
            raise OSError(errno.ENOSPC, "No space left on device")
        return pack(folder, archive)

    monkeypatch.setattr(packing, "pack", full)
    drafts = [candidate("fp32", 10), candidate("int8-dynamic", 5)]
    kept, lost = pack_survivors(drafts, folders, tmp_path / "out")
    assert kept.archive == "fp32/model.tar.gz"
    assert not (tmp_path / "out" / "int8-dynamic").exists()
    assert lost.rejection == "could not be packed: the disk is full (No space left on device)"
    assert not lost.survivor
