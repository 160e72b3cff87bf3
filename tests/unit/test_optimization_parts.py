"""The small parts of optimisation: intervals, columns in files, questions, payloads, options."""

from __future__ import annotations

import errno
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.archives import pack
from seatrial.config import load_config
from seatrial.contracts import InputColumn, ModelSignature, OutputColumn
from seatrial.errors import ConfigError, InputError
from seatrial.optimization import measure_program
from seatrial.optimization.batches import (
    make_payloads,
    read_payloads,
    write_calibration,
    write_payloads,
    write_rows,
)
from seatrial.optimization.columns import write_columns
from seatrial.optimization.comparison import percentile, ratio_estimate
from seatrial.optimization.cpu import this_cpu
from seatrial.optimization.data import ValidationData, spread
from seatrial.optimization.fetching import fetch_model
from seatrial.optimization.given import parse_given
from seatrial.optimization.measure_program import read_columns
from seatrial.optimization.measuring import rotate
from seatrial.optimization.packing import disk_full_is_told
from seatrial.optimization.question import ask, content_sha256, frame_sha256
from seatrial.optimization.recipes.mixed import leave_out, split
from seatrial.optimization.recipes.order import NotApplicable
from seatrial.optimization.serving_python import find_serving_python

SIGNATURE = ModelSignature(
    task="regression",
    model_file="model.onnx",
    inputs=(
        InputColumn(name="origin", type="string", required=False, onnx_input="origin"),
        InputColumn(name="temp", type="double", required=True, onnx_input="temp"),
    ),
    outputs=(OutputColumn(name="prediction", type="double", onnx_output="y"),),
    label=None,
    score="prediction",
    input_example=({"origin": "EWR", "temp": 1.0},),
)
FRAME = pd.DataFrame({"origin": ["EWR", None, "JFK"], "temp": [1.5, np.nan, 3.0]})


# Intervals


def test_a_steady_ratio_has_no_width_and_a_noisy_one_holds_the_truth() -> None:
    random = np.random.default_rng(1)
    steady = ratio_estimate([4.0, 8.0, 6.0], [2.0, 4.0, 3.0])
    assert steady is not None
    assert (steady.low, steady.high) == (pytest.approx(2), pytest.approx(2))
    noisy = ratio_estimate(
        [2 * value for value in random.uniform(0.9, 1.1, 7)], list(random.uniform(0.9, 1.1, 7))
    )
    assert noisy is not None
    assert noisy.low < 2 < noisy.high


def test_one_pair_has_no_interval() -> None:
    assert ratio_estimate([1.0], [2.0]) is None
    assert ratio_estimate([], []) is None


def test_intervals_of_a_ratio_cover_as_often_as_they_say() -> None:
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        base, ours = random.lognormal(0, 0.2, (2, 7))
        found = ratio_estimate(list(1.3 * base), list(ours))
        assert found is not None
        covered += found.low <= 1.3 <= found.high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (75, 3.0), (99, 4.0), (0, 1.0)])
def test_percentiles_are_values_that_occurred(percent: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], percent) == value


def test_every_candidate_comes_first_in_turn() -> None:
    assert [rotate(["a", "b", "c"], repeat)[0] for repeat in range(4)] == ["a", "b", "c", "a"]
    assert rotate([], 3) == []


class SlowModel:
    """Sleeps so long in each call, and counts them."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, 0

    def answer(self, _: Any) -> None:
        self.calls += 1
        time.sleep(self.seconds)


@pytest.mark.parametrize(
    ("call_s", "timed", "made"),
    [(0.0, 400, 402), (0.02, 2, 3), (0.2, 1, 1)],
    ids=["quick", "longer than it may", "ten times longer"],
)
def test_slow_calls_are_timed_less_often(call_s: float, timed: int, made: int) -> None:
    model = SlowModel(call_s)
    seconds = 0.5 if call_s == 0 else 0.01
    found = measure_program.time_calls(model, {"x": np.zeros(3)}, seconds)
    assert (len(found["calls_ms"]), model.calls, found["rows"]) == (timed, made, 3)


@pytest.mark.parametrize(
    ("call_s", "measured", "left_out"),
    [
        pytest.param(math.inf, [1, 10, 20], [], id="compared"),
        pytest.param(0.5, [1, 10], [20], id="one too long"),
        pytest.param(0.01, [1], [10, 20], id="all but the first"),
    ],
)
def test_batches_that_would_take_too_long_are_left_out(
    call_s: float, measured: list[int], left_out: list[int]
) -> None:
    class PerRow:
        def answer(self, columns: Any) -> None:
            time.sleep(0.03 * len(columns["x"]))

    batches = [{"x": np.zeros(rows)} for rows in (1, 10, 20)]
    found = measure_program.time_batches(PerRow(), batches, 0.0001, call_s)
    assert [item["rows"] for item in found["batches"]] == measured
    assert [item["rows"] for item in found["left_out"]] == left_out
    assert all(item["expected_s"] > call_s for item in found["left_out"])


# Columns in files, and batches of them


def test_the_measuring_program_reads_columns_back_without_pickle(
    tmp_path: Path,
) -> None:
    columns = {
        "text": np.array(["a", None, "ä b", ""], dtype=object),
        "number": np.array([1.5, np.nan, -0.0, np.inf]),
        "whole": np.array([1, 2, 3, 2**53 + 1]),
        "flag": np.array([True, False, True, False]),
    }
    path = write_columns(columns, tmp_path / "columns.npz")
    read = read_columns(path)
    assert list(read) == list(columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].dtype.kind == values.dtype.kind


def test_a_batch_for_each_size_once_and_repeated_rows_where_there_are_too_few(
    tmp_path: Path,
) -> None:
    files = write_rows(FRAME, SIGNATURE, [5, 1, 5], tmp_path)
    assert [path.name for path in files.batches] == ["batch-1.json", "batch-5.json"]
    temps = json.loads(files.batches[1].read_text())["temp"]
    np.testing.assert_array_equal(temps, [1.5, np.nan, 3.0, 1.5, np.nan])


def test_rows_that_do_not_fit_the_signature_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no temp among origin"):
        write_rows(FRAME[["origin"]], SIGNATURE, [1], tmp_path)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (FRAME[["origin"]], "does not match the signature: a column is absent, no temp"),
        (FRAME.assign(temp="warm"), "does not match the signature"),
        (FRAME.iloc[:0], "no rows"),
    ],
)
def test_calibration_data_that_does_not_fit_is_a_reason(
    frame: pd.DataFrame, said: str, tmp_path: Path
) -> None:
    answer = write_calibration(frame, SIGNATURE, 10, tmp_path)
    assert isinstance(answer, str)
    assert said in answer


def test_calibration_rows_are_spread_over_the_data(tmp_path: Path) -> None:
    frame = pd.DataFrame({"origin": "EWR", "temp": np.arange(100.0)})
    answer = write_calibration(frame, SIGNATURE, 4, tmp_path)
    assert isinstance(answer, Path)
    assert read_columns(answer)["temp"].tolist() == [0, 25, 50, 75]
    assert spread(3, 10).tolist() == [0, 1, 2]


# Payloads


def test_payloads_are_made_of_the_data_and_read_again(tmp_path: Path) -> None:
    made = make_payloads(FRAME, SIGNATURE)
    assert [(item.name, item.rows) for item in made] == [("one", 1), ("batch", 3)]
    assert made[1].body == "EWR,1.5\n,\nJFK,3.0\n"
    write_payloads(made, tmp_path / "p.jsonl")
    assert read_payloads(tmp_path / "p.jsonl") == made


def test_large_rows_make_a_smaller_batch() -> None:
    frame = pd.DataFrame({"origin": ["x" * 100_000] * 100, "temp": 1.0})
    (_, batch) = make_payloads(frame, SIGNATURE)
    assert 1 < batch.rows < 11


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "no payload"), ('{"name": "a"}\n', "line 1: content_type"), ("{\n", "line 1")],
)
def test_payloads_that_cannot_be_used_are_told(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_payloads(path)


# Labels


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (FRAME, "no labels.*no value of late"),
        (FRAME.assign(late=np.nan), "no labels"),
        (FRAME.iloc[:0], "no rows"),
        (FRAME.assign(late="much"), "not numbers"),
    ],
)
def test_data_without_usable_labels_is_told(frame: pd.DataFrame, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ValidationData("regression", frame, "late").require_labels()


def test_rows_without_a_label_are_left_out_of_the_truth() -> None:
    data = ValidationData("regression", FRAME.assign(late=[1.0, np.nan, 3.0]), "late")
    data.require_labels()
    assert data.truth is not None
    assert data.truth.tolist() == [1.0, 3.0]
    assert ValidationData("regression", FRAME, None).truth is None


# Questions


def test_the_same_question_has_the_same_hash_and_any_change_another(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        (folder / "MLmodel").write_text("x")
    assert ask({"n": 1}, {"model": first}) == ask({"n": 1}, {"model": second})
    assert ask({"n": 1}, {"model": first}) != ask({"n": 2}, {"model": first})
    (second / "MLmodel").write_text("y")
    assert content_sha256(first) != content_sha256(second)


def test_a_frame_is_known_by_its_values_types_and_order() -> None:
    known = frame_sha256(FRAME)
    assert known == frame_sha256(FRAME.copy())
    assert known != frame_sha256(FRAME.iloc[::-1])
    assert known != frame_sha256(FRAME.rename(columns={"temp": "heat"}))
    assert known != frame_sha256(FRAME.assign(temp=FRAME["temp"].astype("float32")))


# Mixed precision


def test_nodes_are_split_into_runs_of_nearly_one_size() -> None:
    nodes = [str(number) for number in range(10)]
    assert split(nodes, 3) == [nodes[:3], nodes[3:7], nodes[7:]]
    assert split(nodes, 99) == [[node] for node in nodes]


def test_the_worst_groups_are_left_out_until_half_the_deviation_is_gone() -> None:
    groups = [["a"], ["b", "c"], ["d"], ["e"]]
    asked: list[list[str]] = []

    def remaining(left_out: Any) -> float:
        asked.append(list(left_out))
        return 0.5 if "d" in left_out else 0.6

    assert leave_out(groups, [0.1, 0.9, 0.8, 0.2], remaining) == ["b", "c", "d"]
    assert asked == [["b", "c"], ["b", "c", "d"]]


def test_deviation_that_is_everywhere_is_not_worth_the_search() -> None:
    with pytest.raises(NotApplicable, match="spread over the graph"):
        leave_out([["a"], ["b"], ["c"]], [1.0, 1.0, 1.0], lambda _: 0.51)


# Options and surroundings


@pytest.mark.parametrize("word", ["x", "=model.onnx", "fp32=m", "../x=m", "neo=m", "a b=m", "x="])
def test_names_that_no_candidate_may_have_are_told(word: str) -> None:
    with pytest.raises(InputError, match="cannot be called that"):
        parse_given([word])


def test_candidates_of_the_user_are_named(tmp_path: Path) -> None:
    assert parse_given([f"pruned={tmp_path}"]) == {"pruned": tmp_path}
    with pytest.raises(InputError, match="there is no candidate pruned"):
        parse_given([f"pruned={tmp_path}/nowhere"])


def test_the_serving_interpreter_is_the_one_that_is_named(tmp_path: Path) -> None:
    given = Path(sys.executable)
    assert find_serving_python({}, given) == given
    assert find_serving_python({"SEATRIAL_SERVING_PYTHON": str(given)}) == given
    with pytest.raises(InputError, match="cannot be run"):
        find_serving_python({"SEATRIAL_SERVING_PYTHON": str(tmp_path / "python")})
    assert find_serving_python({}).exists()


def test_the_cpus_name_and_flags_are_read(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: A CPU @ 2 GHz\nflags\t\t: fpu avx512_vnni avx2 avx2x\n")
    cpu = this_cpu(cpuinfo)
    assert (cpu.name, cpu.flags) == ("A CPU @ 2 GHz", ("avx2", "avx512_vnni"))
    assert this_cpu(tmp_path / "nowhere").flags == ()


def test_a_full_disk_is_told_and_other_errors_are_not_hidden(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"disk is full.*MB left.*TMPDIR"),
        disk_full_is_told(tmp_path / "out"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), disk_full_is_told(tmp_path):
        raise PermissionError(errno.EACCES, "no")


@pytest.mark.parametrize("recipes", [["int8-static"], ["fp32", "fp32"], ["fp32", "int4"]])
def test_recipes_must_have_fp32_and_be_known_once(recipes: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"optimization\.candidates"):
        load_config(None, optimization={"candidates": recipes})


# Where the model is


def test_a_folder_an_onnx_file_and_an_archive_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"x")
    archive = pack(folder, tmp_path / "model.tar.gz")
    assert fetch_model(str(folder), tmp_path / "scratch") == folder
    assert fetch_model(str(folder / "model.onnx"), tmp_path / "scratch") == folder / "model.onnx"
    unpacked = fetch_model(str(archive), tmp_path / "scratch")
    assert (unpacked / "model.onnx").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["nowhere", "nowhere.onnx", "nowhere.tar.gz"])
def test_a_model_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no model"):
        fetch_model(str(tmp_path / name), tmp_path)


class FakeS3:
    """Keys and their content; downloads by boto3's two ways."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def download_file(self, _: str, key: str, filename: str) -> None:
        Path(filename).write_bytes(self.objects[key])

    def get_paginator(self, _: str) -> FakeS3:
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": k} for k in self.objects if k.startswith(request["Prefix"])]}]


def test_models_in_s3_are_fetched_with_what_belongs_to_them(tmp_path: Path) -> None:
    s3 = FakeS3({"m/model.onnx": b"x", "m/signature.json": b"{}"})
    file = fetch_model("s3://bucket/m/model.onnx", tmp_path / "a", s3=s3)
    folder = fetch_model("s3://bucket/m", tmp_path / "b", s3=s3)
    for found in (file.parent, folder):
        assert sorted(item.name for item in found.iterdir()) == ["model.onnx", "signature.json"]


@pytest.mark.parametrize("keys", [[], ["m/../../evil"]], ids=["nothing", "leads out"])
def test_a_prefix_without_a_model_is_told(keys: list[str], tmp_path: Path) -> None:
    s3 = FakeS3(dict.fromkeys(keys, b"x"))
    with pytest.raises(InputError, match="there is no model"):
        fetch_model("s3://bucket/m", tmp_path / "a", s3=s3)
    assert not (tmp_path / "evil").exists()
