"""PAYLOAD_REQUEST, PAYLOAD_RESPONSE, IMAGE_SIZE, IMAGE_TARGET, IMAGE_BYTECODE, ARTIFACT_DISK."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import Check
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import Setting


def payloads(facts: Facts, _: Setting) -> Iterator[Check]:
    """PAYLOAD_REQUEST and PAYLOAD_RESPONSE: the largest request, and its answer, fit."""
    limit, items = facts.limits.payload_mb.value, facts.measured.payloads
    requests = [(item.request_mb, item.rows) for item in items]
    answers = [(item.response_mb, item.rows) for item in items if item.response_mb is not None]
    whole = bool(answers) and len(answers) == len(items)
    yield at_most(
        "PAYLOAD_REQUEST",
        max(requests)[0] if requests else None,
        limit,
        "MB",
        "service limit",
        detail=f"largest of {len(items)} sample payloads",
        fix=_fewer_rows(requests, limit),
    )
    yield at_most(
        "PAYLOAD_RESPONSE",
        max(answers)[0] if whole else None,
        limit,
        "MB",
        "service limit",
        detail=f"largest of {len(answers)} answers to {len(items)} sample payloads",
        fix=f"{_fewer_rows(answers, limit)}, or ask for CSV answers",
    )


def _fewer_rows(sizes: list[tuple[float, int]], limit_mb: float) -> str:
    """Rows of the size that the largest has on average; none of it is fixed for all rows."""
    largest_mb, rows = max(sizes, default=(0.0, 0))
    fits = int(rows * limit_mb / largest_mb) if largest_mb else 0
    return f"Send at most {fits} rows a request" if fits else "Send less a request"


def image(facts: Facts, _: Setting) -> Iterator[Check]:
    """IMAGE_SIZE; IMAGE_TARGET and IMAGE_BYTECODE only warn: they make cold starts slow."""
    size, how = facts.profile.image_size_mb, facts.profile.image_size_method
    limit, target = facts.limits.image_mb.value, facts.config.objectives.image_target_mb
    yield at_most(
        "IMAGE_SIZE", size, limit, "MB", "service limit", detail=how, fix=_leave_out(size, limit)
    )
    yield at_most(
        "IMAGE_TARGET",
        size,
        target,
        "MB",
        "objective",
        detail=how,
        fix=_leave_out(size, target),
        over="warn",
    )
    uncompiled = facts.profile.uncompiled_modules
    yield at_most(
        "IMAGE_BYTECODE",
        uncompiled,
        0,
        "modules",
        "objective",
        detail="modules that the server compiles again at every cold start"
        if uncompiled is not None
        else "the profile does not say what the server imports",
        fix="Compile them into the image: python -m compileall, or uv pip install "
        "--compile-bytecode",
        over="warn",
    )


def _leave_out(size_mb: float | None, limit_mb: float) -> str:
    over = "" if size_mb is None or size_mb <= limit_mb else f"{size_mb - limit_mb:.0f} MB of "
    return f"Leave out {over}what serving does not import"


def disk(facts: Facts, _: Setting) -> Iterator[Check]:
    """ARTIFACT_DISK: archive and unpacked model are on the disk together."""
    used, limit = (
        facts.measured.archive_size_mb + facts.measured.unpacked_size_mb,
        facts.limits.disk_mb.value,
    )
    yield at_most(
        "ARTIFACT_DISK",
        used,
        limit,
        "MB",
        "service limit",
        detail="archive and unpacked model together",
        fix=f"Make the model {max(used - limit, 0):.0f} MB smaller",
    )
