"""The model archive, unpacked: regular files and folders only, within the disk limit."""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path

from seatrial.contracts import MB

_CHUNK_BYTES = MB


class ArchiveError(Exception):
    """The archive cannot be unpacked; nothing of it is to be used."""


def unpack(archive: bytes, folder: Path, *, disk_mb: int) -> None:
    """Unpack a `.tar.gz` into `folder`; ArchiveError if broken, unsafe or too large."""
    folder.mkdir(parents=True, exist_ok=True)
    left = disk_mb * MB
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
            for member in members:
                path = _safe_path(member, folder)
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                else:
                    left -= member.size
                    if left < 0:
                        raise ArchiveError(f"it unpacks to more than {disk_mb} MB")
                    _write(members, member, path)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ArchiveError(f"{type(error).__name__}: {error}") from error


def _safe_path(member: tarfile.TarInfo, folder: Path) -> Path:
    path = (folder / member.name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ArchiveError(f"{member.name!r} is outside of the archive's folder")
    if not (member.isreg() or member.isdir()):
        raise ArchiveError(f"{member.name!r} is neither a file nor a folder")
    return path


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = members.extractfile(member)
    assert source is not None  # noqa: S101 - it is a regular file
    written = 0
    with source, path.open("wb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            written += target.write(chunk)
    if written != member.size:
        raise ArchiveError(f"{member.name!r} is cut short: {written} of {member.size} bytes")
