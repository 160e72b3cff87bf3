"""This cloud's clients to itself, for what a service does on the account's behalf."""

from __future__ import annotations

import threading
from typing import Any

from seatrial.localcloud.api import Place
from seatrial.localcloud.audit import Keys
from seatrial.localcloud.credentials import PERSON


class Loopback:
    """boto3 clients to this cloud, each made once: making one takes longer than most calls."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, Keys], Any] = {}

    def client(self, service: str, keys: Keys = PERSON) -> Any:
        """The client of that service, as `keys`; clients can be used by several threads."""
        with self._lock:
            if (service, keys) not in self._clients:
                self._clients[service, keys] = self._make(service, keys)
            return self._clients[service, keys]

    def _make(self, service: str, keys: Keys) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        session = Session(
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
            region_name=self._place.region,
        )
        config = Config(
            connect_timeout=5,
            max_pool_connections=20,
            retries={"mode": "standard", "max_attempts": 3},
            s3={"addressing_style": "path"},
            # of no use to oneself, and they cost more than the transfer
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        make_client: Any = session.client  # its 400 overloads want a literal name
        return make_client(service, endpoint_url=self._place.endpoint_url, config=config)
