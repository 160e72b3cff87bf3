"""Every error that the server raises on purpose.

ServingError
├── StartError       the server cannot start: its model, its settings or its port
├── RequestError     a request, or a column of it, that cannot be answered; becomes a 4xx
└── PredictionError  the model itself failed; becomes a 500

They are not seatrial.errors': the container's image holds nothing of seatrial but this package.
"""

from __future__ import annotations

from typing import Any

_MAX_SHOWN = 100


class ServingError(Exception):
    """Say what happened, the value seen, what is allowed, and the next thing to do."""

    def __init__(self, what: str, *, got: object, allowed: object, do: str) -> None:
        self.what, self.got, self.allowed, self.do = what, shown(got), str(allowed), do
        super().__init__(f"{what}: got {self.got}, allowed {allowed}. {do}")


class StartError(ServingError):
    """The server cannot start: its model, its settings or its port."""


class PredictionError(ServingError):
    """The model itself failed on values that it should take."""


class RequestError(ServingError):
    """A request that cannot be answered; `row` counts the rows of data from 0."""

    def __init__(
        self,
        what: str,
        *,
        got: object,
        allowed: object,
        do: str,
        status: int = 400,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(what, got=got, allowed=allowed, do=do)
        self.status, self.row, self.column = status, row, column


def error_body(error: ServingError) -> dict[str, Any]:
    """The error as the JSON that the caller gets."""
    where: dict[str, int | str] = {}
    if isinstance(error, RequestError):
        if error.row is not None:
            where["row"] = error.row
        if error.column is not None:
            where["column"] = error.column
    return {
        "error": {
            "what": error.what,
            **({"where": where} if where else {}),
            "got": error.got,
            "allowed": error.allowed,
            "do": error.do,
        }
    }


def shown(value: object) -> str:
    """The value as it may stand in a message: its repr, cut short."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
