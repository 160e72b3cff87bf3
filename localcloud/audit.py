"""Who did what: role credentials for what runs inside of the cloud, and a record of their calls.

AWS checks each call against the role's policy; here nothing is refused, but each call of a role is
kept as the IAM action that AWS would check, so that a test can. What a service does with a role
(Firehose writes, a rule starts a pipeline) is kept too, though no request of it comes in.
"""

from __future__ import annotations

import secrets
import string
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

_KEY_LETTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class Access:
    """One thing that IAM would check: may the caller do `action` to `resource`?

    `context` holds the condition keys that come with it.
    """

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Keys:
    """Credentials of a role."""

    access_key_id: str
    secret_access_key: str
    session_token: str


class Audit:
    """Safe to use from several threads. `elsewhere` finds the role of a key that STS gave."""

    def __init__(self, elsewhere: Callable[[str], str | None] = lambda _: None) -> None:
        self._elsewhere = elsewhere
        self._lock = threading.Lock()
        self._keys: dict[str, Keys] = {}
        self._roles: dict[str, str] = {}
        self._seen: Counter[tuple[str, Access]] = Counter()

    def keys(self, role_arn: str, service: str) -> Keys:
        """The role's credentials, given to `service`, which the role has to trust."""
        self.did(role_arn, trusted(role_arn, service))
        with self._lock:
            if role_arn not in self._keys:
                letters = "".join(secrets.choice(_KEY_LETTERS) for _ in range(16))
                keys = Keys(f"ASIA{letters}", secrets.token_hex(20), secrets.token_hex(32))
                self._keys[role_arn] = keys
                self._roles[keys.access_key_id] = role_arn
            return self._keys[role_arn]

    def role_of(self, access_key_id: str) -> str | None:
        """The role that the key belongs to; None for a person's."""
        role = self._roles.get(access_key_id)
        if role is None and access_key_id.startswith("ASIA"):
            role = self._elsewhere(access_key_id)
            if role is not None:
                self._roles[access_key_id] = role
        return role

    def did(self, role_arn: str, *accesses: Access) -> None:
        """Keep what was done with the role; without one there is nothing to check."""
        if not role_arn:
            return
        with self._lock:
            self._seen.update((role_arn, access) for access in accesses)

    def shown(self) -> list[dict[str, Any]]:
        """Each access once for each role, with how often it was seen."""
        with self._lock:
            seen: Iterable[tuple[tuple[str, Access], int]] = list(self._seen.items())
        return [
            {"role": role, **asdict(access), "context": dict(access.context), "count": count}
            for (role, access), count in seen
        ]


def trusted(role_arn: str, service: str) -> Access:
    """That the service assumes the role: the role's trust policy has to allow it."""
    return Access("sts:AssumeRole", role_arn, (("service", f"{service}.amazonaws.com"),))
