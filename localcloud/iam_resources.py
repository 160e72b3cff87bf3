"""The ARNs that IAM compares a call's resources with, by service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seatrial.localcloud.api import Place

Parameters = Mapping[str, Any]

_VERB = re.compile(r"^(Create|Describe|Update|Delete|Stop|Invoke|Start)(\w+)$")
_WORD = re.compile(r"(?<!^)(?=[A-Z])")
# SageMaker calls whose resource is given as an ARN, by the parameter that holds it.
_BY_ARN = {
    "AddTags": "ResourceArn",
    "DeleteTags": "ResourceArn",
    "ListTags": "ResourceArn",
    "DescribeModelPackage": "ModelPackageName",
    "UpdateModelPackage": "ModelPackageArn",
    "DescribePipelineExecution": "PipelineExecutionArn",
    "ListPipelineExecutionSteps": "PipelineExecutionArn",
    "StopPipelineExecution": "PipelineExecutionArn",
}
_OF_PIPELINE = ("StartPipelineExecution", "ListPipelineExecutions")
_ROLE_PARAMETERS = ("ExecutionRoleArn", "RoleArn", "roleArn")


def resources_of(prefix: str, operation: str, parameters: Parameters, place: Place) -> list[str]:
    """The ARNs; `*` where the service knows no resource for the call, or it is not known here."""
    find = _BY_SERVICE.get(prefix)
    return list(find(operation, parameters, place)) if find else ["*"]


def role_passed(prefix: str, parameters: Parameters) -> Iterator[tuple[str, str]]:
    """Each role that the call hands on, with the service that gets it."""
    # EventBridge's targets have one each, Scheduler's one target has one
    given = [parameters, *parameters.get("Targets", ()), parameters.get("Target")]
    for part in given:
        for name in _ROLE_PARAMETERS:
            if isinstance(part, Mapping) and name in part:
                yield part[name], prefix
    destination = parameters.get("ExtendedS3DestinationConfiguration")
    if destination:
        yield destination["RoleARN"], prefix


def _sagemaker(operation: str, parameters: Parameters, place: Place) -> Iterator[str]:
    if operation in _BY_ARN:
        yield parameters[_BY_ARN[operation]]
    elif operation in _OF_PIPELINE:
        name = parameters["PipelineName"]
        yield name if name.startswith("arn:") else place.arn(f"pipeline/{name.lower()}")
    elif operation == "UpdateEndpointWeightsAndCapacities":
        yield place.arn(f"endpoint/{parameters['EndpointName'].lower()}")
    elif found := _VERB.match(operation):
        noun = found[2]
        kind = _WORD.sub("-", noun).lower()
        yield place.arn(f"{kind}/{parameters[f'{noun}Name'].lower()}")
        if operation in ("CreateEndpoint", "UpdateEndpoint"):
            yield place.arn(f"endpoint-config/{parameters['EndpointConfigName'].lower()}")
    else:  # the lists
        yield "*"


def _logs(operation: str, parameters: Parameters, place: Place) -> Iterator[str]:
    if operation == "DescribeLogGroups":
        yield place.arn("log-group:*", service="logs")
        return
    group = f"log-group:{parameters['logGroupName']}"
    stream = parameters.get("logStreamName")
    yield place.arn(f"{group}:log-stream:{stream}" if stream else group, service="logs")


def _ecr(_: str, parameters: Parameters, place: Place) -> Iterator[str]:
    name = parameters.get("repositoryName")
    yield place.arn(f"repository/{name}", service="ecr") if name else "*"


def _firehose(_: str, parameters: Parameters, place: Place) -> Iterator[str]:
    yield place.arn(f"deliverystream/{parameters['DeliveryStreamName']}", service="firehose")


def _events(operation: str, parameters: Parameters, place: Place) -> Iterator[str]:
    if operation == "PutEvents":
        for bus in {item.get("EventBusName", "default") for item in parameters["Entries"]}:
            yield bus if bus.startswith("arn:") else place.arn(f"event-bus/{bus}", service="events")
        return
    name = parameters.get("Name") if operation.endswith("Rule") else parameters.get("Rule")
    yield place.arn(f"rule/{name}", service="events") if name else "*"


def _scheduler(_: str, parameters: Parameters, place: Place) -> Iterator[str]:
    group = parameters.get("GroupName", "default")
    yield place.arn(f"schedule/{group}/{parameters['Name']}", service="scheduler")


def _scaling(operation: str, parameters: Parameters, place: Place) -> Iterator[str]:
    if operation == "ListTagsForResource":
        yield parameters["ResourceARN"]
    elif operation.startswith("Describe"):
        yield "*"
    else:  # targets have ids that nobody knows before
        yield place.arn("scalable-target/*", service="application-autoscaling")


def _cloudwatch(operation: str, parameters: Parameters, place: Place) -> Iterator[str]:
    if operation.endswith(("Alarm", "Alarms")):
        names = parameters.get("AlarmNames") or [parameters.get("AlarmName", "*")]
        for name in names:
            yield place.arn(f"alarm:{name}", service="cloudwatch")
    else:
        yield "*"


def _sns(_: str, parameters: Parameters, __: Place) -> Iterator[str]:
    yield parameters.get("TopicArn", "*")


def _servicequotas(_: str, parameters: Parameters, place: Place) -> Iterator[str]:
    resource = f"{parameters['ServiceCode']}/{parameters.get('QuotaCode', '*')}"
    yield place.arn(resource, service="servicequotas")


_BY_SERVICE: dict[str, Callable[[str, Parameters, Place], Iterator[str]]] = {
    "sagemaker": _sagemaker,
    "logs": _logs,
    "ecr": _ecr,
    "firehose": _firehose,
    "events": _events,
    "scheduler": _scheduler,
    "application-autoscaling": _scaling,
    "cloudwatch": _cloudwatch,
    "sns": _sns,
    "servicequotas": _servicequotas,
}
