"""Pack folders as model.tar.gz, the same bytes for the same content, and unpack them safely."""

from __future__ import annotations

import errno
import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import IO, cast

from seatrial.contracts import MB
from seatrial.errors import InputError

MAX_MEMBERS = 10_000
# An archive that grows more than so many times is a bomb, once it is large enough to matter:
# weights shrink to a half, text to a tenth, and gzip cannot do better than 1 : 1032.
MAX_RATIO = 200
RATIO_MATTERS_MB = 64
# tarfile reads the names of a member at once, and its content in pieces of less than this.
LARGEST_READ = MB


def pack(folder: Path, archive: Path) -> Path:
    """Pack the contents of `folder` as .tar.gz, whole or not at all.

    Owners, times and modes are left out. A link is packed as the file it points to; InputError if
    that is outside the folder.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(archive.name + ".partial")
    files = sorted(item for item in folder.rglob("*") if item.is_file())
    _require_inside(folder, files)
    try:
        with (
            _disk_full_told(archive),
            partial.open("wb") as raw,
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w", dereference=True) as tar,
        ):
            for path in files:
                tar.add(path, path.relative_to(folder).as_posix(), filter=_anonymous)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)
    return archive


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without what differs between machines; a second name of a file becomes a file again."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime, member.mode = 0, 0o644
    return member


def _require_inside(folder: Path, files: list[Path]) -> None:
    home = folder.resolve()
    for path in files:
        if not path.resolve().is_relative_to(home):
            raise InputError(
                f"{folder} cannot be packed",
                got=f"{path.relative_to(folder)}, a link to {path.resolve()}",
                allowed="files, and links to files, inside the folder",
                do="Put the file itself there",
            )


def unpack(archive: Path, folder: Path, *, max_mb: float) -> Path:
    """Unpack `archive` into `folder`: plain files and folders, whole or not at all.

    InputError if it is damaged, reaches outside the folder, holds links, devices or a name twice,
    or more than `max_mb` or more members than a model has; that is told before it fills the disk.
    """
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(prefix=".unpacking-", dir=folder))
    try:
        with _disk_full_told(folder), _damage_told(archive):
            _extract(archive, partial, max_mb)
            for path in partial.iterdir():
                path.replace(folder / path.name)
    except BaseException:
        shutil.rmtree(partial if existed else folder, ignore_errors=True)
        raise
    partial.rmdir()
    return folder


def _extract(archive: Path, folder: Path, max_mb: float) -> None:
    seen: set[PurePosixPath] = set()
    total_mb = 0.0
    with gzip.open(archive, "rb") as unzipped:
        metered = cast(IO[bytes], _Metered(archive, unzipped, max_mb))
        tar = tarfile.open(fileobj=metered, mode="r:")  # noqa: SIM115 - gzip has the file
        for member in tar:
            total_mb += member.size / MB
            if total_mb > max_mb:
                raise _too_large(archive, total_mb, max_mb)
            _require_plain(archive, member, seen)
            tar.extract(member, folder, filter="data")


def _require_plain(archive: Path, member: tarfile.TarInfo, seen: set[PurePosixPath]) -> None:
    name = PurePosixPath(member.name)
    reason = None
    if len(seen) >= MAX_MEMBERS:
        reason = f"more than {MAX_MEMBERS} members"
    elif member.issym() or member.islnk():
        reason = f"{member.name}, a link to {member.linkname}"
    elif not (member.isreg() or member.isdir()) or member.issparse():
        reason = f"{member.name}, which is no plain file"
    elif name in seen and not member.isdir():
        reason = f"{member.name} twice"
    if reason is not None:
        raise InputError(
            f"{archive.name} is not to be unpacked",
            got=reason[:300],
            allowed=f"at most {MAX_MEMBERS} plain files and folders, each name once",
            do="Build the archive again from the model's own files",
        )
    seen.add(name)


class _Metered:
    """What gzip unpacks, read from front to end, and no further than is allowed."""

    def __init__(self, archive: Path, unzipped: gzip.GzipFile, max_mb: float) -> None:
        self._archive, self._unzipped, self._max_mb = archive, unzipped, max_mb
        self._packed_mb = archive.stat().st_size / MB

    def tell(self) -> int:
        return self._unzipped.tell()

    def read(self, size: int) -> bytes:
        if size > LARGEST_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        piece = self._unzipped.read(size)
        unpacked_mb = self.tell() / MB
        # Members come in blocks with a header each; max_mb is about what they hold.
        if unpacked_mb > self._max_mb + MAX_MEMBERS * 2048 / MB + 1:
            raise _too_large(self._archive, unpacked_mb, self._max_mb)
        if unpacked_mb > max(RATIO_MATTERS_MB, MAX_RATIO * self._packed_mb):
            raise InputError(
                f"{self._archive.name} grows too much when unpacked",
                got=f"{unpacked_mb:.0f} MB from {self._packed_mb:.2f}",
                allowed=f"at most {MAX_RATIO} times its size",
                do="Build the archive again from the model's own files",
            )
        return piece

    def seek(self, position: int, whence: int = 0) -> int:
        """Forwards only: all of it goes through the meter."""
        if whence != 0 or position < self.tell():
            raise tarfile.StreamError("seeking backwards")
        while self.tell() < position:
            if not self.read(min(LARGEST_READ, position - self.tell())):
                break
        return self.tell()


def _too_large(archive: Path, size_mb: float, max_mb: float) -> InputError:
    return InputError(
        f"{archive.name} is too large when unpacked",
        got=f"{size_mb:.0f} MB",
        allowed=f"{max_mb:.0f} MB",
        do="Make the model smaller",
    )


@contextmanager
def _damage_told(archive: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError, OverflowError) as error:
        raise InputError(
            f"cannot unpack {archive.name}",
            got=f"{type(error).__name__}: {error}",
            allowed="a whole .tar.gz whose members stay inside their folder",
            do="Build and upload the archive again",
        ) from error


@contextmanager
def _disk_full_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, InputError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"the disk is full: {path} cannot be written",
                got=str(cause),
                allowed="room for the model, packed and unpacked",
                do="Free some space, or set TMPDIR to where there is some",
            ) from error
        raise
