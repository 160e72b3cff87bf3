"""The readiness pipeline: from an approved model package to a watched endpoint.

OptimizeModel → (ProfileModel beside BuildBaseline) → JudgeReadiness → ready?
→ DeployEndpoint → ArmMonitoring, else Fail.
"""

from __future__ import annotations

import shlex

from seatrial.config import Config
from seatrial.deployment.approval import BY_HAND
from seatrial.limits import load_limits
from seatrial.pipelines.processing import (
    Folder,
    StepFactory,
    definition_json,
    offline,
    output_of,
    output_path,
    pipeline_session,
)

# The step that ends an execution whose model is not ready.
NOT_READY = "NotReady"


def readiness_definition(config: Config, *, config_uri: str, profiler_uri: str) -> str:
    """The pipeline's definition as JSON.

    `config_uri` is the default of the parameter ConfigUri, `profiler_uri` is profile_model.py in
    S3.
    """
    with offline(config.region):
        return _definition(config, config_uri=config_uri, profiler_uri=profiler_uri)


def _definition(config: Config, *, config_uri: str, profiler_uri: str) -> str:
    session = pipeline_session(config)
    from sagemaker.core.workflow.conditions import ConditionEquals
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import JsonGet
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep

    package = ParameterString(name="ModelPackageArn")
    # The approval event's time; whoever starts it by hand means now.
    approved_at = ParameterString(name="ApprovedAt", default_value=BY_HAND)
    config_parameter = ParameterString(name="ConfigUri", default_value=config_uri)
    make = StepFactory(config.readiness_pipeline, config, config_parameter, session)

    optimize = make.toolbox_step(
        "OptimizeModel",
        "optimize_model",
        arguments=[
            *("--model-package-arn", package),
            *("--candidates", output_path("candidates")),
            *("--data", output_path("data")),
        ],
        inputs=[],
        outputs=["candidates", "data"],
        cached=True,
    )
    candidates, data = output_of(optimize, "candidates"), output_of(optimize, "data")
    code = Folder("code", profiler_uri)
    profile = make.step(
        "ProfileModel",
        image=config.images.serving,
        entrypoint=["python3", f"{code.path}/profile_model.py"],
        arguments=[
            *("--candidates", candidates.path),
            *("--output", output_path("profile")),
            *profile_arguments(config),
        ],
        inputs=[candidates, code],
        outputs=["profile"],
        cached=True,
    )
    baseline = make.toolbox_step(
        "BuildBaseline",
        "build_baseline",
        arguments=[
            *("--model-package-arn", package),
            *("--candidates", candidates.path),
            *("--data", data.path),
            *("--output", output_path("baseline")),
        ],
        inputs=[candidates, data],
        outputs=["baseline"],
        cached=True,
    )
    verdict = PropertyFile(name="Verdict", output_name="verdict", path="verdict.json")
    profile_folder, baseline_folder = output_of(profile, "profile"), output_of(baseline, "baseline")
    judge = make.toolbox_step(
        "JudgeReadiness",
        "judge_readiness",
        arguments=[
            *("--candidates", candidates.path),
            *("--profile", profile_folder.path),
            *("--baseline", baseline_folder.path),
            *("--output", output_path("verdict")),
            *("--readiness-uri", make.output_uri("JudgeReadiness", "verdict")),
        ],
        inputs=[candidates, profile_folder, baseline_folder],
        outputs=["verdict"],
        property_files=[verdict],
    )
    verdict_folder = output_of(judge, "verdict")
    deploy = make.toolbox_step(
        "DeployEndpoint",
        "deploy_endpoint",
        arguments=[
            *("--model-package-arn", package),
            *("--approved-at", approved_at),
            *("--execution", ExecutionVariables.PIPELINE_EXECUTION_ARN),
            *("--readiness", verdict_folder.path),
            *("--candidates", candidates.path),
            *("--baseline", baseline_folder.path),
            *("--output", output_path("deployment")),
        ],
        inputs=[candidates, baseline_folder, verdict_folder],
        outputs=["deployment"],
    )
    deployment = output_of(deploy, "deployment")
    arm = make.toolbox_step(
        "ArmMonitoring",
        "arm_monitoring",
        arguments=[
            *("--model-package-arn", package),
            *("--deployment", deployment.path),
            *("--baseline", baseline_folder.path),
            *("--output", output_path("arming")),
        ],
        inputs=[deployment, baseline_folder],
        outputs=["arming"],
    )

    def answer(key: str) -> JsonGet:
        return JsonGet(step_name=judge.name, property_file=verdict, json_path=key)

    ready = ConditionStep(
        name="IsReady",
        conditions=[ConditionEquals(left=answer("ready"), right=True)],
        if_steps=[deploy, arm],
        else_steps=[FailStep(name=NOT_READY, error_message=answer("message"))],
    )
    steps = [optimize, profile, baseline, judge, ready]
    parameters = [package, approved_at, config_parameter]
    return definition_json(config.readiness_pipeline, parameters, steps, session)


def profile_arguments(config: Config) -> list[str]:
    """What profile_model.py is told; it cannot read the configuration itself."""
    return [
        *("--serve-command", shlex.join(config.images.serve_command)),
        *("--cold-start-repeats", str(config.profile.cold_start_repeats)),
        *("--requests-per-payload", str(config.profile.requests_per_payload)),
        *("--max-seconds-per-payload", str(config.profile.max_seconds_per_payload)),
        *("--memory-stop-mb", str(load_limits().memory_tiers_mb.value[-1])),
    ]
