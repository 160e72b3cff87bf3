"""Our pipelines as the modules of AWS's SageMaker project templates: `get_pipeline(**kwargs)`.

Those templates' buildspec passes the keyword arguments below. `default_bucket`, `role` and the like
are laid over the configuration; the project's own name and ARN are known and not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seatrial.aws import client
from seatrial.config import Config, load_config
from seatrial.errors import InputError
from seatrial.pipelines.execution import start
from seatrial.pipelines.monitoring import monitoring_definition
from seatrial.pipelines.readiness import readiness_definition
from seatrial.pipelines.upsert import (
    config_uri,
    profiler_uri,
    upload_referenced,
    upsert_pipeline,
)

Which = Literal["readiness", "monitoring"]
# The templates know one role for all steps.
STEP_ROLES = ("measure", "deploy", "arm", "monitor", "react")
# Keyword arguments of the templates, and the configuration's names for them.
OVERRIDES = {
    "region": ("region",),
    "default_bucket": ("bucket",),
    "model_package_group_name": ("model_package_group",),
    "role": ("roles", *STEP_ROLES),
}
IGNORED = ("base_job_prefix", "sagemaker_project_arn", "sagemaker_project_name")
OURS = ("config", "pipeline_name")


@dataclass(frozen=True)
class Started:
    """An execution that was started."""

    arn: str


@dataclass(frozen=True)
class TemplatePipeline:
    """What the templates' scripts take: the part of the SDK's Pipeline that they use."""

    name: str
    which: Which
    config: Config

    def definition(self) -> str:
        """The definition as JSON; asks AWS nothing."""
        config = self.config
        if self.which == "monitoring":
            return monitoring_definition(config, config_uri=config_uri(config))
        return readiness_definition(
            config, config_uri=config_uri(config), profiler_uri=profiler_uri(config)
        )

    def upsert(
        self, role_arn: str, description: str | None, tags: Sequence[dict[str, str]]
    ) -> dict[str, Any]:
        """Upload what the definition refers to; then create the pipeline, or update it."""
        sagemaker = self._client("sagemaker")
        upload_referenced(self.config, self._client("s3"))
        arn = upsert_pipeline(
            {
                "PipelineName": self.name,
                "PipelineDefinition": self.definition(),
                "RoleArn": role_arn,
                **({"PipelineDescription": description} if description else {}),
            },
            sagemaker,
            tags=tags,
        )
        return {"PipelineArn": arn}

    def start(self, parameters: dict[str, str]) -> Started:
        """Start an execution."""
        return Started(start(self.name, parameters, self._client("sagemaker")))

    def _client(self, service: str) -> Any:
        return client(service, region=self.config.region)


def template_pipeline(which: Which, kwargs: dict[str, Any]) -> TemplatePipeline:
    """The pipeline; InputError for a keyword argument that the templates do not have either.

    `config` is the path of a YAML file, as after `seatrial --config`.
    """
    known = (*OURS, *OVERRIDES, *IGNORED)
    unknown = [name for name in kwargs if name not in known]
    if unknown:
        raise InputError(
            "the pipeline does not take that keyword argument",
            got=", ".join(unknown),
            allowed=", ".join(known),
            do="Correct --kwargs; everything else is in the file that `config` names",
        )
    overrides: dict[str, Any] = {}
    for name, (section, *keys) in OVERRIDES.items():
        if name in kwargs:
            overrides[section] = dict.fromkeys(keys, kwargs[name]) if keys else kwargs[name]
    path = kwargs.get("config")
    config = load_config(Path(path) if path else None, **overrides)
    default = config.readiness_pipeline if which == "readiness" else config.monitoring_pipeline
    return TemplatePipeline(kwargs.get("pipeline_name", default), which, config)
