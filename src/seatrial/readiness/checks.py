"""What a check is made of: a measured figure against a limit."""

from __future__ import annotations

from seatrial.contracts import Check, Source


def at_most(
    code: str,
    measured: float | None,
    limit: float,
    unit: str,
    source: Source,
    *,
    detail: str,
    fix: str,
    over: str = "fail",
) -> Check:
    """Pass up to and including `limit`; `over` beyond it; unknown if nothing was measured."""
    status = "unknown" if measured is None else "pass" if measured <= limit else over
    return Check.model_validate(
        {
            "code": code,
            "status": status,
            "measured": measured,
            "limit": limit,
            "unit": unit,
            "source": source,
            "detail": detail,
            "fix": fix if status != "pass" else "",
        }
    )
