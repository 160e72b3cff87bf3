"""What serves the endpoints: from a model and its configuration to sandboxes that answer.

Lives on the event loop. An endpoint starts from zero: deploying it starts one sandbox, sees that
/ping answers, and stops it again (fleet.py).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seatrial.archives import unpack
from seatrial.errors import InputError
from seatrial.limits import Limits
from seatrial.localcloud.api import AwsError, Place
from seatrial.localcloud.audit import Access, Audit
from seatrial.localcloud.cgroups import Cgroups
from seatrial.localcloud.credentials import sandbox_environment
from seatrial.localcloud.failure_reasons import bad_model_data, no_model_data, no_ping
from seatrial.localcloud.fleet import Fleet
from seatrial.localcloud.images import ImageMap
from seatrial.localcloud.sandbox import SandboxError, SandboxSpec

_log = logging.getLogger(__name__)
_LOG_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
_LET_FINISH_S = 60.0  # an invocation takes no longer


class DeploymentFailed(Exception):  # noqa: N818 - the service's word
    """The text is the endpoint's FailureReason."""


@dataclass(frozen=True)
class Deployment:
    """What an endpoint is to serve: its own copy of a configuration and a model."""

    config_name: str
    variant_name: str
    memory_mb: int
    max_concurrency: int
    provisioned: int
    image_uri: str
    archive_uri: str | None
    environment: dict[str, str]
    role_arn: str


# (log group, log stream, lines)
WriteLog = Callable[[str, str, list[str]], None]
ReadObject = Callable[[str], bytes]


class Hosting:
    """Fleets by endpoint name."""

    def __init__(
        self,
        place: Place,
        images: ImageMap,
        limits: Limits,
        *,
        read_object: ReadObject,
        write_log: WriteLog,
        cgroups: Cgroups,
        cpu_share: bool,
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._place, self._images, self._limits = place, images, limits
        self._read_object, self._write_log = read_object, write_log
        self._cgroups, self._cpu_share = cgroups, cpu_share
        self._fleets: dict[str, Fleet] = {}
        self._retiring: dict[asyncio.Task[None], Fleet] = {}
        self._numbers = itertools.count(1)

    def fleet(self, endpoint_name: str) -> Fleet | None:
        """What serves that endpoint now, None if nothing does."""
        return self._fleets.get(endpoint_name)

    async def deploy(self, endpoint_name: str, deployment: Deployment) -> None:
        """Serve `deployment` from now on; what served before goes on until it is verified.

        DeploymentFailed if it cannot be, and nothing has changed then.
        """
        folder = Path(self._place.work_dir) / "endpoints" / f"{endpoint_name}-{next(self._numbers)}"
        fleet = self._make_fleet(endpoint_name, deployment, folder)
        try:
            await asyncio.to_thread(self._fetch, deployment, folder / "model")
            await fleet.verify()
        except SandboxError as error:
            await fleet.close(let_finish_s=0)
            _log.info("endpoint %s: %s", endpoint_name, error)
            raise DeploymentFailed(no_ping(deployment.variant_name)) from error
        except BaseException:
            await fleet.close(let_finish_s=0)
            raise
        previous = self._fleets.get(endpoint_name)
        self._fleets[endpoint_name] = fleet
        if previous is not None:
            self._retire(previous)

    async def resize(self, endpoint_name: str, deployment: Deployment) -> None:
        """Take over the deployment's concurrency, and go on with what serves."""
        try:
            await self._fleets[endpoint_name].resize(
                max_concurrency=deployment.max_concurrency, provisioned=deployment.provisioned
            )
        except SandboxError as error:
            raise DeploymentFailed(no_ping(deployment.variant_name)) from error

    async def remove(self, endpoint_name: str) -> None:
        """Stop serving that endpoint."""
        fleet = self._fleets.pop(endpoint_name, None)
        if fleet is not None:
            await fleet.close(let_finish_s=0)

    async def reap_forever(self, idle_s: float) -> None:
        """Stop idle sandboxes until cancelled."""
        while True:
            await asyncio.sleep(min(1.0, idle_s / 4))
            for fleet in list(self._fleets.values()):
                await fleet.reap(idle_s)

    async def close(self) -> None:
        """Stop everything, at once."""
        await asyncio.gather(
            *(self.remove(name) for name in list(self._fleets)),
            *(fleet.close(let_finish_s=0) for fleet in list(self._retiring.values())),
        )

    def _retire(self, fleet: Fleet) -> None:
        """Let what it is answering finish, beside what serves now."""
        task = asyncio.create_task(fleet.close(let_finish_s=_LET_FINISH_S))
        self._retiring[task] = fleet
        task.add_done_callback(self._retiring.pop)

    def _make_fleet(self, endpoint_name: str, deployment: Deployment, folder: Path) -> Fleet:
        role = deployment.role_arn
        keys = self._audit.keys(role, "sagemaker")
        environment = sandbox_environment(self._place, keys) | {
            "SEATRIAL_ENDPOINT_NAME": endpoint_name,
            "SEATRIAL_VARIANT_NAME": deployment.variant_name,
            **deployment.environment,
            "SEATRIAL_MODEL_DIR": str(folder / "model"),
            "SEATRIAL_HOST": "127.0.0.1",  # in a container the server listens on all interfaces
        }
        spec = SandboxSpec(
            image=self._images.find(deployment.image_uri),
            environment=environment,
            folder=folder / "sandboxes",
            memory_mb=deployment.memory_mb,
            startup_s=self._limits.startup_s.value,
            cgroups=self._cgroups,
            vcpus=deployment.memory_mb / self._limits.mb_per_vcpu.value
            if self._cpu_share
            else None,
        )
        group, variant = log_group(endpoint_name), deployment.variant_name

        def write_lines(sandbox_id: str, lines: list[str]) -> None:
            stream = f"{variant}/{sandbox_id}"
            arn = self._place.arn(f"log-group:{group}:log-stream:{stream}", service="logs")
            self._audit.did(role, *(Access(action, arn) for action in _LOG_ACTIONS))
            self._write_log(group, stream, lines)

        return Fleet(
            spec,
            write_lines,
            variant_name=variant,
            max_concurrency=deployment.max_concurrency,
            provisioned=deployment.provisioned,
            folder=folder,
        )

    def _fetch(self, deployment: Deployment, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if deployment.archive_uri is None:
            return
        try:
            archive = folder.with_name("model.tar.gz")
            resource = f"arn:aws:s3:::{deployment.archive_uri.removeprefix('s3://')}"
            self._audit.did(deployment.role_arn, Access("s3:GetObject", resource))
            archive.write_bytes(self._read_object(deployment.archive_uri))
            unpack(archive, folder, max_mb=self._limits.disk_mb.value)
            archive.unlink()
        except AwsError as error:
            raise DeploymentFailed(no_model_data(deployment.archive_uri)) from error
        except InputError as error:
            reason = bad_model_data(deployment.archive_uri, deployment.variant_name, error)
            raise DeploymentFailed(reason) from error


def log_group(endpoint_name: str) -> str:
    """The log group that SageMaker writes an endpoint's lines to."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"
