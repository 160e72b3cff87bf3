"""Get, Std:Join, Std:JsonGet, and the paths in them."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.localcloud.expressions import Scope, Unresolved, referenced_steps, resolve
from seatrial.localcloud.json_paths import PathError, find

JOB = {
    "ProcessingJobName": "job-1",
    "ProcessingOutputConfig": {
        "Outputs": [
            {"OutputName": "a", "S3Output": {"S3Uri": "s3://b/a"}},
            {"OutputName": "out", "S3Output": {"S3Uri": "s3://b/out"}},
        ]
    },
}
VERDICT = {"ready": False, "message": "no", "score": 0.5, "checks": [{"code": "X"}], "none": None}


def scope(**changes: Any) -> Scope:
    values: dict[str, Any] = {
        "parameters": {"Rows": 3, "Share": 0.5, "Fast": True, "Name": "x"},
        "execution": {"PipelineExecutionId": "e1"},
        "steps": {"Judge": JOB, "IsReady": {"Outcome": False}},
        "read_file": lambda step, name: {("Judge", "Verdict"): VERDICT}[step, name],
        "read_uri": lambda uri: {"s3://b/e1/v.json": VERDICT}[uri],
    }
    return Scope(**{**values, **changes})


def get(path: str) -> dict[str, str]:
    return {"Get": path}


def join(on: str, *values: Any) -> dict[str, Any]:
    return {"Std:Join": {"On": on, "Values": list(values)}}


def json_get(path: str) -> dict[str, Any]:
    source = {"Get": "Steps.Judge.PropertyFiles.Verdict"}
    return {"Std:JsonGet": {"PropertyFile": source, "Path": path}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param(get("Parameters.Rows"), 3, id="a parameter keeps its type"),
        pytest.param(get("Execution.PipelineExecutionId"), "e1", id="execution"),
        pytest.param(get("Steps.Judge.ProcessingJobName"), "job-1", id="property"),
        pytest.param(
            get("Steps.Judge.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"),
            "s3://b/out",
            id="output by name",
        ),
        pytest.param(
            get("Steps.Judge.ProcessingOutputConfig.Outputs[0].S3Output.S3Uri"),
            "s3://b/a",
            id="output by number",
        ),
        pytest.param(join("/", "s3://b", get("Execution.PipelineExecutionId")), "s3://b/e1"),
        pytest.param(
            join(" ", get("Parameters.Rows"), get("Parameters.Share"), get("Parameters.Fast")),
            "3 0.5 true",
            id="join writes values as JSON does",
        ),
        pytest.param(join(": ", "is", get("Steps.IsReady.Outcome")), "is: false", id="outcome"),
        pytest.param(json_get("ready"), False, id="JsonGet keeps its type"),
        pytest.param(json_get("$.checks[0].code"), "X", id="JsonGet by path"),
        pytest.param(join("", "<", json_get("message"), ">"), "<no>", id="JsonGet in Join"),
        pytest.param(
            {
                "Std:JsonGet": {
                    "S3Uri": join("/", "s3://b", get("Execution.PipelineExecutionId"), "v.json"),
                    "Path": "score",
                }
            },
            0.5,
            id="JsonGet from S3",
        ),
        pytest.param([{"a": [get("Parameters.Name")]}, 1], [{"a": ["x"]}, 1], id="nested"),
    ],
)
def test_expressions(expression: Any, value: Any) -> None:
    assert resolve(expression, scope()) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param(json_get("redy"), "no 'redy' of 'redy'; there are 'ready'", id="missing"),
        pytest.param(json_get("checks"), "must be text, a number, true or false", id="a list"),
        pytest.param(json_get("none"), "'none' is null", id="null"),
        pytest.param(json_get("checks[7].code"), "there are 1 elements", id="out of range"),
        pytest.param(get("Steps.Judge.ExitMessage"), "no 'ExitMessage'", id="property"),
        pytest.param(get("Execution.ProcessingJobName"), "has no value in this step", id="job"),
    ],
)
def test_what_has_no_value_says_why(expression: Any, message: str) -> None:
    with pytest.raises(Unresolved, match=message):
        resolve(expression, scope())


def test_steps_are_found_wherever_they_are_referenced() -> None:
    arguments = {"a": [join("/", get("Steps.One.X"), json_get("y"))], "b": get("Parameters.Two")}
    assert referenced_steps(arguments) == {"One", "Judge"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", {"b c": [1, {"d.e": 2}]}),
        ("$", {"a": {"b c": [1, {"d.e": 2}]}}),
        ("$.a['b c'][0]", 1),
        ("""a["b c"][1]['d.e']""", 2),
    ],
)
def test_paths(path: str, value: Any) -> None:
    assert find({"a": {"b c": [1, {"d.e": 2}]}}, path) == value


@pytest.mark.parametrize("path", ["a..b", "a[", "a[x]", "a b"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(PathError, match="is not a path"):
        find({"a": {}}, path)
