"""Lines that a sandbox prints, as log events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# A line longer than this is torn into several events. CloudWatch Logs takes at most 1 MiB in one
# call, of which every event costs 26 bytes more than its text.
_MAX_EVENT_BYTES = 2**20 - 26


async def pump(stream: asyncio.StreamReader, write: Callable[[list[str]], None]) -> None:
    """Hand on every line until the stream ends, the last one even if nothing ends it."""
    rest = bytearray()
    while chunk := await stream.read(2**18):
        rest += chunk
        if b"\n" in chunk or len(rest) > _MAX_EVENT_BYTES:
            *lines, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            while len(rest) > _MAX_EVENT_BYTES:
                lines.append(bytes(rest[:_MAX_EVENT_BYTES]))
                del rest[:_MAX_EVENT_BYTES]
            write(_as_events(lines))
    write(_as_events([bytes(rest)]))


def _as_events(lines: list[bytes]) -> list[str]:
    return [
        line[start : start + _MAX_EVENT_BYTES].decode(errors="replace")
        for line in lines
        for start in range(0, len(line), _MAX_EVENT_BYTES)
    ]
