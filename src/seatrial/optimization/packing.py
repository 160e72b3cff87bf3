"""Archives of what goes on: the survivors, and fp32 in any case, for the baseline's sake."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from seatrial.archives import pack
from seatrial.aws import sha256_of
from seatrial.contracts import MB, Candidate
from seatrial.errors import InputError
from seatrial.optimization.selection import BASE


def pack_survivors(
    candidates: Sequence[Candidate], folders: Mapping[str, Path], output: Path
) -> tuple[Candidate, ...]:
    """The candidates with `output`/NAME/model.tar.gz where they go on.

    If the disk is full, that candidate is rejected, and the others go on with what is there.
    """
    output.mkdir(parents=True, exist_ok=True)  # the reasons go there, though nothing is packed
    for name in folders:  # of an earlier answer
        shutil.rmtree(output / name, ignore_errors=True)
    return tuple(_pack(item, folders.get(item.name), output) for item in candidates)


def _pack(candidate: Candidate, folder: Path | None, output: Path) -> Candidate:
    if folder is None or not (candidate.survivor or candidate.name == BASE):
        return candidate
    target = output / candidate.name
    try:
        archive = pack(folder, target / "model.tar.gz")
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or candidate.name == BASE:
            raise
        reason = f"could not be packed: the disk is full ({error.strerror})"
        return candidate.model_copy(update={"rejection": reason})
    found = {
        "archive": archive.relative_to(output).as_posix(),
        "archive_sha256": sha256_of(archive),
        "archive_size_mb": archive.stat().st_size / MB,
    }
    return candidate.model_copy(update=found)


@contextmanager
def disk_full_is_told(output: Path) -> Iterator[None]:
    """A full disk is for the user to mend; which of the files met it does not matter."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free_mb = shutil.disk_usage(_existing(output)).free // 2**20
        raise InputError(
            "the disk is full",
            got=f"{free_mb} MB left beside {output}",
            allowed="room for some copies of the model, there and where temporary files go",
            do="Make room, or set TMPDIR to a larger disk",
        ) from error


def _existing(path: Path) -> Path:
    return next(item for item in (path, *path.absolute().parents) if item.exists())
