"""A localcloud for benchmarks that borrow what the tests have."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from conftest import REGION, RunningCloud, image_map

from seatrial.localcloud.control import CloudSettings, down, up


@contextmanager
def roomy_cloud() -> Iterator[Any]:
    """A localcloud with the tests' images, and room for many endpoints."""
    with tempfile.TemporaryDirectory() as scratch:
        state_dir = Path(scratch)
        images = state_dir / "images.yaml"
        images.write_text(yaml.safe_dump(image_map().model_dump(mode="json")), encoding="utf-8")
        settings = CloudSettings(quota="endpoints=100,concurrency=4000")
        info = up(state_dir, images_file=images, region=REGION, settings=settings)
        try:
            yield RunningCloud(info)
        finally:
            down(state_dir)
