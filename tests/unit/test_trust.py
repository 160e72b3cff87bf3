"""A source is trusted by its name, or by that of what it is in, and by nothing that looks alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.optimization.trust import trust_in

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package"


@pytest.mark.parametrize(
    ("source", "names", "trusted"),
    [
        ("s3://models/team/a/model.tar.gz", ["s3://models/team"], True),
        ("s3://models/team/a/model.tar.gz", ["s3://models/team/"], True),
        ("s3://models/team-b/model.tar.gz", ["s3://models/team"], False),
        ("s3://models/team/../evil/model.tar.gz", ["s3://models/team"], False),
        (
            "arn:aws:sagemaker:r:1:model-package/flights/3",
            ["arn:aws:sagemaker:r:1:model-package/flights"],
            True,
        ),
        (
            "arn:aws:sagemaker:r:1:model-package/flights2/3",
            ["arn:aws:sagemaker:r:1:model-package/flights"],
            False,
        ),
        ("/models/../tmp/m", ["/models"], False),
        ("/models/a", ["/models"], True),
        ("/models/a", [""], False),
        ("/models/a", ["/"], False),
        ("/models/a", [], False),
    ],
)
def test_trust_goes_by_whole_names(source: str, names: list[str], trusted: bool) -> None:
    assert trust_in(source, names).by_user is trusted


def test_a_folder_is_compared_as_it_really_is(tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "link").symlink_to(tmp_path / "evil")
    assert not trust_in(tmp_path / "trusted" / "link", [str(tmp_path / "trusted")]).by_user
    assert trust_in(tmp_path / "trusted" / "m", [str(tmp_path / "trusted")]).by_user
