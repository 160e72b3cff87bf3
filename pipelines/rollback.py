"""The rollback pipeline: one step, for a model package whose approval is withdrawn."""

from __future__ import annotations

from seatrial.config import Config
from seatrial.pipelines.processing import (
    StepFactory,
    definition_json,
    offline,
    output_path,
    pipeline_session,
)


def rollback_definition(config: Config, *, config_uri: str) -> str:
    """The pipeline's definition as JSON; `config_uri` is the default of the parameter ConfigUri."""
    with offline(config.region):
        session = pipeline_session(config)
        from sagemaker.core.workflow.parameters import ParameterString

        package = ParameterString(name="ModelPackageArn")
        config_parameter = ParameterString(name="ConfigUri", default_value=config_uri)
        make = StepFactory(config.rollback_pipeline, config, config_parameter, session)
        step = make.toolbox_step(
            "RollBack",
            "roll_back",
            arguments=[
                *("--model-package-arn", package),
                *("--output", output_path("rollback")),
            ],
            inputs=[],
            outputs=["rollback"],
            role=config.roles.deploy,
        )
        parameters = [package, config_parameter]
        return definition_json(config.rollback_pipeline, parameters, [step], session)
