"""The same content packs to the same bytes; nothing unpacks outside its folder."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from seatrial.archives import pack, unpack
from seatrial.aws import sha256_of
from seatrial.errors import InputError


def folder_with(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def test_packing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = folder_with(tmp_path / "a", x="1", y="2")
    second = folder_with(tmp_path / "b", y="2", x="1")
    os.utime(second / "x", (0, 0))
    one, two = pack(first, tmp_path / "1.tar.gz"), pack(second, tmp_path / "2.tar.gz")
    assert sha256_of(one) == sha256_of(two)


def test_what_was_packed_unpacks(tmp_path: Path) -> None:
    archive = pack(folder_with(tmp_path / "a", x="1"), tmp_path / "m.tar.gz")
    assert (unpack(archive, tmp_path / "out", max_mb=1) / "x").read_text() == "1"


def test_a_truncated_archive_is_told(tmp_path: Path) -> None:
    archive = pack(folder_with(tmp_path / "a", x="1" * 10_000), tmp_path / "m.tar.gz")
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(InputError, match="Build and upload the archive again"):
        unpack(archive, tmp_path / "out", max_mb=1)


def test_a_file_that_is_no_archive_is_told(tmp_path: Path) -> None:
    archive = tmp_path / "m.tar.gz"
    archive.write_bytes(b"hello")
    with pytest.raises(InputError, match=r"whole \.tar\.gz"):
        unpack(archive, tmp_path / "out", max_mb=1)


@pytest.mark.parametrize("name", ["../evil", "/evil"])
def test_a_member_outside_the_folder_does_not_get_there(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "m.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    out = tmp_path / "deep" / "out"
    try:
        unpack(archive, out, max_mb=1)
    except InputError as error:
        assert "stay inside" in str(error)
    assert not Path("/evil").exists()
    assert not (tmp_path / "deep" / "evil").exists()


@pytest.mark.parametrize(("max_mb", "fits"), [(2.0, True), (1.0, True), (0.99, False)])
def test_the_unpacked_size_is_limited(tmp_path: Path, max_mb: float, fits: bool) -> None:
    archive = pack(folder_with(tmp_path / "a", x="0" * 2**20), tmp_path / "m.tar.gz")
    if fits:
        unpack(archive, tmp_path / "out", max_mb=max_mb)
    else:
        with pytest.raises(InputError, match="too large when unpacked"):
            unpack(archive, tmp_path / "out", max_mb=max_mb)
