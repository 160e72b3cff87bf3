"""The monitoring pipeline: what an endpoint predicted in a window, and what is done about it.

CollectWindow → (CheckQuality, DetectDrift, ScoreLabels side by side) → React.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.config import Config
from seatrial.pipelines.processing import (
    StepFactory,
    definition_json,
    offline,
    output_of,
    output_path,
    pipeline_session,
)

if TYPE_CHECKING:
    from seatrial.pipelines.project_template import TemplatePipeline

NO_LABELS = "none"


def get_pipeline(**kwargs: Any) -> TemplatePipeline:
    """For `run-pipeline` and `get-pipeline-definition`, as AWS's project templates call it."""
    from seatrial.pipelines.project_template import template_pipeline

    return template_pipeline("monitoring", kwargs)


def monitoring_definition(config: Config, *, config_uri: str) -> str:
    """The pipeline's definition as JSON; `config_uri` is the default of the parameter ConfigUri.

    WindowStart and WindowEnd are ISO 8601 times in UTC; from a schedule, its windows
    (`R/2026-11-28T12:00:00Z/PT10080M`) and `latest`, the last that is over. LabelsUri
    is a CSV, JSON Lines or Parquet file in S3, or a folder of them.
    """
    with offline(config.region):
        return _definition(config, config_uri=config_uri)


def _definition(config: Config, *, config_uri: str) -> str:
    session = pipeline_session(config)
    from sagemaker.core.workflow.parameters import ParameterString

    endpoint = ParameterString(name="EndpointName", default_value=config.endpoint.name)
    start, end = ParameterString(name="WindowStart"), ParameterString(name="WindowEnd")
    labels_uri = ParameterString(name="LabelsUri", default_value=NO_LABELS)
    config_parameter = ParameterString(name="ConfigUri", default_value=config_uri)
    make = StepFactory(config.monitoring_pipeline, config, config_parameter, session)

    collect = make.toolbox_step(
        "CollectWindow",
        "collect_window",
        role=config.roles.monitor,
        arguments=[
            *("--endpoint-name", endpoint),
            *("--window-start", start),
            *("--window-end", end),
            *("--output", output_path("window")),
        ],
        inputs=[],
        outputs=["window"],
    )
    window = output_of(collect, "window")

    def check(name: str, module: str, output: str, *more: Any) -> Any:
        return make.toolbox_step(
            name,
            module,
            role=config.roles.monitor,
            arguments=["--window", window.path, "--output", output_path(output), *more],
            inputs=[window],
            outputs=[output],
        )

    quality = check("CheckQuality", "check_quality", "quality")
    drift = check("DetectDrift", "detect_drift", "drift")
    labels = check("ScoreLabels", "score_labels", "labels", "--labels", labels_uri)
    found = {
        "quality": output_of(quality, "quality"),
        "drift": output_of(drift, "drift"),
        "labels": output_of(labels, "labels"),
    }
    react = make.toolbox_step(
        "React",
        "react",
        role=config.roles.react,
        arguments=[
            *("--window", window.path),
            *("--window-start", start),
            *(part for name, folder in found.items() for part in (f"--{name}", folder.path)),
            *("--output", output_path("monitoring")),
        ],
        inputs=[window, *found.values()],
        outputs=["monitoring"],
    )
    return definition_json(
        config.monitoring_pipeline,
        [endpoint, start, end, labels_uri, config_parameter],
        [collect, quality, drift, labels, react],
        session,
    )
