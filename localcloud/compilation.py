"""Neo's compilation jobs: taken as the service takes them, and failed, since nothing compiles here.

moto completes every such job and leaves no artefact; an honest failure is of more use.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, Place, validation_error
from seatrial.localcloud.api_model import checked
from seatrial.localcloud.compilation_rules import check_compilation
from seatrial.localcloud.listing import created_within, page
from seatrial.localcloud.shelf import Shelf
from seatrial.localcloud.tags import Tags

# Long enough to be seen STARTING, and to be stopped.
STARTING_S = 0.5
REASON = (
    "localcloud: Neo compiles on AWS only, so no job ends COMPLETED here. The request is valid; "
    "run it against AWS, or use a candidate of ONNX Runtime"
)


@dataclass(frozen=True)
class CompilationJob:
    """A job as it was asked for; what it is now follows from the time."""

    request: dict[str, Any]
    created_at: datetime
    stopped_at: datetime | None = None

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self.request["CompilationJobName"]
        return name

    def ended_at(self, now: float) -> datetime | None:
        """When it was stopped or failed; None before that."""
        if self.stopped_at is not None:
            return self.stopped_at
        end_s = self.created_at.timestamp() + STARTING_S
        return datetime.fromtimestamp(end_s, UTC) if now >= end_s else None

    def status(self, now: float) -> str:
        """STARTING, then FAILED, unless it was stopped before."""
        if self.stopped_at is not None:
            return "STOPPED"
        return "STARTING" if self.ended_at(now) is None else "FAILED"


class CompilationJobs:
    """The compilation jobs of the account."""

    def __init__(self, place: Place, tags: Tags, *, now: Callable[[], float] = time.time) -> None:
        self.shelf: Shelf[CompilationJob] = Shelf(
            place, kind="compilation job", arn_type="compilation-job"
        )
        self._tags, self._now = tags, now

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        return checked(
            {
                "SageMaker.CreateCompilationJob": self._create,
                "SageMaker.DescribeCompilationJob": self._describe,
                "SageMaker.ListCompilationJobs": self._list,
                "SageMaker.StopCompilationJob": self._stop,
                "SageMaker.DeleteCompilationJob": self._delete,
            }
        )

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["CompilationJobName"]
        check_compilation(request)
        arn = self.shelf.arn(name)
        with self.shelf.lock:
            if self.shelf.find(name) is not None:
                raise AwsError(
                    "ResourceInUse",
                    "Job name must be unique within an AWS account and region, and a job with this "
                    f"name already exists ({arn})",
                )
            self.shelf.add(CompilationJob(request, datetime.fromtimestamp(self._now(), UTC)))
        self._tags.put(arn, request.get("Tags", []))
        return {"CompilationJobArn": arn}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        job, now = self._get(request), self._now()
        status, ended_at = job.status(now), job.ended_at(now)
        described = {
            **{key: value for key, value in job.request.items() if key != "Tags"},
            "CompilationJobArn": self.shelf.arn(job.name),
            "CompilationJobStatus": status,
            "CreationTime": job.created_at,
            "LastModifiedTime": ended_at or job.created_at,
            "FailureReason": REASON if status == "FAILED" else "",
            "ModelArtifacts": {"S3ModelArtifacts": ""},
        }
        if ended_at is not None:
            described["CompilationEndTime"] = ended_at
        return described

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        now, text = self._now(), request.get("NameContains", "")
        summaries = [
            self._summary(job, now)
            for job in sorted(self.shelf.items(), key=lambda job: job.created_at)
            if text in job.name
            and request.get("StatusEquals", job.status(now)) == job.status(now)
            and created_within(
                job.created_at.timestamp(), request, "CreationTimeAfter", "CreationTimeBefore"
            )
        ]
        field = {"Name": "CompilationJobName", "Status": "CompilationJobStatus"}.get(
            request.get("SortBy", ""), "CreationTime"
        )
        key = "CompilationJobSummaries"
        return page(summaries, request, key, sort_by=field, default_order="Ascending")

    def _summary(self, job: CompilationJob, now: float) -> dict[str, Any]:
        target = job.request["OutputConfig"]
        platform = target.get("TargetPlatform", {})
        ended_at = job.ended_at(now)
        shown = {
            "CompilationJobName": job.name,
            "CompilationJobArn": self.shelf.arn(job.name),
            "CreationTime": job.created_at,
            "LastModifiedTime": ended_at or job.created_at,
            "CompilationEndTime": ended_at,
            "CompilationJobStatus": job.status(now),
            "CompilationTargetDevice": target.get("TargetDevice"),
            "CompilationTargetPlatformOs": platform.get("Os"),
            "CompilationTargetPlatformArch": platform.get("Arch"),
            "CompilationTargetPlatformAccelerator": platform.get("Accelerator"),
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        with self.shelf.lock:
            job, now = self._get(request), self._now()
            if job.status(now) != "STARTING":
                raise validation_error(
                    f"the compilation job {job.name} is {job.status(now)} and cannot be stopped"
                )
            self.shelf.replace(replace(job, stopped_at=datetime.fromtimestamp(now, UTC)))
        return {}

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        with self.shelf.lock:
            job, now = self._get(request), self._now()
            if job.status(now) == "STARTING":
                raise validation_error(
                    f"the compilation job {job.name} is STARTING; stop it first, then delete it"
                )
            self.shelf.remove(job.name)
        self._tags.forget(self.shelf.arn(job.name))
        return {}

    def _get(self, request: dict[str, Any]) -> CompilationJob:
        name = request["CompilationJobName"]
        job = self.shelf.find(name)
        if job is None:
            raise AwsError("ResourceNotFound", f"localcloud: there is no compilation job {name!r}")
        return job
