"""What CreatePipeline takes and refuses."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.definition_rules import accept_definition
from seatrial.localcloud.pipeline_definition import Branch


def job(name: str, **more: Any) -> dict[str, Any]:
    arguments = {
        "AppSpecification": {"ImageUri": "img", "ContainerEntrypoint": ["true"]},
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "out",
                    "S3Output": {"S3Uri": "s3://b/out", "LocalPath": "/opt/ml/processing/out"},
                }
            ]
        },
        **more.pop("arguments", {}),
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments, **more}


def fail(name: str, message: Any = "no") -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}}


def condition(name: str, *, if_steps: Any = (), else_steps: Any = ()) -> dict[str, Any]:
    arguments = {"Conditions": [], "IfSteps": list(if_steps), "ElseSteps": list(else_steps)}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def using(reference: str) -> dict[str, Any]:
    return {"Environment": {"X": {"Get": reference}}}


def accept(*steps: dict[str, Any], parameters: Any = ()) -> Any:
    return accept_definition(json.dumps({"Parameters": list(parameters), "Steps": list(steps)}))


def refused(message: str, *steps: dict[str, Any], parameters: Any = ()) -> None:
    with pytest.raises(AwsError, match=message) as caught:
        accept(*steps, parameters=parameters)
    assert caught.value.code == "ValidationException"


def test_needs_come_from_depends_on_references_and_the_branch() -> None:
    uri = "Steps.A.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"
    late = job("D", DependsOn=["B"], arguments=using(uri))
    definition = accept(job("A"), job("B"), condition("C", if_steps=[late]))
    assert definition.steps["D"].needs == {"A", "B", "C"}
    assert definition.steps["D"].branch == Branch("C", outcome=True)
    assert definition.steps["C"].needs == frozenset()


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", '{"Steps": 1}', '{"Steps": [{}]}', '{"Steps": [1]}']
)
def test_what_is_no_definition_is_refused(text: str) -> None:
    with pytest.raises(AwsError, match="localcloud: the pipeline definition"):
        accept_definition(text)


def test_the_text_may_have_1048576_characters_and_not_one_more() -> None:
    text = json.dumps({"Steps": []})
    full = text + " " * (1_048_576 - len(text))
    assert accept_definition(full).text == full
    with pytest.raises(AwsError, match="1048577 characters; 1 to 1048576 are allowed"):
        accept_definition(full + " ")


def test_steps_may_be_50_with_those_in_branches_and_not_51() -> None:
    some = [job(f"S{number}") for number in range(48)]
    assert len(accept(*some, condition("C", if_steps=[job("X")])).steps) == 50
    both = condition("C", if_steps=[job("X")], else_steps=[fail("Y")])
    refused("51 steps; 50 are allowed", *some, both)


def test_parameters_may_be_200_and_not_201() -> None:
    some = [{"Name": f"P{number}", "Type": "String"} for number in range(201)]
    assert len(accept(parameters=some[:200]).parameters) == 200
    refused("201 parameters; 200 are allowed", parameters=some)


def test_a_step_name_may_have_64_characters_and_not_65() -> None:
    assert accept(job("s" * 64)).steps
    refused("the step name 's+' does not match", job("s" * 65))


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ä"])
def test_odd_step_names_are_refused(name: str) -> None:
    refused("the step name", job(name))


def test_what_localcloud_cannot_run_is_refused_by_name() -> None:
    refused("step 'T' is of type 'Training'", {"Name": "T", "Type": "Training", "Arguments": {}})
    refused("depends on {'Step': 'A'", job("A"), job("B", DependsOn=[{"Step": "A"}]))


def test_names_must_differ_across_branches() -> None:
    refused("2 steps named 'A'", job("A"), condition("C", if_steps=[job("A")]))
    twice = [{"Name": "P", "Type": "String"}] * 2
    refused("2 parameters named 'P'", parameters=twice)


def test_conditions_cannot_be_nested() -> None:
    refused("'D' is inside of condition step 'C'", condition("C", if_steps=[condition("D")]))


def test_nothing_can_depend_on_a_fail_step() -> None:
    refused("A can not depends on F", fail("F"), job("A", DependsOn=["F"]))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("Parameters.Y", "gets Parameters.Y, which is not there; there are X"),
        ("Execution.Y", "gets Execution.Y, which is not there; there are StartDateTime"),
        ("Secrets.Y", "gets Secrets.Y, which is not there; there are Parameters, Execution"),
        ("Steps.Y.ProcessingJobName", "needs step 'Y', which is not there; there are A, B"),
        ("Steps.A.Outputs", "gets Steps.A.Outputs: there is no 'Outputs'"),
        ("Steps.A.ProcessingOutputConfig.Outputs['in'].S3Output.S3Uri", "there is no 'in'"),
        ("Steps.A.PropertyFiles.V", "property file 'V' of 'A', which has none"),
    ],
)
def test_references_must_lead_somewhere(reference: str, message: str) -> None:
    parameter = {"Name": "X", "Type": "String"}
    refused(message, job("A"), job("B", arguments=using(reference)), parameters=[parameter])


def test_known_references_are_taken() -> None:
    file = {"PropertyFileName": "V", "OutputName": "out", "FilePath": "v.json"}
    accept(job("A", PropertyFiles=[file]), job("B", arguments=using("Steps.A.PropertyFiles.V")))
    accept(condition("C"), job("B", arguments=using("Steps.C.Outcome")))
    accept(job("A"), job("B", arguments=using("Steps.A.ProcessingJobArn")))


def test_a_property_file_needs_its_output() -> None:
    file = {"PropertyFileName": "V", "OutputName": "verdict", "FilePath": "v.json"}
    refused("is in output 'verdict'; the step has out", job("A", PropertyFiles=[file]))


def test_circles_are_refused_with_their_steps() -> None:
    circle = [job("A", DependsOn=["B"]), job("B", DependsOn=["A"])]
    refused("wait for each other: (A → B → A|B → A → B)", *circle)


def test_an_error_message_may_have_3072_characters_and_not_one_more() -> None:
    assert accept(fail("F", "m" * 3072)).steps
    refused("3073 characters; 3072 are allowed", fail("F", "m" * 3073))


def test_parameter_types() -> None:
    refused("'X' is of type 'Text'", parameters=[{"Name": "X", "Type": "Text"}])


def test_a_job_is_checked_as_far_as_it_is_known() -> None:
    entry = {"ImageUri": {"Get": "Parameters.I"}, "ContainerEntrypoint": ["x" * 257]}
    parameter = {"Name": "I", "Type": "String"}
    long = job("A", arguments={"AppSpecification": entry})
    refused(r"step 'A': ContainerEntrypoint\[0\] has 257", long, parameters=[parameter])
    short = copy.deepcopy(long)
    short["Arguments"]["AppSpecification"]["ContainerEntrypoint"] = ["x" * 256]
    assert accept(short, parameters=[parameter]).steps


def test_caching_and_retries_are_read() -> None:
    policy = {"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 2, "IntervalSeconds": 3}
    cached = {"Enabled": True, "ExpireAfter": "P1D"}
    step = accept(job("A", CacheConfig=cached, RetryPolicies=[policy])).steps["A"]
    assert step.cache is not None
    assert step.cache.max_age is not None
    assert step.cache.max_age.days == 1
    assert step.retry_policies[0].interval_s == 3
    assert accept(job("A", CacheConfig={"Enabled": False})).steps["A"].cache is None
    refused("'1 day' is not an ISO 8601", job("A", CacheConfig={**cached, "ExpireAfter": "1 day"}))
    both = {**policy, "ExpireAfterMin": 5}
    refused("must have one of MaxAttempts", job("A", RetryPolicies=[both]))
