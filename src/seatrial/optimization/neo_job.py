"""One compilation job: started or adopted, waited for, stopped if nobody waits any more."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.aws import explained
from seatrial.errors import CloudError

_UNDER_WAY = ("STARTING", "INPROGRESS", "STOPPING")
_PERMISSIONS = "Allow sagemaker:*CompilationJob to the role, and iam:PassRole for the job's"


@dataclass(frozen=True)
class Waiting:
    """How long to wait and how; `tell` hears of each change of status."""

    poll_s: float
    deadline_s: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    tell: Callable[[str], None] = lambda _: None


@dataclass(frozen=True)
class Compiled:
    """What a job left: `digest` is Neo's own (BLAKE2), the image is None for a platform target."""

    job_name: str
    artifact_uri: str
    digest: str | None
    inference_image: str | None


def compile_model(request: Mapping[str, Any], sagemaker: Any, waiting: Waiting) -> Compiled:
    """Run the job of that request to its end; CloudError with Neo's reason if it fails.

    A job of the same name has the same content: it is adopted, whether it runs or has completed.
    One that was stopped, or failed through no fault of the model, is deleted and run again.
    """
    name: str = request["CompilationJobName"]
    started_at = waiting.clock()
    ours = _start(request, sagemaker, waiting, started_at)
    found = _wait(name, sagemaker, waiting, started_at, ours=ours)
    if not ours and _worth_another_try(found):
        waiting.tell(f"{name}: was {found['CompilationJobStatus']}; runs again")
        with explained(f"deleting the compilation job {name}", do=_PERMISSIONS):
            sagemaker.delete_compilation_job(CompilationJobName=name)
        ours = _start(request, sagemaker, waiting, started_at)
        found = _wait(name, sagemaker, waiting, started_at, ours=ours)
    if found["CompilationJobStatus"] != "COMPLETED":
        reason = found.get("FailureReason") or "no reason given"
        raise CloudError(
            f"Neo did not compile the model (job {name})",
            got=f"{found['CompilationJobStatus']}: {reason}",
            allowed="COMPLETED",
            do="Read the job's log group /aws/sagemaker/CompilationJobs, or leave optimization.neo "
            "out",
        )
    return Compiled(
        job_name=name,
        artifact_uri=found["ModelArtifacts"]["S3ModelArtifacts"],
        digest=found.get("ModelDigests", {}).get("ArtifactDigest"),
        inference_image=found.get("InferenceImage") or None,
    )


def _start(request: Mapping[str, Any], sagemaker: Any, waiting: Waiting, started_at: float) -> bool:
    """True if this call started it, False if there is one; waits for a place in the account."""
    from botocore.exceptions import ClientError

    name: str = request["CompilationJobName"]
    while True:
        with explained(f"the compilation job {name}", do=_PERMISSIONS):
            try:
                sagemaker.create_compilation_job(**request)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "ResourceInUse":
                    waiting.tell(f"{name}: is there already")
                    return False
                late = waiting.clock() - started_at + waiting.poll_s > waiting.deadline_s
                if code != "ResourceLimitExceeded" or late:
                    raise
            else:
                return True
        waiting.tell(f"{name}: waits for one of the account's parallel compilation jobs")
        waiting.sleep(waiting.poll_s)


def _wait(
    name: str, sagemaker: Any, waiting: Waiting, started_at: float, *, ours: bool
) -> dict[str, Any]:
    """The job's description once it has ended; one that we started does not outlive the wait."""
    status = ""
    try:
        while True:
            found = _describe(name, sagemaker)
            if found["CompilationJobStatus"] != status:
                status = found["CompilationJobStatus"]
                waiting.tell(f"{name}: {status}")
            if status not in _UNDER_WAY:
                return found
            if waiting.clock() - started_at + waiting.poll_s > waiting.deadline_s:
                raise _too_late(name, status, waiting, ours=ours)
            waiting.sleep(waiting.poll_s)
    except BaseException:  # Ctrl-C too: a job that nobody waits for costs its time for nothing
        if ours:
            _stop(name, sagemaker)
        raise


def _describe(name: str, sagemaker: Any) -> dict[str, Any]:
    with explained(f"the state of the compilation job {name}", do=_PERMISSIONS):
        found: dict[str, Any] = sagemaker.describe_compilation_job(CompilationJobName=name)
    return found


def _stop(name: str, sagemaker: Any) -> None:
    with (
        contextlib.suppress(CloudError),  # what ended the wait is the better message
        explained(f"stopping the compilation job {name}", do=_PERMISSIONS),
    ):
        sagemaker.stop_compilation_job(CompilationJobName=name)


def _too_late(name: str, status: str, waiting: Waiting, *, ours: bool) -> CloudError:
    left = "It was stopped" if ours else "It was started by another run and goes on"
    return CloudError(
        f"the compilation job {name} did not end in time",
        got=f"{status} after {waiting.deadline_s:g} s",
        allowed="COMPLETED, FAILED or STOPPED",
        do=f"{left}. Raise optimization.neo.deadline_s, or run it again",
    )


def _worth_another_try(found: Mapping[str, Any]) -> bool:
    """Stopped, or failed without the model's fault: such reasons start with `ClientError`."""
    status = found["CompilationJobStatus"]
    reason: str = found.get("FailureReason") or ""
    return status == "STOPPED" or (status == "FAILED" and not reason.startswith("ClientError"))
