"""Where a localcloud is, and how it is."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import CloudError
from seatrial.localcloud.credentials import client_environment
from seatrial.localcloud.sweep import info_file

_STATUS_PATH = "/_seatrial/status"


@dataclass(frozen=True)
class CloudInfo:
    """Where a localcloud is."""

    endpoint_url: str
    pid: int
    region: str
    state_dir: str


def status(state_dir: Path) -> CloudInfo | None:
    """Where the cloud of that folder is; None if none is up."""
    info = read_info(state_dir)
    return info if info is not None and answers(info) else None


def status_details(info: CloudInfo) -> dict[str, Any]:
    """Endpoints, sandboxes, quotas, the ledger, and which of AWS's limits are in force and how."""
    try:
        with urllib.request.urlopen(info.endpoint_url + _STATUS_PATH, timeout=10) as answer:  # noqa: S310
            details: dict[str, Any] = json.load(answer)
            return details
    except (OSError, ValueError) as error:
        raise CloudError(
            "localcloud does not answer",
            got=f"{info.endpoint_url}: {error}",
            allowed="a cloud that is up",
            do="seatrial cloud up",
        ) from error


def environment(info: CloudInfo) -> dict[str, str]:
    """The variables with which boto3 and others find that cloud and no other."""
    return client_environment(info.endpoint_url, info.region)


def read_info(state_dir: Path) -> CloudInfo | None:
    """What the cloud of that folder has said of itself; it may be gone without a word."""
    try:
        return CloudInfo(**json.loads(info_file(state_dir).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def answers(info: CloudInfo) -> bool:
    """True if that cloud is up, and no other where it was."""
    try:
        return bool(status_details(info)["endpoint_url"] == info.endpoint_url)
    except CloudError:
        return False
