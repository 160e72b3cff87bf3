"""Build Processing steps with the SageMaker SDK, so that the pipelines read as their graphs."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from seatrial.config import Config

ROOT = "/opt/ml/processing"
CACHE_FOR = "P30D"


@dataclass(frozen=True)
class Folder:
    """An output of a step, or an S3 object or prefix, as the next step's input."""

    name: str
    uri: Any

    @property
    def path(self) -> str:
        """Where the input stands in the job's container."""
        return f"{ROOT}/{self.name}"


@dataclass(frozen=True)
class StepFactory:
    """Makes the steps of one pipeline; every output goes below the execution's own prefix."""

    pipeline_name: str
    config: Config
    config_uri: Any
    session: Any = field(repr=False)

    def step(
        self,
        name: str,
        *,
        entrypoint: Sequence[str],
        arguments: Sequence[Any],
        inputs: Sequence[Folder],
        outputs: Sequence[str],
        role: str,
        image: str | None = None,
        cached: bool = False,
        property_files: Sequence[Any] = (),
        depends_on: Sequence[Any] = (),
    ) -> Any:
        """One Processing step, which acts as `role`. `cached` only without effect outside."""
        from sagemaker.core.processing import Processor
        from sagemaker.core.shapes import (
            ProcessingInput,
            ProcessingOutput,
            ProcessingS3Input,
            ProcessingS3Output,
        )
        from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep

        processor = Processor(
            role=role,
            image_uri=image or self.config.images.toolbox,
            instance_count=1,
            instance_type=self.config.instance_type,
            entrypoint=list(entrypoint),
            base_job_name=f"{self.config.project}-{name}",
            max_runtime_in_seconds=3600,
            sagemaker_session=self.session,
        )
        step_args = processor.run(
            inputs=[
                ProcessingInput(
                    input_name=item.name,
                    s3_input=ProcessingS3Input(
                        s3_uri=item.uri,
                        local_path=item.path,
                        s3_data_type="S3Prefix",
                        s3_input_mode="File",
                    ),
                )
                for item in inputs
            ],
            outputs=[
                ProcessingOutput(
                    output_name=output,
                    s3_output=ProcessingS3Output(
                        s3_uri=self.output_uri(name, output),
                        local_path=f"{ROOT}/output/{output}",
                        s3_upload_mode="EndOfJob",
                    ),
                )
                for output in outputs
            ],
            arguments=list(arguments),
        )
        return ProcessingStep(
            name=name,
            step_args=step_args,
            cache_config=CacheConfig(enable_caching=True, expire_after=CACHE_FOR)
            if cached
            else None,
            property_files=list(property_files),
            retry_policies=retry_policies(),
            depends_on=list(depends_on) or None,
        )

    def toolbox_step(self, name: str, module: str, **step: Any) -> Any:
        """A step that runs `seatrial.steps.<module>` with the configuration at hand."""
        inputs = [*step.pop("inputs"), Folder("config", self.config_uri)]
        arguments = [*step.pop("arguments"), "--config", f"{ROOT}/config/config.yaml"]
        return self.step(
            name,
            entrypoint=["python3", "-m", f"seatrial.steps.{module}"],
            arguments=arguments,
            inputs=inputs,
            **step,
        )

    def output_uri(self, step: str, output: str) -> Any:
        """`s3://<bucket>/runs/<pipeline>/<execution>/<step>/<output>`."""
        from sagemaker.core.workflow.execution_variables import ExecutionVariables
        from sagemaker.core.workflow.functions import Join

        prefix = f"s3://{self.config.bucket}/runs/{self.pipeline_name}"
        execution = ExecutionVariables.PIPELINE_EXECUTION_ID
        return Join(on="/", values=[prefix, execution, step, output])


def output_of(step: Any, output: str) -> Folder:
    """That output of an earlier step, wherever a cached step has put it."""
    outputs = step.properties.ProcessingOutputConfig.Outputs
    return Folder(output, outputs[output].S3Output.S3Uri)


def output_path(output: str) -> str:
    """Where a step writes that output in its container."""
    return f"{ROOT}/output/{output}"


def retry_policies() -> list[Any]:
    """Service faults, throttling and missing capacity are tried again; a step's own failure not."""
    from sagemaker.mlops.workflow.retry import (
        SageMakerJobExceptionTypeEnum,
        SageMakerJobStepRetryPolicy,
        StepExceptionTypeEnum,
        StepRetryPolicy,
    )

    return [
        StepRetryPolicy(
            exception_types=[StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING],
            interval_seconds=10,
            backoff_rate=2.0,
            max_attempts=5,
        ),
        SageMakerJobStepRetryPolicy(
            exception_types=[SageMakerJobExceptionTypeEnum.CAPACITY_ERROR],
            interval_seconds=60,
            backoff_rate=2.0,
            max_attempts=5,
        ),
    ]


def pipeline_session(config: Config) -> Any:
    """A session that records steps instead of running them; to be called inside `offline`."""
    import boto3
    from sagemaker.core.workflow.pipeline_context import PipelineSession

    session = PipelineSession(
        boto_session=boto3.Session("offline", "offline", region_name=config.region),
        default_bucket=config.bucket,
    )
    # A person's own SDK defaults do not belong into a definition; besides, the SDK validates them
    # against its schema at each look, 0.2 s a time. (No usage data is sent: only Pipeline.create
    # and .start do that, and boto3 is used in their place.)
    session.sagemaker_config = {}
    return session


@contextmanager
def offline(region: str) -> Iterator[None]:
    """Where the SDK can be imported and used without an account.

    It makes clients while it is imported: without a region that fails, and without credentials each
    asks the instance metadata service, for seconds. The environment and boto3's default session are
    put back afterwards, so that no later call is made with these credentials.
    """
    import boto3

    wanted = {
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "offline",
        "AWS_SECRET_ACCESS_KEY": "offline",
    }
    kept = {name: os.environ.get(name) for name in wanted}
    session, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, None  # it keeps what it has resolved
    root = logging.getLogger()
    quiet, level, handlers = root.manager.disable, root.level, list(root.handlers)
    logging.disable(logging.WARNING)  # the SDK turns its own loggers on again while it works
    os.environ.update(wanted)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "no job being started": that is the idea
            yield
    finally:
        boto3.DEFAULT_SESSION = session
        logging.disable(quiet)
        root.setLevel(level)  # the SDK makes every library's information appear on the terminal
        root.handlers[:] = handlers
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def definition_json(
    name: str, parameters: Sequence[Any], steps: Sequence[Any], session: Any
) -> str:
    """The definition that AWS and localcloud run, with keys in a stable order."""
    from sagemaker.mlops.workflow.pipeline import Pipeline

    pipeline = Pipeline(
        name=name,
        parameters=list(parameters),
        steps=list(steps),
        sagemaker_session=session,
        pipeline_experiment_config=None,
    )
    definition = json.loads(pipeline.definition())
    given = {key: value for key, value in definition.items() if value is not None}
    return json.dumps(given, indent=1, sort_keys=True)
