"""Processing jobs as a pipeline starts them: with its role, which the audit keeps."""

from __future__ import annotations

from typing import Any

from seatrial.localcloud.api import Place
from seatrial.localcloud.audit import Access, Audit, trusted
from seatrial.localcloud.iam_actions import passes
from seatrial.localcloud.step_runs import Jobs


class JobsOfRole:
    """`jobs`, used by the role of a pipeline."""

    def __init__(self, jobs: Jobs, role_arn: str, place: Place, audit: Audit) -> None:
        self._jobs, self._role_arn, self._place, self._audit = jobs, role_arn, place, audit

    def create(self, request: dict[str, Any]) -> str:
        """Start a job, which gets the step's role."""
        self._did("CreateProcessingJob", request["ProcessingJobName"])
        if "RoleArn" in request:
            self._audit.did(self._role_arn, passes(request["RoleArn"], "sagemaker"))
        return self._jobs.create(request)

    def wait(self, name: str) -> dict[str, Any]:
        """The job's description, once it has ended."""
        self._did("DescribeProcessingJob", name)
        return self._jobs.wait(name)

    def stop(self, name: str) -> None:
        """Ask the job to end."""
        self._did("StopProcessingJob", name)
        self._jobs.stop(name)

    def _did(self, operation: str, name: str) -> None:
        resource = self._place.arn(f"processing-job/{name.lower()}")
        access = Access(f"sagemaker:{operation}", resource)
        self._audit.did(self._role_arn, trusted(self._role_arn, "sagemaker"), access)
