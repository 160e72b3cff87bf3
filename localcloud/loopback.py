"""This cloud's clients to itself, for what a service does on the account's behalf."""

from __future__ import annotations

import threading
from typing import Any

from seatrial.localcloud.api import Place
from seatrial.localcloud.credentials import client_environment


class Loopback:
    """boto3 clients to this cloud, each made once: making one takes longer than most calls."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._environment = client_environment(place.endpoint_url, place.region)
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of that service; clients can be used by several threads."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        session = Session(
            aws_access_key_id=self._environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self._environment["AWS_SESSION_TOKEN"],
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
