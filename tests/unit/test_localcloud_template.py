"""Templates: what is understood comes to what AWS makes of it, all else is refused by name."""

from __future__ import annotations

import pytest

from seatrial.localcloud.api import AwsError, Place
from seatrial.localcloud.stack_kinds import kind_of
from seatrial.localcloud.template import Template, read_template

PLACE = Place("eu-west-1", "http://127.0.0.1:1", "/nowhere")


def template(text: str, **values: str) -> Template:
    head = "Parameters: {Name: {Type: String, Default: it, AllowedPattern: '[a-z]+'}}\n"
    return read_template(head + text, values, PLACE)


def resolved(value: str, **values: str) -> object:
    made = template(
        "Conditions: {Named: !Not [!Equals [!Ref Name, it]]}\n"
        f"Resources: {{A: {{Type: T, Properties: {{P: {value}, Q: 1}}}}}}",
        **values,
    )
    found: dict[str, object] = made.resolve(
        made.wanted()["A"]["Properties"], lambda name, attribute: f"<{name} {attribute}>"
    )
    return found.get("P", "left out")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("!Ref Name", "it"),
        ("{Ref: Name}", "it"),
        ("!Ref Other", "<Other Ref>"),
        ("!GetAtt Other.Arn", "<Other Arn>"),
        (
            '!Sub "${Name}-${AWS::Region}-${Other.Arn}-${!literal}"',
            "it-eu-west-1-<Other Arn>-${!literal}",
        ),
        ("!If [Named, yes-it-is, !Ref AWS::NoValue]", "left out"),
        ('["a", !If [Named, b, !Ref AWS::NoValue]]', ["a"]),
        ("{Fn::If: [Named, b, c]}", "c"),
    ],
)
def test_functions_are_carried_out(value: str, wanted: object) -> None:
    assert resolved(value) == wanted


def test_a_condition_follows_the_parameter() -> None:
    assert resolved("!If [Named, b, c]", Name="other") == "b"


def test_what_others_refer_to_is_made_first() -> None:
    made = template(
        "Resources:\n"
        "  A: {Type: T, Properties: {P: !GetAtt B.Arn}}\n"
        '  B: {Type: T, Properties: {P: !Sub "${C}/x"}}\n'
        "  C: {Type: T}\n"
    )
    assert list(made.wanted()) == ["C", "B", "A"]


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        pytest.param("Resources: {A: {Type: T, Properties: {P: !Join [a, b]}}}", {}, "Fn::Join"),
        pytest.param("Resources: {A: {Type: T}}", {"Name": "X1"}, "Name is 'X1'"),
        pytest.param("Resources: {A: {Type: T}}", {"Nam": "x"}, "no parameter Nam"),
        pytest.param("Nothing: 1", {}, "no Resources"),
        pytest.param("Resources: [", {}, "not YAML"),
        pytest.param(
            "Resources: {A: {P: !Ref B, Type: T}, B: {P: !Ref A, Type: T}}", {}, "circular"
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    text: str, values: dict[str, str], said: str
) -> None:
    with pytest.raises(AwsError, match=f"localcloud: .*{said}"):
        for resource in template(text, **values).wanted().values():
            template(text).resolve(resource, lambda *_: "")


@pytest.mark.parametrize(
    ("kind", "properties", "said"),
    [
        ("AWS::EC2::Instance", {}, "AWS::EC2::Instance is not made"),
        (
            "AWS::SNS::Topic",
            {"TopicName": "t", "FifoTopic": True},
            "AWS::SNS::Topic with FifoTopic",
        ),
    ],
)
def test_only_what_the_foundation_uses_is_made(
    kind: str, properties: dict[str, object], said: str
) -> None:
    with pytest.raises(AwsError, match=f"localcloud: {said}"):
        kind_of(kind, properties)
