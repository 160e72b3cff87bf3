"""Calls that AWS refuses because it does not see yet what was made a moment ago.

A new role can be assumed only some seconds later, and CreateEndpoint may miss the configuration
that CreateEndpointConfig has just made. Nothing but the words of the refusal tells that from a
mistake, so these are tried again for a minute, and no longer.
"""

from __future__ import annotations

from seatrial.contracts import Action
from seatrial.errors import CloudError

# Doubling, a minute in all.
WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 29.0)

_ROLE = ("assume", "invalid role", "role you provide must allow", "role defined for the")
_WORDS: dict[str, tuple[str, ...]] = {
    "create_model": _ROLE,
    "create_delivery_stream": _ROLE,
    "create_schedule": _ROLE,
    "update_schedule": _ROLE,
    "create_endpoint_config": ("could not find model",),
    "create_endpoint": ("could not find endpoint configuration",),
    "update_endpoint": ("could not find endpoint configuration",),
    "put_subscription_filter": (*_ROLE, "could not deliver test message"),
}


def not_seen_yet(action: Action, refusal: CloudError) -> bool:
    """Whether the refusal speaks of something that the call needs and that may be new."""
    said = str(refusal.got).lower()
    return any(words in said for words in _WORDS.get(action.method, ()))


def still_refused(action: Action, refusal: CloudError) -> CloudError:
    """The last refusal, with how long it was tried."""
    return CloudError(
        f"AWS refused {action.service}:{action.method} {len(WAITS_S) + 1} times in "
        f"{sum(WAITS_S):g} s",
        got=refusal.got,
        allowed="what the call names to be there, and roles that the service may assume",
        do="Check that it exists and the role's trust policy; new ones take seconds to be seen",
    )
