"""Whether the user vouches, by name, for where a model came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trust:
    """`by_user` lets the source's files run code (in a confined child, as everything)."""

    by_user: bool = False


def trust_in(source: str | Path, names: Sequence[str]) -> Trust:
    """Trust in `source` if one of `names` is it, or a folder, prefix or group that it is in.

        trust_in("s3://models/team/a/model.tar.gz", ["s3://models/team"]).by_user        # True
        trust_in("s3://models/team-b/model.tar.gz", ["s3://models/team"]).by_user        # False

    A source with `..` in it is not trusted by its prefix; folders are compared as they really are.
    """
    name = _real(str(source))
    trusted = (_real(item).rstrip("/") for item in names if item.strip("/ "))
    inside = ".." not in name.split("/")
    return Trust(any(name == item or (inside and name.startswith(item + "/")) for item in trusted))


def _real(name: str) -> str:
    return name if name.startswith(("s3://", "arn:")) else str(Path(name).resolve())
