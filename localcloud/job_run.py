"""The life of one processing job: files in, the program, files out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from seatrial.localcloud.images import Image
from seatrial.localcloud.job_box import InputMissing, JobBox
from seatrial.localcloud.job_log import JobLog
from seatrial.localcloud.job_process import JobProcess

LOG = logging.getLogger(__name__)
# After the job's process has ended something may still hold its pipes: wait for the rest so long.
DRAIN_S = 1.0
FAILED_BY_EXIT_CODE = "AlgorithmError: See job logs for more information"
MAX_REASON_CHARACTERS = 1024


@dataclass
class Job:
    """One job's state; `ended` is set when it will not change again."""

    name: str
    arn: str
    request: dict[str, Any]
    created_at: float
    status: str = "InProgress"
    started_at: float | None = None
    ended_at: float | None = None
    exit_message: str = ""
    failure_reason: str = ""
    process: JobProcess | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def limit_s(self) -> int:
        """How long it may run."""
        seconds: int = self.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        return seconds

    def describe(self) -> dict[str, Any]:
        """DescribeProcessingJob's answer."""
        state = {
            "ProcessingJobArn": self.arn,
            "ProcessingJobStatus": self.status,
            "CreationTime": self.created_at,
            "ProcessingStartTime": self.started_at,
            "ProcessingEndTime": self.ended_at,
            "LastModifiedTime": self.ended_at or self.started_at or self.created_at,
            "ExitMessage": self.exit_message,
            "FailureReason": self.failure_reason,
        }
        return {**self.request, **{name: value for name, value in state.items() if value}}

    def stop(self, *, at_once: bool = False) -> None:
        """Ask it to end, or kill it; it is Stopped when it has ended."""
        with self.lock:
            if self.status != "InProgress" and not at_once:
                return
            if not self.ended.is_set():
                self.status = "Stopping"
            process = self.process
        if process is not None:
            (process.kill if at_once else process.stop)()


class JobRun:
    """Carries out one job; `box` and `log` are its own."""

    def __init__(
        self,
        job: Job,
        image: Image,
        box: JobBox,
        log: JobLog,
        *,
        environment: dict[str, str],
        now: Callable[[], float],
    ) -> None:
        self._job, self._image, self._box, self._log = job, image, box, log
        self._environment, self._now = environment, now

    def carry_out(self) -> None:
        """Run the job to its end, whatever that is; nothing but its log is left then."""
        try:
            status, reason = self._outcome()
        except (InputMissing, ClientError) as error:
            status, reason = "Failed", f"ClientError: localcloud: {error}"
        except OSError as error:
            status, reason = "Failed", f"AlgorithmError: localcloud: {error}"
        except BotoCoreError as error:
            status, reason = "Failed", f"InternalServerError: localcloud: {error}"
        except Exception as error:  # a job must end, or its pipeline waits for ever
            LOG.exception("job %s", self._job.name)
            status, reason = "Failed", f"InternalServerError: localcloud: {error!r}"
        self._log.close()
        self._box.remove()
        self._settle(status, reason)

    def _outcome(self) -> tuple[str, str]:
        job = self._job
        self._box.prepare(job.request)
        process = self._start()
        if process is None:
            return "Stopped", ""
        code = self._watch(process)
        if job.status == "Stopping":
            return "Stopped", ""
        if process.timed_out:
            return "Stopped", f"localcloud: stopped at MaxRuntimeInSeconds, {job.limit_s} s"
        if code != 0:
            job.exit_message = self._log.exit_message
            return "Failed", FAILED_BY_EXIT_CODE
        self._box.upload(job.request)
        return "Completed", ""

    def _start(self) -> JobProcess | None:
        """The job's process; None if the job was stopped before."""
        job = self._job
        with job.lock:
            if job.status == "Stopping":
                return None
            job.started_at = self._now()
            variables = {**self._environment, **self._box.environment(job.request)}
            job.process = JobProcess(
                self._box.command(job.request),
                environment=self._image.environment(variables),
                folder=self._box.root,
            )
            return job.process

    def _watch(self, process: JobProcess) -> int:
        pumps = [
            threading.Thread(
                target=self._log.pump, args=(stream,), kwargs={"is_error": is_error}, daemon=True
            )
            for stream, is_error in zip(process.streams, (False, True), strict=True)
        ]
        for pump in pumps:
            pump.start()
        code = process.wait(self._job.limit_s)
        for pump in pumps:
            pump.join(DRAIN_S)
        return code

    def _settle(self, status: str, reason: str) -> None:
        job = self._job
        with job.lock:
            job.status, job.failure_reason = status, reason[:MAX_REASON_CHARACTERS]
            job.ended_at = self._now()
            job.ended.set()
