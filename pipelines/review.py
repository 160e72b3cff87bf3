"""The review pipeline: one step, by itself every so often, on how the endpoint is configured."""

from __future__ import annotations

from seatrial.config import Config
from seatrial.pipelines.processing import (
    StepFactory,
    definition_json,
    offline,
    output_path,
    pipeline_session,
)

STEP, OUTPUT = "ReviewEndpoint", "review"


def review_definition(config: Config, *, config_uri: str) -> str:
    """The pipeline's definition as JSON; `config_uri` is the default of the parameter ConfigUri."""
    with offline(config.region):
        session = pipeline_session(config)
        from sagemaker.core.workflow.parameters import ParameterString

        endpoint = ParameterString(name="EndpointName", default_value=config.endpoint.name)
        config_parameter = ParameterString(name="ConfigUri", default_value=config_uri)
        make = StepFactory(config.review_pipeline, config, config_parameter, session)
        step = make.toolbox_step(
            STEP,
            "review_endpoint",
            arguments=[
                *("--endpoint-name", endpoint),
                *("--output", output_path(OUTPUT)),
                *("--output-uri", make.output_uri(STEP, OUTPUT)),
            ],
            inputs=[],
            outputs=[OUTPUT],
            role=config.roles.review,
        )
        parameters = [endpoint, config_parameter]
        return definition_json(config.review_pipeline, parameters, [step], session)
