"""What of each request is recorded: SEATRIAL_RECORD and its companions.

SEATRIAL_RECORD               both (default), request, response, or off
SEATRIAL_RECORD_SAMPLE_RATE   the share of requests, 0 to 1; our own traffic is always recorded
SEATRIAL_RECORD_DROP          input columns that are left out, comma-separated
SEATRIAL_RECORD_HASH          input columns whose values are replaced by a keyed hash
SEATRIAL_RECORD_HASH_KEY      the key, at least 16 characters
SEATRIAL_RECORD_FAILURE       refuse (default) or serve what cannot be recorded
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from seatrial.serving.errors import StartError

# At what is recorded, whether the request and whether the response is.
_PARTS = {
    "both": (True, True),
    "request": (True, False),
    "response": (False, True),
    "off": (False, False),
}
_FAILURES = {"refuse": False, "serve": True}
_LEAST_KEY_CHARACTERS = 16


class Recording(NamedTuple):
    """`serve_unrecorded`: a prediction whose record cannot be written is given all the same."""

    request: bool = True
    response: bool = True
    sample_rate: float = 1.0
    dropped: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    hash_key: bytes = b""
    serve_unrecorded: bool = False

    def wants(self, event_id: str, *, synthetic: bool) -> bool:
        """True if the event is to be recorded; the event's id alone decides on the sample."""
        if not (self.request or self.response):
            return False
        if synthetic or self.sample_rate >= 1:
            return True
        import hashlib

        digest = hashlib.blake2b(event_id.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.sample_rate * 2**64

    @property
    def redacts(self) -> bool:
        """True if some columns may not stand in a record as they are."""
        return bool(self.dropped or self.hashed)

    @property
    def marks(self) -> dict[str, Any]:
        """What a reader has to know: goes into the record's `seatrial` block."""
        marks: dict[str, Any] = {}
        if self.sample_rate < 1:
            marks["sample_rate"] = self.sample_rate
        if self.dropped:
            marks["dropped"] = list(self.dropped)
        if self.hashed:
            marks["hashed"] = list(self.hashed)
        return marks

    def require_columns(self, names: Collection[str]) -> None:
        """StartError if it names a column that the model does not have: it would protect none."""
        for name in (*self.dropped, *self.hashed):
            if name not in names:
                raise StartError(
                    "SEATRIAL_RECORD_DROP or SEATRIAL_RECORD_HASH names no input of the model",
                    got=name,
                    allowed=", ".join(names),
                    do="Correct the name",
                )


def read_recording(environment: Mapping[str, str]) -> Recording:
    """The configuration; StartError for a value that is none, or a hash without a key."""
    request, response = _choice(environment, "SEATRIAL_RECORD", _PARTS, "both")
    dropped = _names(environment, "SEATRIAL_RECORD_DROP")
    hashed = _names(environment, "SEATRIAL_RECORD_HASH")
    both = sorted(set(dropped) & set(hashed))
    if both:
        raise StartError(
            "a column cannot be both dropped and hashed",
            got=", ".join(both),
            allowed="each column in SEATRIAL_RECORD_DROP or SEATRIAL_RECORD_HASH",
            do="Take it out of one of them",
        )
    return Recording(
        request=request,
        response=response,
        sample_rate=_share(environment, "SEATRIAL_RECORD_SAMPLE_RATE"),
        dropped=dropped,
        hashed=hashed,
        hash_key=_key(environment) if hashed else b"",
        serve_unrecorded=_choice(environment, "SEATRIAL_RECORD_FAILURE", _FAILURES, "refuse"),
    )


def _choice(environment: Mapping[str, str], name: str, known: Mapping[str, Any], usual: str) -> Any:
    value = environment.get(name, "").strip() or usual
    if value not in known:
        raise StartError(
            f"{name} cannot be used",
            got=value,
            allowed=", ".join(known),
            do="Correct the environment variable, or leave it out",
        )
    return known[value]


def _names(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    names = (part.strip() for part in environment.get(name, "").split(","))
    return tuple(dict.fromkeys(part for part in names if part))


def _share(environment: Mapping[str, str], name: str) -> float:
    text = environment.get(name, "").strip() or "1"
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise StartError(
            f"{name} cannot be used",
            got=text,
            allowed="a number from 0 to 1",
            do="Correct the environment variable, or leave it out",
        )
    return share


def _key(environment: Mapping[str, str]) -> bytes:
    key = environment.get("SEATRIAL_RECORD_HASH_KEY", "")
    if len(key) < _LEAST_KEY_CHARACTERS:
        raise StartError(
            "SEATRIAL_RECORD_HASH needs a key",
            got=f"SEATRIAL_RECORD_HASH_KEY of {len(key)} characters",
            allowed=f"at least {_LEAST_KEY_CHARACTERS}: short texts can be found by trying",
            do="Set SEATRIAL_RECORD_HASH_KEY to a secret, and keep it",
        )
    return key.encode()
