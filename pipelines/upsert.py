"""Make the pipelines and the approval rule in the account, or bring them up to date.

What a definition refers to is uploaded first and addressed by content, so an execution that is
running is never changed underneath.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seatrial.aws import S3, explained
from seatrial.config import Config
from seatrial.pipelines.monitoring import monitoring_definition
from seatrial.pipelines.readiness import readiness_definition
from seatrial.pipelines.review import review_definition
from seatrial.pipelines.rollback import rollback_definition


@dataclass(frozen=True)
class Definitions:
    """Both definitions as JSON."""

    readiness: str
    monitoring: str


@dataclass(frozen=True)
class Upserted:
    """What is there now."""

    pipeline_arns: dict[str, str]
    rule_name: str
    definitions: Definitions


def make_definitions(config: Config, *, config_uri: str, profiler_uri: str) -> Definitions:
    """Both pipelines, as AWS and localcloud run them."""
    return Definitions(
        readiness=readiness_definition(config, config_uri=config_uri, profiler_uri=profiler_uri),
        monitoring=monitoring_definition(config, config_uri=config_uri),
    )


def config_uri(config: Config) -> str:
    """Where the resolved configuration is in S3."""
    return f"s3://{config.bucket}/config/{config.sha256}/config.yaml"


def profiler_uri(config: Config) -> str:
    """Where profile_model.py, the one file that runs in the serving image, is in S3."""
    from seatrial.aws import sha256_of

    with _profiler() as path:
        return f"s3://{config.bucket}/code/{sha256_of(path)}/{path.name}"


def _profiler() -> Any:
    return as_file(files("seatrial.steps") / "profile_model.py")


def upsert(config: Config, *, clients: dict[str, Any]) -> Upserted:
    """Upload configuration and code, then create or update the pipelines and the rule.

    `clients` are boto3's for s3, sagemaker and events.
    """
    sagemaker = clients["sagemaker"]
    upload_referenced(config, clients["s3"])
    definitions = make_definitions(
        config, config_uri=config_uri(config), profiler_uri=profiler_uri(config)
    )
    wanted = {
        config.readiness_pipeline: definitions.readiness,
        config.monitoring_pipeline: definitions.monitoring,
    }
    uri = config_uri(config)
    if config.rolls_back:
        wanted[config.rollback_pipeline] = rollback_definition(config, config_uri=uri)
    if config.review.every_days is not None:
        wanted[config.review_pipeline] = review_definition(config, config_uri=uri)
    arns = {
        name: upsert_pipeline(
            {
                "PipelineName": name,
                "PipelineDefinition": definition,
                "RoleArn": config.roles.pipeline,
            },
            sagemaker,
        )
        for name, definition in wanted.items()
    }
    rules = _rules(config)
    for rule in rules:
        _upsert_rule(rule, arns[rule.pipeline], config, clients["events"])
    return Upserted(arns, rules[0].name, definitions)


@dataclass(frozen=True)
class _Rule:
    """Which change of a package's approval starts which pipeline, with what of the event."""

    name: str
    status: str
    pipeline: str
    parameters: dict[str, str]


def _rules(config: Config) -> list[_Rule]:
    package = {"ModelPackageArn": "$.detail.ModelPackageArn"}
    approval = {**package, "ApprovedAt": "$.time"}
    rules = [_Rule(f"{config.project}-approval", "Approved", config.readiness_pipeline, approval)]
    if config.deployment.on_rejection == "roll_back":
        name = f"{config.project}-rejection"
        rules.append(_Rule(name, "Rejected", config.rollback_pipeline, package))
    return rules


def _upsert_rule(rule: _Rule, pipeline_arn: str, config: Config, events: Any) -> None:
    parameters = [{"Name": name, "Value": value} for name, value in rule.parameters.items()]
    target = {
        "Id": rule.pipeline,
        "Arn": pipeline_arn,
        "RoleArn": config.roles.events,
        "DeadLetterConfig": {"Arn": config.dead_letter_queue_arn},
        "SageMakerPipelineParameters": {"PipelineParameterList": parameters},
    }
    pattern = approval_pattern(config.model_package_group, status=rule.status)
    with explained(
        f"the rule {rule.name}", do="Check the events:PutRule and PutTargets permissions"
    ):
        events.put_rule(
            Name=rule.name,
            EventPattern=json.dumps(pattern),
            State="ENABLED",
            Description=f"A model package that is {rule.status} starts {rule.pipeline}",
        )
        events.put_targets(Rule=rule.name, Targets=[target])


def upload_referenced(config: Config, s3: Any) -> None:
    """Upload what the definitions refer to: the configuration and the profiler's code."""
    store = S3(s3)
    with TemporaryDirectory() as scratch:
        resolved = Path(scratch) / "config.yaml"
        resolved.write_text(config.to_yaml(), encoding="utf-8")
        store.upload(resolved, config_uri(config))
    with _profiler() as path:
        store.upload(path, profiler_uri(config))


def approval_pattern(group: str, *, status: str = "Approved") -> dict[str, Any]:
    """Events of approvals in that group; edits of an approved package's metadata are left out."""
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": [group],
            "ModelApprovalStatus": [status],
            "UpdatedModelPackageFields": ["ModelApprovalStatus"],
        },
    }


def upsert_pipeline(
    parameters: dict[str, Any], sagemaker: Any, *, tags: Sequence[dict[str, str]] = ()
) -> str:
    """Create the pipeline, or update it if there is one of that name, and return its ARN.

    `parameters` are CreatePipeline's and UpdatePipeline's alike.
    """
    from botocore.exceptions import ClientError

    name = parameters["PipelineName"]
    tagged = {"Tags": list(tags)} if tags else {}
    with explained(f"the pipeline {name}", do="Check the definition and the role's permissions"):
        try:
            sagemaker.describe_pipeline(PipelineName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFound":
                raise
            return str(sagemaker.create_pipeline(**parameters, **tagged)["PipelineArn"])
        arn = str(sagemaker.update_pipeline(**parameters)["PipelineArn"])
        if tags:
            sagemaker.add_tags(ResourceArn=arn, **tagged)
        return arn
