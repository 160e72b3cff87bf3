"""The router's configuration: targets, which request goes where, and when real-time takes over.

    {
      "targets": {
        "serverless": {"endpoint": "flights"},
        "warm": {"endpoint": "flights-warm", "at_once": 2},
        "real-time": {"endpoint": "flights-instance"}
      },
      "routes": {"latency-sensitive": ["warm", "serverless"], "other": ["serverless", "warm"]},
      "switch": {"to": "real-time", "requests_a_month": 2600000}
    }

`seatrial router` writes one, with the crossover that `seatrial cost --curve` found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from seatrial.errors import ConfigError


@dataclass(frozen=True)
class Target:
    """An endpoint, and how many of this router's requests it may have in flight; None: any.

    For provisioned concurrency give that: what is over goes on to the next target instead of
    starting cold. Several routers share it, so each gets its part.
    """

    endpoint: str
    at_once: int | None = None

    def __post_init__(self) -> None:
        if self.at_once is not None and self.at_once < 1:
            raise _wrong(f"at_once of {self.endpoint}", self.at_once, "1 or more, or left out")


@dataclass(frozen=True)
class Switch:
    """Above `requests_a_month` all routes begin with `to`, below it they do not.

    The rate is this router's own, over the last `window_s`. It switches on over the crossover and a
    margin, off below it and a margin, and not twice within `hold_s`: a real-time endpoint is paid
    by the hour, and whoever starts and stops it needs the time. The router does neither.
    """

    to: str
    requests_a_month: float
    margin_ratio: float = 0.2
    window_s: float = 300.0
    hold_s: float = 900.0

    def __post_init__(self) -> None:
        if self.requests_a_month <= 0:
            raise _wrong("switch.requests_a_month", self.requests_a_month, "over 0")
        if not 0 <= self.margin_ratio < 1:
            raise _wrong("switch.margin_ratio", self.margin_ratio, "0 to 1")
        if self.window_s <= 0 or self.hold_s < 0:
            raise _wrong("switch.window_s and hold_s", (self.window_s, self.hold_s), "seconds")


@dataclass(frozen=True)
class Settings:
    """Targets by name, and for each route the targets in the order in which they are asked."""

    targets: Mapping[str, Target]
    routes: Mapping[str, tuple[str, ...]]
    switch: Switch | None = None

    def __post_init__(self) -> None:
        if not self.routes or not all(self.routes.values()):
            raise _wrong("the routes", dict(self.routes), "a target or more for each")
        named = {name for route in self.routes.values() for name in route}
        named |= set() if self.switch is None else {self.switch.to}
        if unknown := named - set(self.targets):
            raise _wrong("the targets", sorted(unknown), f"{', '.join(self.targets)}")

    def to_json(self) -> str:
        """The configuration as a file holds it."""
        return json.dumps(asdict(self), indent=2) + "\n"


def read_settings(path: Path | str) -> Settings:
    """The configuration in a JSON file; ConfigError says what is wrong with it."""
    try:
        return parse_settings(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(
            "cannot read the router's configuration",
            got=f"{path}: {error}",
            allowed="a JSON file",
            do="Write one with seatrial router",
        ) from error


def parse_settings(document: Any) -> Settings:
    """The configuration of a JSON document."""
    top = _known(document, Settings, "the router's configuration")
    targets = _mapping(top.get("targets"), "targets")
    routes = _mapping(top.get("routes"), "routes")
    switch = top.get("switch")
    try:
        return Settings(
            {name: Target(**_known(value, Target, name)) for name, value in targets.items()},
            {name: tuple(names) for name, names in routes.items()},
            None if switch is None else Switch(**_known(switch, Switch, "switch")),
        )
    except TypeError as error:  # a key is missing, or of another type
        raise _wrong("the router's configuration", str(error), "see seatrial.router") from error


def _known(value: Any, kind: type[Any], where: str) -> dict[str, Any]:
    names = [field.name for field in fields(kind)]
    found = _mapping(value, where)
    if unknown := set(found) - set(names):
        raise _wrong(f"the keys of {where}", sorted(unknown), ", ".join(names))
    return found


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, value, "a JSON object")
    return value


def _wrong(what: str, got: object, allowed: str) -> ConfigError:
    return ConfigError(
        f"{what} cannot be used", got=got, allowed=allowed, do="Correct the router's configuration"
    )
