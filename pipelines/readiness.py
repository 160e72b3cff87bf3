"""The readiness pipeline: from an approved model package to a watched endpoint.

OptimizeModel → (ProfileModel beside BuildBaseline) → JudgeReadiness → ready?
→ DeployEndpoint → ArmMonitoring, else Fail.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from seatrial.pipelines.project_template import TemplatePipeline

# The step that ends an execution whose model is not ready.
NOT_READY = "NotReady"


def get_pipeline(**kwargs: Any) -> TemplatePipeline:
    """For `run-pipeline` and `get-pipeline-definition`, as AWS's project templates call it."""
    from seatrial.pipelines.project_template import template_pipeline

    return template_pipeline("readiness", kwargs)


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
    roles = config.roles

    optimize = make.toolbox_step(
        "OptimizeModel",
        "optimize_model",
        role=roles.measure,
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
        role=roles.measure,
        image=config.images.serving,
        entrypoint=["python3", f"{code.path}/profile_model.py"],
        arguments=[
            *("--candidates", candidates.path),
            *("--output", output_path("profile")),
            *("--image", config.images.serving),
            *profile_arguments(config),
        ],
        inputs=[candidates, code],
        outputs=["profile"],
        cached=True,
    )
    baseline = make.toolbox_step(
        "BuildBaseline",
        "build_baseline",
        role=roles.measure,
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
        role=roles.measure,
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
        role=roles.deploy,
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
        role=roles.arm,
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
    limits = load_limits()
    told = {
        "serve-command": shlex.join(config.images.serve_command),
        "memory-stop-mb": limits.memory_tiers_mb.value[-1],
        "payload-limit-mb": limits.payload_mb.value,
        "tiers-mb": ",".join(map(str, limits.memory_tiers_mb.value)),
        "mb-per-vcpu": limits.mb_per_vcpu.value,
        **{
            name.replace("_", "-"): value
            for name, value in config.profile.model_dump(exclude={"concurrency"}).items()
        },
        "concurrency": ",".join(map(str, config.profile.concurrency)),
    }
    pairs = [*told.items()]
    # What is profiled is what is deployed.
    pairs += [
        ("environment", f"{name}={value}") for name, value in config.endpoint.environment.items()
    ]
    return [part for name, value in pairs for part in (f"--{name}", str(value))]
