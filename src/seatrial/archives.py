"""Pack folders as model.tar.gz, the same bytes for the same content, and unpack them safely."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path

from seatrial.contracts import MB
from seatrial.errors import InputError


def pack(folder: Path, archive: Path) -> Path:
    """Pack the contents of `folder` as .tar.gz; owners, times and modes are left out."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for path in sorted(item for item in folder.rglob("*") if item.is_file()):
            tar.add(path, path.relative_to(folder).as_posix(), filter=_anonymous)
    return archive


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime, member.mode = 0, 0o644
    return member


def unpack(archive: Path, folder: Path, *, max_mb: float) -> Path:
    """Unpack `archive` into `folder` with tarfile's `data` filter: nothing outside, no devices.

    InputError if it is damaged, reaches outside the folder, or holds more than `max_mb`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            size_mb = sum(member.size for member in tar) / MB
            if size_mb > max_mb:
                raise InputError(
                    f"{archive.name} is too large when unpacked",
                    got=f"{size_mb:.0f} MB",
                    allowed=f"{max_mb:.0f} MB",
                    do="Make the model smaller",
                )
            tar.extractall(folder, filter="data")
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise InputError(
            f"cannot unpack {archive.name}",
            got=f"{type(error).__name__}: {error}",
            allowed="a whole .tar.gz whose members stay inside their folder",
            do="Build and upload the archive again",
        ) from error
    return folder
