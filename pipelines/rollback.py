"""The rollback pipeline: one step, asked for by a package's rejection or a window's verdict."""

from __future__ import annotations

from seatrial.config import Config
from seatrial.deployment.rollback import NOT_ASKED
from seatrial.pipelines.processing import (
    StepFactory,
    definition_json,
    offline,
    output_path,
    pipeline_session,
)


def rollback_definition(config: Config, *, config_uri: str) -> str:
    """The pipeline's definition as JSON; `config_uri` is the default of the parameter ConfigUri.

    It takes back ModelPackageArn if that is rejected, or EndpointConfigName, which was judged; each
    only if it serves still.
    """
    with offline(config.region):
        session = pipeline_session(config)
        from sagemaker.core.workflow.parameters import ParameterString

        package = ParameterString(name="ModelPackageArn", default_value=NOT_ASKED)
        judged = ParameterString(name="EndpointConfigName", default_value=NOT_ASKED)
        config_parameter = ParameterString(name="ConfigUri", default_value=config_uri)
        make = StepFactory(config.rollback_pipeline, config, config_parameter, session)
        step = make.toolbox_step(
            "RollBack",
            "roll_back",
            arguments=[
                *("--model-package-arn", package),
                *("--endpoint-config-name", judged),
                *("--output", output_path("rollback")),
            ],
            inputs=[],
            outputs=["rollback"],
            role=config.roles.deploy,
        )
        parameters = [package, judged, config_parameter]
        return definition_json(config.rollback_pipeline, parameters, [step], session)
