"""The image that is deployed is the one that the chosen candidate runs in."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.aws import sha256_of
from seatrial.config import load_config
from seatrial.contracts import (
    Candidate,
    Optimization,
    Readiness,
    ServerlessConfiguration,
    write_contract,
)
from seatrial.deployment.inputs import Folders, Origin, choose

CONFIG = load_config()
NEO_IMAGE = "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-inference-onnx:1.7-cpu-py3"


def written(folder: Path, *, inference_image: str | None) -> Folders:
    """What the steps before leave behind: two packed candidates, of which `neo` was chosen."""
    folders = Folders(folder / "candidates", folder / "readiness", folder / "baseline")
    for path in (folders.candidates / "fp32", folders.candidates / "neo", folders.readiness):
        path.mkdir(parents=True)
    (folders.baseline).mkdir()
    candidates = (packed(folders, "fp32", None), packed(folders, "neo", inference_image))
    optimization = Optimization(
        model_package_arn=None,
        flavor="onnx",
        task="regression",
        original_size_mb=1,
        original_quality={},
        candidates=candidates,
        optimizer="",
        cpu="",
    )
    readiness = Readiness(
        ready=True,
        model_package_arn=None,
        candidate="neo",
        recommended=ServerlessConfiguration(
            memory_size_mb=1024, max_concurrency=5, provisioned_concurrency=None
        ),
        cost=None,
        checks=(),
    )
    write_contract(optimization, folders.candidates / "optimization.json")
    write_contract(readiness, folders.readiness / "readiness.json")
    return folders


def packed(folders: Folders, name: str, inference_image: str | None) -> Candidate:
    archive = folders.candidates / name / "model.tar.gz"
    archive.write_text(name)
    return Candidate(
        name=name,
        backend="neo" if name == "neo" else "onnxruntime",
        precision="fp32",
        graph_optimization="",
        archive=f"{name}/model.tar.gz",
        archive_sha256=sha256_of(archive),
        archive_size_mb=1,
        model_size_mb=1,
        agreement=None,
        quality={},
        rejection=None,
        inference_image=inference_image,
    )


@pytest.mark.parametrize(
    ("named", "deployed"),
    [
        pytest.param(NEO_IMAGE, NEO_IMAGE, id="its own"),
        pytest.param(None, CONFIG.images.serving, id="the configured one"),
    ],
)
def test_the_chosen_candidate_brings_its_image(
    tmp_path: Path, named: str | None, deployed: str
) -> None:
    chosen, target = choose(
        CONFIG, written(tmp_path, inference_image=named), Origin("arn:1", None, None)
    )
    assert chosen.candidate.name == "neo"
    assert target.image == deployed


def test_another_image_is_another_model(tmp_path: Path) -> None:
    names = {
        choose(
            CONFIG, written(tmp_path / str(number), inference_image=image), Origin("a", None, None)
        )[1].model_name
        for number, image in enumerate((NEO_IMAGE, None))
    }
    assert len(names) == 2
