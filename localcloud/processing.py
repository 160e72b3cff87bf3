"""Processing jobs: a program in the stand-in of an image, files from S3 and back, a log.

Differences from AWS, on purpose: one machine, whatever ProcessingResources say; the ExitMessage is
the job's last error line (job_log.py); an input that is a prefix is taken as a folder (job_box.py).
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, Place, validation_error
from seatrial.localcloud.audit import Audit
from seatrial.localcloud.credentials import sandbox_environment
from seatrial.localcloud.images import ImageMap
from seatrial.localcloud.job_box import JobBox
from seatrial.localcloud.job_log import JobLog, Line, LogStream
from seatrial.localcloud.job_run import Job, JobRun
from seatrial.localcloud.listing import created_within, page
from seatrial.localcloud.loopback import Loopback
from seatrial.localcloud.processing_rules import check_job, check_job_name

DEFAULT_LIMIT_S = 86_400
_SUMMARY = (
    "ProcessingJobName",
    "ProcessingJobArn",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
    "FailureReason",
    "ExitMessage",
)


class ProcessingJobs:
    """Runs jobs side by side, and remembers them; their ARNs have the names in lower case."""

    def __init__(
        self,
        place: Place,
        images: ImageMap,
        aws: Loopback,
        audit: Audit,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._place, self._images, self._aws, self._now = place, images, aws, now
        self._audit = audit
        self._folder = Path(place.work_dir) / "jobs"
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._closing = False

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        return {
            "SageMaker.CreateProcessingJob": self._create,
            "SageMaker.DescribeProcessingJob": self._describe,
            "SageMaker.ListProcessingJobs": self._list,
            "SageMaker.StopProcessingJob": self._stop,
        }

    def create(self, request: dict[str, Any]) -> str:
        """Start a job, and return its ARN; AwsError for a request that cannot run."""
        name = request["ProcessingJobName"]
        check_job_name(name)
        check_job(request)
        self._images.find(request["AppSpecification"]["ImageUri"])
        job = Job(
            name=name,
            arn=self._place.arn(f"processing-job/{name.lower()}"),
            request={"StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_LIMIT_S}, **request},
            created_at=self._now(),
        )
        with self._lock:
            if self._closing:
                raise AwsError("ServiceUnavailable", "localcloud: it is going down", status=503)
            if name.lower() in self._jobs:
                raise AwsError(
                    "ResourceInUse",
                    "Job name must be unique within an AWS account and region, and a job with this "
                    f"name already exists ({job.arn})",
                )
            self._jobs[name.lower()] = job
        threading.Thread(target=self._run, args=(job,), name=name, daemon=True).start()
        return job.arn

    def wait(self, name: str) -> dict[str, Any]:
        """The job's description, once it has ended."""
        job = self._get(name)
        job.ended.wait()
        return job.describe()

    def stop(self, name: str) -> None:
        """Ask the job to end; it is Stopped when it has."""
        self._get(name).stop()

    def close(self, *, within_s: float = 5.0) -> None:
        """Kill every job, and take no more."""
        with self._lock:
            self._closing = True
            running = [job for job in self._jobs.values() if not job.ended.is_set()]
        for job in running:
            job.stop(at_once=True)
        deadline = time.monotonic() + within_s
        for job in running:
            job.ended.wait(max(0.0, deadline - time.monotonic()))

    def _run(self, job: Job) -> None:
        folder = self._folder / job.name
        keys = self._audit.keys(job.request["RoleArn"], "sagemaker")
        stream = LogStream(
            functools.partial(self._aws.client, "logs", keys),
            f"{job.name}/algo-1-{int(job.created_at * 1000)}",
        )

        def send(lines: list[Line]) -> None:
            if not self._closing:  # else nobody would answer
                stream.send(lines)

        run = JobRun(
            job,
            self._images.find(job.request["AppSpecification"]["ImageUri"]),
            JobBox(folder / "box", self._aws.client("s3", keys)),
            JobLog(folder / "output.log", send, now=self._now),
            environment=sandbox_environment(self._place, keys),
            now=self._now,
        )
        run.carry_out()

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"ProcessingJobArn": self.create(request)}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._get(request["ProcessingJobName"]).describe()

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        self.stop(request["ProcessingJobName"])
        return {}

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        summaries = [
            {name: job[name] for name in _SUMMARY if name in job}
            for job in [job.describe() for job in list(self._jobs.values())]
            if _is_wanted(job, request)
        ]
        return page(summaries, request, "ProcessingJobSummaries", sort_by="CreationTime")

    def _get(self, name: str) -> Job:
        job = self._jobs.get(name.lower())
        if job is None:
            raise validation_error(f"there is no processing job {name!r}")
        return job


def _is_wanted(job: dict[str, Any], request: dict[str, Any]) -> bool:
    status = job["ProcessingJobStatus"]
    return (
        request.get("NameContains", "") in job["ProcessingJobName"]
        and request.get("StatusEquals", status) == status
        and created_within(job["CreationTime"], request, "CreationTimeAfter", "CreationTimeBefore")
    )
