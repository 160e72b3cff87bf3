"""Which interpreter stands for an image."""

from __future__ import annotations

import pytest

from seatrial.config import load_config
from seatrial.localcloud.api import AwsError
from seatrial.localcloud.images import Image, ImageMap, default_image_map


def image(interpreter: str) -> Image:
    return Image(interpreter=interpreter, serve=("serve",))


def test_a_uri_that_is_spelled_out_goes_before_a_pattern() -> None:
    found = ImageMap(images={"*/a-*": image("/any"), "*/*": image("/all"), "x/a-b": image("/one")})
    uris = ("x/a-b", "x/a-c", "x/b")
    assert [found.find(uri).interpreter for uri in uris] == ["/one", "/any", "/all"]


def test_one_cloud_knows_the_images_of_every_project_and_no_others() -> None:
    images = load_config().images
    known = default_image_map(images.toolbox, images.serving, "/serving/python")
    others = load_config(project="churn", region="eu-west-1", account="210987654321").images
    assert known.find(others.serving).interpreter == "/serving/python"
    assert known.find(others.toolbox) == known.find(images.toolbox)
    with pytest.raises(AwsError, match="does not know 'churn-serving:latest'"):
        known.find("churn-serving:latest")
