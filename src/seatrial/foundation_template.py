"""infra/foundation.yaml with the values that follow from the configuration."""

from __future__ import annotations

import re
from importlib.resources import files

from seatrial.config import Config
from seatrial.errors import ConfigError

# CreateChangeSet's limit on TemplateBody: docs.aws.amazon.com/AWSCloudFormation, "quotas".
MAX_TEMPLATE_BYTES = 51_200


def stack_name(config: Config) -> str:
    """The stack's name."""
    return f"{config.project}-foundation"


def parameters(config: Config) -> dict[str, str]:
    """The template's parameters; ConfigError for an image that is not in the account's registry."""
    return {
        "ProjectName": config.project,
        "EndpointName": config.endpoint.name,
        "ModelPackageGroup": config.model_package_group,
        "BucketName": config.bucket,
        "ToolboxRepository": _repository("toolbox", config.images.toolbox, config),
        "ServingRepository": _repository("serving", config.images.serving, config),
        "KmsKeyArn": config.foundation.kms_key_arn or "",
        "RetrainingPipeline": config.reactions.retraining_pipeline or "",
        "VerdictsRollBack": "yes" if config.reactions.wants("rollback") else "no",
        "SourceLocation": config.foundation.source_location or "",
    }


def render(config: Config) -> str:
    """The template with the parameters' values as its defaults: all that a stack needs."""
    text = (files("seatrial.infra") / "foundation.yaml").read_text(encoding="utf-8")
    for name, value in parameters(config).items():
        _check(name, value, text)
        block = re.compile(rf"(^  {name}:\n    Type: String\n)(    Default: .*\n)?", re.MULTILINE)
        text = block.sub(rf'\g<1>    Default: "{value}"\n', text, count=1)
    return text


def _repository(name: str, image: str, config: Config) -> str:
    registry = f"{config.account}.dkr.ecr.{config.region}.amazonaws.com/"
    if not image.startswith(registry):
        raise ConfigError(
            f"images.{name} is not in the account's registry",
            got=image,
            allowed=f"{registry}…, where the stack makes its repository",
            do="Set account and region, and images.* to null or to such a name",
        )
    return re.split("[:@]", image.removeprefix(registry))[0]


def _check(name: str, value: str, text: str) -> None:
    """ConfigError for a value that the template's AllowedPattern would refuse."""
    block = re.search(rf"^  {name}:\n((?:    .*\n)+)", text, re.MULTILINE)
    pattern = block and re.search(r'AllowedPattern: "(.*)"', block[1])
    if pattern and not re.fullmatch(pattern[1], value):
        raise ConfigError(
            f"the foundation's {name} cannot be used",
            got=value,
            allowed=pattern[1],
            do="Choose names in lower case: SageMaker's ARNs are, and roles are scoped by them",
        )
