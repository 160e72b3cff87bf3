"""QUALITY_GUARD and UNSAFE_ARTIFACT: it predicts what the original does, and runs no code."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import Check
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import Setting

SHOWN = 3


def quality(facts: Facts, _: Setting) -> Iterator[Check]:
    """QUALITY_GUARD: the candidate still predicts what the original does."""
    exact = facts.candidate.exact
    found = facts.candidate.agreement
    seen = (
        "its predictions were not compared with the original's"
        if found is None
        else f"{found.rows} validation rows; largest deviation {found.max_deviation:.2g}"
    )
    check = at_most(
        "QUALITY_GUARD",
        None if found is None else found.scaled_deviation,
        facts.config.guards.deviation(exact=exact).max_mean_deviation,
        "mean deviation",
        "objective",
        detail=facts.candidate.rejection or seen,
        fix="Use the less optimised candidate, or widen guards.*",
    )
    if facts.candidate.rejection is not None:
        check = check.model_copy(update={"status": "fail", "fix": "Convert another model type"})
    yield check


def unsafe_artifact(facts: Facts, _: Setting) -> Iterator[Check]:
    """UNSAFE_ARTIFACT: the archive unpacks safely and holds no pickle.

    A warning if the model was made from a pickle that only the user's word vouches for: what it
    became holds none, but it is no better than its source.
    """
    archive, origin = facts.archive, facts.optimization.origin
    problems = None
    detail = f"{facts.candidate.archive or 'its archive'} is not there"
    if archive is not None:
        problems = len(archive.pickles) + (archive.problem is not None)
        found = ", ".join(archive.pickles[:SHOWN])
        detail = archive.problem or (f"pickles: {found}" if found else "plain files, no pickle")
    check = at_most(
        "UNSAFE_ARTIFACT",
        problems,
        0,
        "findings",
        "objective",
        detail=detail,
        fix="Put the archive back beside optimization.json: seatrial optimize"
        if archive is None
        else "Save the model as ONNX, or leave the file out: loading a pickle runs code",
    )
    if check.status == "pass" and origin is not None and origin.trusted_by == "user":
        update = {
            "status": "warn",
            "detail": f"made from a {origin.source_format} that was trusted by name",
            "fix": "Save the source with serialization_format='skops'",
        }
        check = check.model_copy(update=update)
    yield check
