"""Optimisation with real children: small networks, each candidate built, measured and judged."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import yaml
from in_process import call_seatrial
from onnx import TensorProto, helper, numpy_helper
from readiness_facts import facts

from seatrial.archives import unpack
from seatrial.config import Config, load_config
from seatrial.contracts import Candidate, Optimization, Profile, Readiness, read_contract
from seatrial.errors import InputError
from seatrial.optimization import building
from seatrial.optimization.children import ChildLimits, Finished
from seatrial.optimization.data import ValidationData
from seatrial.optimization.fresh import FreshLimits, run_fresh
from seatrial.optimization.optimizer import Job, optimize
from seatrial.optimization.serving_python import find_serving_python
from seatrial.optimization.tracking import log_optimization
from seatrial.optimization.trust import Trust
from seatrial.readiness.facts import ArchiveLook, Circumstances
from seatrial.steps.judge_readiness import judge_candidates

pytestmark = pytest.mark.flow

ROWS = 400
WIDTH = 16


def config(**optimization: Any) -> Config:
    """Quick, and without the guards that a network of random weights cannot pass."""
    quick = {
        "repeats": 2,
        "seconds_per_batch": 0.01,
        "bootstrap_resamples": 100,
        "mapped_min_weights_mb": 0,
        "calibration_rows": 64,
        "mixed_max_trials": 4,
    }
    loose = {"max_mean_deviation": 0.1, "min_label_agreement_ratio": 0.8}
    return load_config(
        None,
        optimization={**quick, **optimization},
        guards={"reduced_precision": loose, "max_quality_drop": 0.2},
    )


def weights(name: str, *shape: int) -> Any:
    random = np.random.default_rng(len(name) + sum(shape))
    fan_in = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
    return numpy_helper.from_array(
        (random.normal(size=shape) / np.sqrt(fan_in)).astype(np.float32), name
    )


def classifier(nodes: list[Any], constants: list[Any], shape: list[int]) -> bytes:
    """x (rows, *shape) through the nodes to z (rows, 2), and on to p and label."""
    make = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            *nodes,
            helper.make_node("Softmax", ["z"], ["p"], axis=1),
            helper.make_node("ArgMax", ["p"], ["label"], axis=1, keepdims=0),
        ],
        "test",
        [make("x", TensorProto.FLOAT, [None, *shape])],
        [make("label", TensorProto.INT64, [None]), make("p", TensorProto.FLOAT, [None, 2])],
        constants,
    )
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()
    return content


def perceptron(hidden: int = 600, *, name: str = "w") -> bytes:
    """Two hidden layers: products with constant weights, the last of them as skl2onnx writes it."""
    layers = [(WIDTH, hidden), (hidden, hidden), (hidden, 2)]
    nodes, value = [], "x"
    for number, _ in enumerate(layers):
        if number == len(layers) - 1:
            nodes.append(helper.make_node("Gemm", [value, f"{name}{number}", "bias"], ["z"]))
            break
        nodes.append(helper.make_node("MatMul", [value, f"{name}{number}"], [f"m{number}"]))
        nodes.append(helper.make_node("Relu", [f"m{number}"], [f"r{number}"]))
        value = f"r{number}"
    constants = [weights(f"{name}{number}", *shape) for number, shape in enumerate(layers)]
    return classifier(nodes, [*constants, weights("bias", 1, 2)], [WIDTH])


def convolutions() -> bytes:
    """Two convolutions of an image of 4 × 4 with one channel."""
    nodes = [
        helper.make_node("Conv", ["x", "c0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "c1"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("MatMul", ["e", "w"], ["z"]),
    ]
    constants = [weights("c0", 8, 1, 3, 3), weights("c1", 8, 8, 3, 3), weights("w", 8, 2)]
    return classifier(nodes, constants, [1, 4, 4])


def write_model(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    names = [f"x{number}" for number in range(WIDTH)]
    signature = {
        "task": "binary_classification",
        "model_file": "model.onnx",
        "inputs": [
            {"name": name, "type": "double", "required": True, "onnx_input": "x"} for name in names
        ],
        "outputs": [
            {"name": "label", "type": "long", "onnx_output": "label"},
            {"name": "score", "type": "double", "onnx_output": "p", "index": 1},
        ],
        "label": "label",
        "score": "score",
        "input_example": [dict.fromkeys(names, 0.5)],
    }
    (folder / "signature.json").write_text(json.dumps(signature))
    return folder


def frame() -> pd.DataFrame:
    random = np.random.default_rng(11)
    rows = pd.DataFrame(
        random.normal(size=(ROWS, WIDTH)), columns=[f"x{number}" for number in range(WIDTH)]
    )
    return rows.assign(y=(rows["x0"] + random.normal(size=ROWS) > 0).astype("int64"))


def job(source: Path, **changes: Any) -> Job:
    found = {
        "source": source,
        "validation": ValidationData("binary_classification", frame(), "y"),
        "calibration": frame(),
        "payloads": None,
        "python": find_serving_python({}),
        "given": {},
        "trust": Trust(),
        **changes,
    }
    return Job(**found)


def by_name(found: Optimization) -> dict[str, Candidate]:
    return {item.name: item for item in found.candidates}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "network", perceptron())


@pytest.fixture(scope="module")
def answer(network: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Optimization]:
    output = tmp_path_factory.mktemp("candidates") / "out"
    return output, optimize(job(network), config(), output)


def test_every_recipe_is_built_and_measured(answer: tuple[Path, Optimization]) -> None:
    _, found = answer
    candidates = by_name(found)
    assert next(iter(candidates)) == "fp32"
    for name in ("fp32", "fp32-mapped", "int8-dynamic", "int8-static", "fp16"):
        item = candidates[name]
        assert item.agreement is not None, item.rejection
        assert item.agreement.rows == ROWS
        assert [batch.rows for batch in item.latencies] == [1, 100]
        assert item.start is not None
        assert item.start.cpu_ms > 15  # Python and ONNX Runtime's environment alone take more
        assert item.peak_memory_mb is not None
        assert item.peak_memory_mb > 20
        assert set(item.drops) == set(item.quality) == {"auc", "accuracy", "f1", "brier"}
    for name in ("int8-dynamic", "int8-static"):
        assert 3 < candidates["fp32"].model_size_mb / candidates[name].model_size_mb < 5  # type: ignore[operator]
        assert candidates[name].agreement.mean_deviation > 0  # type: ignore[union-attr]
    assert candidates["fp32"].latencies[0].speedup is None
    assert candidates["int8-dynamic"].latencies[0].speedup is not None


def test_the_exact_forms_predict_as_the_original(answer: tuple[Path, Optimization]) -> None:
    for name in ("fp32", "fp32-mapped"):
        found = by_name(answer[1])[name].agreement
        assert found is not None
        assert found.max_deviation < 1e-5
        assert found.label_agreement_ratio == 1


def test_survivors_are_packed_for_the_server_and_nothing_else_is(
    answer: tuple[Path, Optimization], tmp_path: Path
) -> None:
    from seatrial.serving.model import Model

    output, found = answer
    assert 1 <= len(found.survivors) <= 3
    assert found.survivors[0].name == "fp32"
    packed = {path.parent.name for path in output.glob("*/model.tar.gz")}
    assert packed == {item.name for item in found.survivors}
    for item in found.survivors:
        assert item.archive is not None
        folder = unpack(output / item.archive, tmp_path / item.name, max_mb=100)
        columns = {name: frame()[name].to_numpy() for name in frame() if name != "y"}
        assert len(Model.load(folder).predict(columns)["score"]) == ROWS
    assert len((output / "payloads.jsonl").read_text().splitlines()) == 2


def test_the_answer_says_what_it_was_measured_on(answer: tuple[Path, Optimization]) -> None:
    output, found = answer
    assert read_contract(Optimization, output / "optimization.json") == found
    assert found.cpu
    assert found.reduced_range
    assert found.measured_with is not None
    assert "onnxruntime" in found.measured_with
    assert found.origin is not None
    assert found.origin.flavor == found.flavor == "onnx"


def test_the_same_question_takes_the_first_answer(
    answer: tuple[Path, Optimization], network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, found = answer
    monkeypatch.setattr(building, "run_child", None)  # nothing may be built
    said: list[str] = []
    assert optimize(job(network), config(), output, tell=said.append) == found
    assert said == [f"the same question was answered before: taking the answer in {output}"]


def unmeasured(item: Candidate) -> Any:
    """All that no clock and no other process on the machine has a say in."""
    return item.detail, item.model_size_mb, item.agreement, item.quality, item.drops


def test_two_runs_differ_in_nothing_but_measured_times(
    answer: tuple[Path, Optimization], network: Path, tmp_path: Path
) -> None:
    settings = config(candidates=["fp32", "int8-static", "int8-mixed"])
    first, second = answer[1], optimize(job(network), settings, tmp_path / "out")
    assert second.original_quality == first.original_quality
    for name, again in by_name(second).items():
        once = by_name(first)[name]
        assert unmeasured(again) == unmeasured(once)
        if again.survivor and once.survivor:
            assert again.archive_sha256 == once.archive_sha256


def test_convolutions_take_their_columns_as_an_image(tmp_path: Path) -> None:
    source = write_model(tmp_path / "model", convolutions())
    settings = config(candidates=["fp32", "int8-static", "int8-mixed", "int8-dynamic"])
    found = by_name(optimize(job(source), settings, tmp_path / "out"))
    static = found["int8-static"]
    assert static.agreement is not None, static.rejection
    assert static.agreement.mean_deviation < 0.05
    mixed = found["int8-mixed"]
    said = mixed.detail or mixed.rejection or ""
    assert "static int8 without" in said or "spread over the graph" in said
    if mixed.agreement is not None:
        assert mixed.agreement.mean_deviation < static.agreement.mean_deviation


def test_calibration_data_of_other_columns_costs_only_what_is_calibrated(
    network: Path, tmp_path: Path
) -> None:
    settings = config(candidates=["fp32", "int8-static"])
    found = optimize(
        job(network, calibration=frame().drop(columns="x3")), settings, tmp_path / "out"
    )
    rejected = by_name(found)["int8-static"].rejection
    assert rejected is not None
    assert "does not match the signature: a column is absent, no x3" in rejected
    assert [item.name for item in found.survivors] == ["fp32"]


def test_a_candidate_that_crashes_is_rejected_and_the_rest_goes_on(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_child = building.run_child

    def crashes_on_int8(
        module: str, arguments: Any, *, limits: ChildLimits, scratch: Path
    ) -> Finished:
        if scratch.name == "int8-dynamic":
            return Finished(None, "signal 11", (), 1.0)
        return run_child(module, arguments, limits=limits, scratch=scratch)

    monkeypatch.setattr(building, "run_child", crashes_on_int8)
    settings = config(candidates=["fp32", "int8-dynamic"])
    found = optimize(job(network), settings, tmp_path / "out")
    rejection = by_name(found)["int8-dynamic"].rejection
    assert rejection == "could not be built: it crashed (signal 11)"
    assert [item.name for item in found.survivors] == ["fp32"]
    assert read_contract(Optimization, tmp_path / "out" / "optimization.json") == found


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Finished(None, "time", (), 900.0), "it used more time than it may"),
        (Finished(None, "memory", (), 9.0), "it used more memory than it may"),
        (Finished(1, None, ("ValueError: no such axis",), 1.0), "ValueError: no such axis"),
        (
            Finished(1, None, ("OSError: [Errno 28] No space left on device",), 1.0),
            "the disk is full",
        ),
        (Finished(0, None, (), 1.0), "cannot read Built"),
    ],
    ids=["hang", "memory", "error", "disk full", "no answer"],
)
def test_why_a_candidate_was_not_built_is_told(
    ended: Finished, said: str, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "run_child", lambda *_, **__: ended)
    original = building.Original(network / "model.onnx", network / "signature.json", "no rows")
    found = building.build("fp16", original, config().optimization, tmp_path)
    assert found.folder is None
    assert found.precision == "fp16"
    assert f"could not be built: {said}" in (found.rejection or "")


def test_candidates_of_the_user_go_through_the_same_guards(network: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "other", perceptron(name="another-weight-"))
    (tmp_path / "same.onnx").write_bytes((network / "model.onnx").read_bytes())
    (tmp_path / "broken.onnx").write_bytes(b"not an ONNX file")
    narrow = write_model(tmp_path / "narrow", perceptron())
    signature = json.loads((narrow / "signature.json").read_text())
    signature["outputs"] = signature["outputs"][:1]
    (narrow / "signature.json").write_text(json.dumps(signature))
    renamed = onnx.load_from_string(perceptron())
    renamed.graph.output[1].name = renamed.graph.node[-2].output[0] = "q"
    renamed.graph.node[-1].input[0] = "q"
    onnx.save(renamed, tmp_path / "renamed.onnx")
    given = {
        "same": tmp_path / "same.onnx",
        "other": tmp_path / "other",
        "broken": tmp_path / "broken.onnx",
        "narrow": narrow,
        "renamed": tmp_path / "renamed.onnx",
    }
    found = by_name(
        optimize(job(network, given=given), config(candidates=["fp32"]), tmp_path / "out")
    )
    same, other = found["same"], found["other"]
    assert same.backend == "user"
    assert same.agreement is not None
    assert same.agreement.max_deviation == 0
    assert other.rejection is not None
    assert "from the original is over" in other.rejection
    assert "not to be run" in (found["broken"].rejection or "")
    assert "other outputs than the original's" in (found["narrow"].rejection or "")
    unloadable = found["renamed"].rejection or ""
    assert unloadable.startswith("does not run in the serving environment: StartError")
    assert "signature.json and the model disagree" in unloadable
    assert found["fp32"].survivor


def test_without_labels_agreement_alone_is_judged(network: Path, tmp_path: Path) -> None:
    rows = frame().drop(columns="y")
    found = optimize(
        job(network, validation=ValidationData("binary_classification", rows, None)),
        config(candidates=["fp32"]),
        tmp_path / "out",
    )
    assert found.original_quality == {}
    assert all(item.quality == {} and item.drops == {} for item in found.candidates)
    assert found.survivors[0].name == "fp32"


def test_nothing_is_written_for_a_model_that_cannot_be_used(tmp_path: Path) -> None:
    source = write_model(tmp_path / "model", b"no model")
    with pytest.raises(InputError):
        optimize(job(source), config(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_figures_are_logged_to_mlflow(answer: tuple[Path, Optimization], tmp_path: Path) -> None:
    from mlflow import MlflowClient

    output, found = answer
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    parent = log_optimization(
        found, output / "optimization.json", tracking_uri=uri, experiment="seatrial-optimization"
    )
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("seatrial-optimization")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"optimization", *(item.name for item in found.candidates)}
    assert runs["optimization"].info.run_id == parent
    fp32 = runs["fp32"].data
    assert fp32.tags["mlflow.parentRunId"] == parent
    assert fp32.params["verdict"] == "survives"
    assert fp32.metrics["p50_ms.rows_100"] > 0
    assert fp32.metrics["auc"] == pytest.approx(found.candidates[0].quality["auc"])
    assert [item.path for item in client.list_artifacts(parent)] == ["optimization.json"]


# The command line


QUICK = "optimization: {candidates: [fp32], seconds_per_batch: 0.01}\n"


def seatrial(*words: str, folder: Path, settings: str = QUICK) -> subprocess.CompletedProcess[str]:
    path = folder / "config.yaml"
    path.write_text(settings)
    return call_seatrial("--config", str(path), *words)


def test_the_verb_prints_a_table_and_its_progress(network: Path, tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "v.parquet")
    words = ["optimize", str(network / "model.onnx"), "--data", str(tmp_path / "v.parquet")]
    words += ["--target", "y", "--out", str(tmp_path / "out")]
    ended = seatrial(*words, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "fp32: building" in ended.stderr
    assert "survives" in ended.stdout
    again = seatrial(*words, folder=tmp_path)
    assert again.returncode == 0
    assert "the same question was answered before" in again.stderr
    assert again.stdout == ended.stdout


def test_the_verb_tells_missing_labels_in_one_line(network: Path, tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "v.parquet")
    ended = seatrial(
        *("optimize", str(network), "--data", str(tmp_path / "v.parquet")),
        *("--target", "z", "--out", str(tmp_path / "out")),
        folder=tmp_path,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "no labels" in ended.stderr


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """Boosted trees as MLflow keeps them."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = frame()
    inputs = rows.drop(columns="y")
    model = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(inputs, rows["y"])
    mlflow.sklearn.save_model(
        model,
        tmp_path / "trees",
        signature=infer_signature(inputs, model.predict(inputs)),
        input_example=inputs.head(2),
        pip_requirements=[],
        skops_trusted_types=[
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "numpy.dtype",
        ],
    )
    return tmp_path / "trees"


def test_trees_have_nothing_to_quantise_and_no_survivor_is_a_verdict_against(
    trees: Path, tmp_path: Path
) -> None:
    frame().to_parquet(tmp_path / "v.parquet")
    ended = seatrial(
        *("optimize", str(trees), "--data", str(tmp_path / "v.parquet")),
        *("--target", "y", "--out", str(tmp_path / "out")),
        folder=tmp_path,
        settings="optimization: {candidates: [fp32, int8-static, fp16], seconds_per_batch: 0.01}\n"
        "guards: {max_mean_deviation: 0}\n",
    )
    assert ended.returncode == 1, ended.stderr
    assert "int8-static: not applicable: no Conv or MatMul or Gemm with constant" in ended.stdout
    assert "fp16: not applicable: no operator with constant weights" in ended.stdout
    found = read_contract(Optimization, tmp_path / "out" / "optimization.json")
    assert found.survivors == ()
    assert "from the original is over 0" in (found.candidates[0].rejection or "")
    assert found.candidates[0].archive == "fp32/model.tar.gz", "the baseline is made with it"


# Fresh processes


def program(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", None),
        ("import time; time.sleep(60)", "it hung: no end within 1 s"),
        ("import os; os.kill(os.getpid(), 11)", "it crashed (signal 11)"),
        ("raise SystemExit('no such model')", "no such model"),
        ("raise SystemExit(3)", "it ended with code 3"),
        ("x = bytearray(6 * 2**30)", "MemoryError"),
    ],
    ids=["ends", "hangs", "crashes", "explains", "is silent", "needs too much memory"],
)
def test_why_a_fresh_process_failed_is_told(text: str, said: str | None, tmp_path: Path) -> None:
    failure = run_fresh(
        Path(sys.executable), program(tmp_path, text), [], FreshLimits(seconds=1, memory_mb=512)
    )
    assert failure == said


# ---- on to the gate: the survivors, profiled and judged as a person would


@pytest.fixture(scope="module")
def profiled(
    answer: tuple[Path, Optimization], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The configuration, and a folder with the candidates and their profile."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "candidates").symlink_to(answer[0])
    quick = {"cold_start_repeats": 1, "requests_per_payload": 5}
    guards = config().guards.model_dump(mode="json")
    path = folder / "quick.yaml"
    path.write_text(yaml.safe_dump({"profile": quick, "guards": guards}))
    ended = call_seatrial(
        *("--config", str(path), "profile", "--candidates", str(folder / "candidates")),
        *("--out", str(folder / "profile"), "--python", str(find_serving_python({}))),
    )
    assert ended.returncode == 0, ended.stderr
    return path, folder


def test_the_gate_chooses_among_the_survivors(
    profiled: tuple[Path, Path], answer: tuple[Path, Optimization]
) -> None:
    path, folder = profiled
    ended = call_seatrial("--config", str(path), "--json", "judge", str(folder))
    assert ended.returncode == 1, ended.stderr  # nothing watches it yet
    found = Readiness.model_validate_json(ended.stdout)
    survivors = {item.name for item in answer[1].survivors}
    assert {item.candidate for item in found.choices} == survivors
    assert [item.chosen for item in found.choices].count(True) == 1
    assert {item.code for item in found.checks if item.status == "fail"} == {"MONITORING_PLAN"}
    safe = next(item for item in found.checks if item.code == "UNSAFE_ARTIFACT")
    assert (safe.status, safe.detail) == ("pass", "plain files, no pickle")
    assert found.recommended is not None
    # which tier is cheapest hangs on what a share of this machine's CPU does to it
    [taken] = [item for item in found.configurations if item.chosen]
    assert found.recommended.memory_size_mb == taken.memory_size_mb
    assert taken.memory_size_mb in (1024, 2048)
    assert found.traffic is not None
    assert {item.to for item in found.traffic.crossovers} <= {"real time"}
    assert found.traffic.curve


def test_the_gate_says_why_and_draws_a_report(profiled: tuple[Path, Path]) -> None:
    path, folder = profiled
    ended = call_seatrial(
        "--config", str(path), "judge", str(folder), "--out", str(folder / "told")
    )
    assert ended.returncode == 1, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    codes = [words[1] for words in lines if words[:1] == ["fail"] and len(words) > 1]
    assert codes == ["MONITORING_PLAN"]
    assert "missing: a baseline with drift bounds" in ended.stdout
    assert re.search(r"recommended: (1024|2048) MB, 5 at once, \$", ended.stdout)
    page = (folder / "told" / "report.html").read_text(encoding="utf-8")
    assert "Not ready" in page
    assert page.count("<svg") == 5
    assert {path.name for path in (folder / "told").iterdir()} == {
        "config.yaml",
        "readiness.json",
        "report.html",
        "verdict.json",
    }


BRIEF = {
    "requests_per_payload": 20,
    "growth_requests": 0,
    "scaled_requests": 0,
    "tier_requests": 0,
}


def pruned(hidden: int, live: int) -> tuple[bytes, bytes]:
    """A network of which most hidden units are dead, and the same without those.

    It predicts the same with a thousandth of the work, on whatever machine.
    """
    small = onnx.load_from_string(perceptron(live))
    shapes = {"w0": (WIDTH, hidden), "w1": (hidden, hidden), "w2": (hidden, 2), "bias": (1, 2)}
    large = onnx.ModelProto()
    large.CopyFrom(small)
    for tensor in large.graph.initializer:
        kept = numpy_helper.to_array(tensor)
        padded = np.zeros(shapes[tensor.name], dtype=np.float32)
        padded[: kept.shape[0], : kept.shape[1]] = kept
        tensor.CopyFrom(numpy_helper.from_array(padded, tensor.name))
    return large.SerializeToString(), small.SerializeToString()


def test_two_real_survivors_are_profiled_and_the_better_one_is_chosen(tmp_path: Path) -> None:
    large, small = pruned(hidden=1500, live=40)
    given = {"pruned": write_model(tmp_path / "pruned", small)}
    told = optimize(
        job(write_model(tmp_path / "large", large), given=given),
        config(candidates=["fp32"]),
        tmp_path / "candidates",
    )
    assert [item.name for item in told.survivors] == ["fp32", "pruned"]

    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump({"profile": {**BRIEF, "cold_start_repeats": 1}}))
    ended = call_seatrial(
        *("--config", str(path), "profile", "--candidates", str(tmp_path / "candidates")),
        *("--out", str(tmp_path / "profile"), "--python", str(find_serving_python({}))),
    )
    assert ended.returncode == 0, ended.stderr
    found = judge_candidates(
        read_contract(Optimization, tmp_path / "candidates" / "optimization.json"),
        read_contract(Profile, tmp_path / "profile" / "profile.json"),
        Circumstances(
            **{field.name: getattr(facts(), field.name) for field in fields(Circumstances)}
        ),
        {name: ArchiveLook(None, ()) for name in ("fp32", "pruned")},
    )
    fp32, ours = found.choices
    assert (fp32.candidate, ours.candidate) == ("fp32", "pruned")
    assert fp32.ready, [item for item in found.checks if item.status == "fail"]
    assert (found.ready, found.candidate) == (True, "pruned")
    assert (fp32.chosen, ours.chosen) == (False, True)
    assert ours.usd_per_million_requests < fp32.usd_per_million_requests  # type: ignore[operator]
    assert ours.peak_memory_mb < fp32.peak_memory_mb  # type: ignore[operator]
    assert fp32.reason.endswith("over pruned's")
