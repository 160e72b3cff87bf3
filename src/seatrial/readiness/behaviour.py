"""WORKER_COUNT, WRITES_OUTSIDE_TMP, SHARED_MEMORY and STARTUP_NETWORK: what breaks on serverless.

AWS's troubleshooting page has the failing /ping of a server that writes where it may not:
https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-troubleshooting.html. That
there is no /dev/shm is documented for Lambda only (sagemaker-python-sdk#2844), and assumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seatrial.contracts import Check
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import Setting

SHOWN = 3


def workers(facts: Facts, _: Setting) -> Iterator[Check]:
    """WORKER_COUNT (a warning): a sandbox gets one request at a time, so one worker is enough.

    So is one copy of the model, in whatever process.
    """
    seen = facts.measured.behaviour
    found = facts.measured.processes if seen.workers is None else seen.workers
    copies = "" if seen.model_copies is None else f"; {seen.model_copies} hold a copy of the model"
    yield at_most(
        "WORKER_COUNT",
        found if found is None else max(found, seen.model_copies or 1),
        1,
        "processes",
        "service limit",
        detail=("processes of the server while idle" if seen.workers is None else "workers")
        + copies,
        fix="Start one worker process",
        over="warn",
    )


def writes(facts: Facts, _: Setting) -> Iterator[Check]:
    """WRITES_OUTSIDE_TMP: only /tmp is sure to be writable."""
    found = facts.measured.behaviour.writes_outside
    yield at_most(
        "WRITES_OUTSIDE_TMP",
        None if found is None else len(found),
        0,
        "files",
        "service limit",
        detail=_named(facts, found, "files outside of /tmp"),
        fix="Write to /tmp, or let the image's user write there: RUN chmod o+rwX <path>",
    )


def shared_memory(facts: Facts, _: Setting) -> Iterator[Check]:
    """SHARED_MEMORY: nothing lives in /dev/shm."""
    used = facts.measured.behaviour.shared_memory_mb
    yield at_most(
        "SHARED_MEMORY",
        used,
        0,
        "MB",
        "service limit",
        detail=_why(facts)
        if used is None
        else "in /dev/shm; assumed not to be there, as on Lambda",
        fix="Load data in the process itself (num_workers=0), and keep temporary files in /tmp",
    )


def network(facts: Facts, _: Setting) -> Iterator[Check]:
    """STARTUP_NETWORK (a warning): what is fetched at start-up is fetched at every cold start."""
    found = facts.measured.behaviour.startup_connections
    yield at_most(
        "STARTUP_NETWORK",
        None if found is None else len(found),
        0,
        "addresses",
        "objective",
        detail=_named(facts, found, "addresses reached for before /ping said 200"),
        fix="Pack into the archive what the server fetches",
        over="warn",
    )


def _named(facts: Facts, found: Sequence[str] | None, what: str) -> str:
    if found is None:
        return _why(facts)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{what}: {', '.join(found[:SHOWN]) or 'none'}{more}"


def _why(facts: Facts) -> str:
    """Why it could not be seen, as far as the profile says."""
    return "; ".join(facts.measured.behaviour.why) or "the profile does not say"
