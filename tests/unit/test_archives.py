"""The same content packs to the same bytes; nothing unpacks outside its folder."""

from __future__ import annotations

import errno
import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from seatrial import archives
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


def write(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a link to"),
        (tarfile.LNKTYPE, "a link to"),
        (tarfile.CHRTYPE, "no plain file"),
        (tarfile.BLKTYPE, "no plain file"),
        (tarfile.FIFOTYPE, "no plain file"),
    ],
)
@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "x"])
def test_what_is_no_file_is_refused(kind: bytes, said: str, target: str, tmp_path: Path) -> None:
    archive = write(tmp_path / "m.tar.gz", (member("x"), b"1"), (member("evil", kind, target), b""))
    with pytest.raises(InputError, match=said):
        unpack(archive, tmp_path / "out", max_mb=1)
    assert not (tmp_path / "out").exists()


def test_writing_through_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    archive = write(
        tmp_path / "m.tar.gz",
        (member("inner", tarfile.SYMTYPE, str(tmp_path / "elsewhere")), b""),
        (member("inner/evil"), b"x"),
    )
    with pytest.raises(InputError, match="a link to"):
        unpack(archive, tmp_path / "out", max_mb=1)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("names", [("x", "x"), ("x", "./x"), ("d/x", "d//x")])
def test_a_name_twice_is_refused(names: tuple[str, str], tmp_path: Path) -> None:
    archive = write(tmp_path / "m.tar.gz", *((member(name), b"1") for name in names))
    with pytest.raises(InputError, match="twice"):
        unpack(archive, tmp_path / "out", max_mb=1)


@pytest.mark.parametrize(("count", "fits"), [(4, True), (5, True), (6, False)])
def test_the_number_of_members_is_limited(
    count: int, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5)
    archive = write(tmp_path / "m.tar.gz", *((member(str(i)), b"") for i in range(count)))
    if fits:
        unpack(archive, tmp_path / "out", max_mb=1)
    else:
        with pytest.raises(InputError, match="more than 5 members"):
            unpack(archive, tmp_path / "out", max_mb=1)


class Zeros(io.RawIOBase):
    """That many zero bytes, out of nothing."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        given = min(self._left, size if size >= 0 else self._left)
        self._left -= given
        return bytes(given)


def bomb(path: Path, size_mb: int) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        large = member("zeros")
        large.size = size_mb * 2**20
        tar.addfile(large, Zeros(large.size))
    return path


def test_a_bomb_is_stopped_before_it_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "RATIO_MATTERS_MB", 4)
    archive = bomb(tmp_path / "m.tar.gz", 40)
    written: list[int] = []
    monkeypatch.setattr(
        archives.shutil, "rmtree", lambda path, **_: written.append(folder_size(path))
    )
    with pytest.raises(InputError, match="grows too much when unpacked"):
        unpack(archive, tmp_path / "out", max_mb=100)
    assert written[0] < 40 * 2**20


def folder_size(folder: Path) -> int:
    return sum(item.stat().st_size for item in folder.rglob("*") if item.is_file())


def test_a_header_that_says_less_than_there_is_does_not_hide_a_bomb(tmp_path: Path) -> None:
    archive = tmp_path / "m.tar.gz"
    with gzip.open(archive, "wb", compresslevel=1) as raw:
        huge = tarfile.TarInfo("name")
        huge.type, huge.size = tarfile.GNUTYPE_LONGNAME, 2**30
        raw.write(huge.tobuf(tarfile.GNU_FORMAT))
        raw.write(bytes(2**22))
    with pytest.raises(InputError, match=r"a header of 10\d+ bytes"):
        unpack(archive, tmp_path / "out", max_mb=2000)


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "m.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        sparse = member("sparse")
        sparse.size = 3
        sparse.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.size": "1000",
            "GNU.sparse.map": "0,3",
            "GNU.sparse.numblocks": "1",
        }
        tar.addfile(sparse, io.BytesIO(b"abc"))
    with pytest.raises(InputError, match="no plain file"):
        unpack(archive, tmp_path / "out", max_mb=1)


def test_what_was_in_the_folder_stays_if_an_archive_is_refused(tmp_path: Path) -> None:
    out = folder_with(tmp_path / "out", kept="1")
    archive = write(tmp_path / "m.tar.gz", (member("x"), b"1"), (member("y", tarfile.SYMTYPE), b""))
    with pytest.raises(InputError):
        unpack(archive, out, max_mb=1)
    assert [item.name for item in out.iterdir()] == ["kept"]


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_and_nothing_is_left_half_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(folder_with(tmp_path / "a", x="1"), tmp_path / "m.tar.gz")
    monkeypatch.setattr(tarfile, "copyfileobj", full_disk)
    with pytest.raises(InputError, match=r"the disk is full.*TMPDIR"):
        unpack(archive, tmp_path / "out", max_mb=1)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_told_and_no_half_archive_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_with(tmp_path / "a", x="1")
    archive = pack(folder, tmp_path / "out" / "m.tar.gz")
    before = archive.read_bytes()
    monkeypatch.setattr(tarfile, "copyfileobj", full_disk)
    with pytest.raises(InputError, match="the disk is full"):
        pack(folder, archive)
    assert [item.name for item in archive.parent.iterdir()] == ["m.tar.gz"]
    assert archive.read_bytes() == before


def test_a_link_inside_the_folder_is_packed_as_its_file(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", x="1")
    (folder / "y").symlink_to("x")
    (folder / "z").hardlink_to(folder / "x")
    out = unpack(pack(folder, tmp_path / "m.tar.gz"), tmp_path / "out", max_mb=1)
    assert [(item.name, item.read_text()) for item in sorted(out.iterdir())] == [
        ("x", "1"),
        ("y", "1"),
        ("z", "1"),
    ]


def test_a_link_out_of_the_folder_is_not_packed(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", x="1")
    (tmp_path / "secret").write_text("s")
    (folder / "y").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="y, a link to"):
        pack(folder, tmp_path / "m.tar.gz")
