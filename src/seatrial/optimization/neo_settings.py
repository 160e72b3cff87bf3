"""`optimization.neo`: what SageMaker Neo is to compile, and for which CPU. Off unless it is set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from seatrial.contracts import Part

# The CPU targets of Neo's cloud page; serverless inference has no accelerator and runs x86-64.
CpuDevice = Literal["ml_c4", "ml_c5", "ml_m4", "ml_m5"]
NeoFramework = Literal["keras", "mxnet", "onnx", "pytorch", "tensorflow", "xgboost"]
Dimension = int | str | None
CompilerOption = str | int | float | bool | tuple[str, ...]


class NeoPlatform(Part):
    """A target by what it is instead of by an instance family."""

    os: Literal["LINUX"] = "LINUX"
    arch: Literal["X86_64"] = "X86_64"


class NeoConfig(Part):
    """One compilation. A target is `target_device` or `target_platform`, and not both.

    Only for a device does Neo name an inference image, so only that can be hosted without one of
    your own.
    """

    target_device: CpuDevice | None = None
    target_platform: NeoPlatform | None = None
    compiler_options: dict[str, CompilerOption] = Field(default_factory=dict)
    # None: the ONNX graph that the model was converted to. Else s3://….tar.gz in the framework's
    # own format, and `framework` with `framework_version` are what it was saved with.
    model_uri: str | None = Field(default=None, pattern=r"^s3://[^/]+/.+\.tar\.gz$")
    framework: NeoFramework = "onnx"
    framework_version: str | None = None
    # Static: batch size and all. None: as the ONNX graph declares them.
    input_shapes: dict[str, tuple[Dimension, ...]] | None = None
    role_arn: str | None = None  # None: roles.neo
    kms_key_id: str | None = None
    max_runtime_s: PositiveInt = 900
    deadline_s: PositiveFloat = 1800  # with the wait for one of the account's two places
    poll_s: PositiveFloat = 15

    @model_validator(mode="after")
    def _one_target(self) -> NeoConfig:
        if (self.target_device is None) == (self.target_platform is None):
            raise ValueError("give target_device or target_platform, and not both")
        return self

    @model_validator(mode="after")
    def _known_source(self) -> NeoConfig:
        if self.model_uri is None and self.framework != "onnx":
            raise ValueError(f"{self.framework} needs model_uri: only ONNX is made here")
        if self.model_uri is not None and self.framework_version is None:
            raise ValueError("model_uri needs framework_version: what the model was saved with")
        return self
