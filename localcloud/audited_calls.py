"""Keeps what roles ask of this cloud over HTTP."""

from __future__ import annotations

import logging
from typing import Any

from seatrial.localcloud.api import Place
from seatrial.localcloud.audit import Access, Audit
from seatrial.localcloud.iam_actions import accesses, caller_of
from seatrial.localcloud.moto_bridge import HttpRequest

_log = logging.getLogger(__name__)


class AuditedCalls:
    """Requests by the role that signed them; a person's are not kept."""

    def __init__(self, audit: Audit, place: Place) -> None:
        self._audit, self._place = audit, place

    def saw(self, request: HttpRequest) -> None:
        """Keep the request if a role made it."""
        caller = caller_of(request)
        role = None if caller is None else self._audit.role_of(caller.access_key_id)
        if caller is None or role is None:
            return
        try:
            found = accesses(request, caller.service, self._place)
        except Exception as error:  # the service will say what is wrong with the request
            _log.warning("%s %s by %s: %r", request.method, request.path, role, error)
            found = [Access(f"{caller.service}:unreadable", request.path)]
        self._audit.did(role, *found)

    def shown(self) -> list[dict[str, Any]]:
        """All that was kept."""
        return self._audit.shown()
