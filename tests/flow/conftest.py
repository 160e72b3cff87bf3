"""A localcloud for the flow tests: one for all that can share it, more for those that cannot."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config

# What several test files use; they are not a package, and are imported one by one.
sys.path.append(str(Path(__file__).parent / "shared"))
sys.path.append(str(Path(__file__).parents[1] / "unit" / "shared"))

from cloud_calls import Aws

from seatrial.config import load_config
from seatrial.localcloud.control import CloudSettings, down, up
from seatrial.localcloud.images import Image, ImageMap, default_image_map
from seatrial.localcloud.whereabouts import CloudInfo, environment

REGION = "us-east-1"
TINY = "tiny"  # the image that servers/tiny.py stands for
TINY_SERVER = Path(__file__).parent / "servers" / "tiny.py"
DOUBLING = "doubling"  # servers/doubling.py, which starts in no time
DOUBLING_SERVER = Path(__file__).parent / "servers" / "doubling.py"


@dataclass(frozen=True)
class RunningCloud:
    """A localcloud in a process of its own."""

    info: CloudInfo

    @property
    def endpoint_url(self) -> str:
        return self.info.endpoint_url

    @property
    def region(self) -> str:
        return self.info.region

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to talk to it."""
        return environment(self.info)

    def client(self, service: str, *, attempts: int = 1) -> Any:
        """A boto3 client of it, whatever the environment says."""
        variables = self.environment
        return boto3.client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                read_timeout=70,
                retries={"mode": "standard", "total_max_attempts": attempts},
                max_pool_connections=50,
            ),
        )


NewCloud = Callable[..., AbstractContextManager[RunningCloud]]


def image_map() -> ImageMap:
    """Our own images, whatever the project, and what stands in."""
    images = load_config().images
    ours = default_image_map(images.toolbox, images.serving, None).images
    tiny = Image(interpreter=sys.executable, serve=("python3", str(TINY_SERVER)))
    doubling = Image(
        interpreter=sys.executable, serve=("python3", "-I", "-S", str(DOUBLING_SERVER))
    )
    return ImageMap(images={**ours, TINY: tiny, DOUBLING: doubling})


@pytest.fixture(scope="session")
def new_cloud(tmp_path_factory: pytest.TempPathFactory) -> NewCloud:
    """Starts a localcloud, with `CloudSettings` as keywords; it is gone after the `with`."""

    @contextlib.contextmanager
    def start(**settings: Any) -> Iterator[RunningCloud]:
        state_dir = tmp_path_factory.mktemp("cloud")
        images_file = state_dir / "images.yaml"
        images_file.write_text(yaml.safe_dump(image_map().model_dump(mode="json")))
        info = up(
            state_dir, images_file=images_file, region=REGION, settings=CloudSettings(**settings)
        )
        try:
            yield RunningCloud(info)
        finally:
            down(state_dir)

    return start


@pytest.fixture(scope="session")
def cloud(new_cloud: NewCloud) -> Iterator[RunningCloud]:
    """A localcloud for the whole session; the environment points to it as long as that lasts."""
    with new_cloud() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="session")
def tiny_cloud(new_cloud: NewCloud) -> Iterator[RunningCloud]:
    """One for endpoints of `tiny`, which would use up the quotas of the others'."""
    with new_cloud(quota="endpoints=100,concurrency=400", idle_s=3, delivery_s=0.5) as running:
        yield running


@pytest.fixture(scope="session")
def aws(tiny_cloud: RunningCloud) -> Aws:
    """The calls to that cloud."""
    return Aws(tiny_cloud)
