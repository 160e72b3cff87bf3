"""What a server does that breaks on serverless, one check each.

A container answers /ping and /invocations on port 8080, and gets requests once /ping says 200:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html.
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
SERVICE_PORT = 8080


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


def early_ready(facts: Facts, _: Setting) -> Iterator[Check]:
    """READY_EARLY: a sandbox gets requests from the first 200 of /ping on."""
    found = facts.measured.behaviour.early_ready
    yield at_most(
        "READY_EARLY",
        found,
        0,
        "early pings",
        "service limit",
        detail=_why(facts)
        if found is None
        else "/ping said 200 before a prediction worked, and the first requests of a cold start "
        "get an error"
        if found
        else "a prediction worked as soon as /ping said 200",
        fix="Answer /ping with 503 until the model is loaded and has predicted once",
    )


def listening_ports(facts: Facts, _: Setting) -> Iterator[Check]:
    """LISTENING_PORTS (a warning): nothing from outside reaches another port than 8080."""
    found = facts.measured.behaviour.listening_ports
    # It answers there: where that socket is not seen, others may be missed as well.
    seen = found is not None and SERVICE_PORT in found
    others = [str(port) for port in found or () if port != SERVICE_PORT]
    yield at_most(
        "LISTENING_PORTS",
        len(others) if seen else None,
        0,
        "ports",
        "service limit",
        detail=_named(facts, others if seen else None, f"TCP ports beside {SERVICE_PORT}"),
        fix="Turn off what listens there (management, metrics, debugging): the service calls "
        f"{SERVICE_PORT} only, and each sandbox starts it and keeps it in memory",
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
