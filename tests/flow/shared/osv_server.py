"""An OSV service on loopback: batch queries in pages, records by id, as its API's pages say."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Osv:
    """What it has. `vulnerable` says which ids a version of a package has."""

    url: str = ""
    vulnerable: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    page_size: int = 1000
    raw: bytes | None = None
    asked: list[str] = field(default_factory=list)

    def add(self, name: str, package: str, version: str, **record: Any) -> None:
        """A record on that version; `fixed` is the first version without it."""
        fixed = record.pop("fixed", None)
        events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
        self.vulnerable.setdefault((package, version), []).append(name)
        self.records[name] = {
            "id": name,
            "schema_version": "1.6.0",
            "modified": "2026-01-01T00:00:00Z",
            "affected": [
                {
                    "package": {"name": package, "ecosystem": "PyPI"},
                    "ranges": [
                        {"type": "GIT", "repo": "r", "events": [{"fixed": "0" * 40}]},
                        {"type": "ECOSYSTEM", "events": events},
                    ],
                }
            ],
            **record,
        }

    def batch(self, queries: list[dict[str, Any]]) -> dict[str, Any]:
        """The answer to POST /v1/querybatch."""
        return {"results": [self._page(query) for query in queries]}

    def _page(self, query: dict[str, Any]) -> dict[str, Any]:
        assert query["package"]["ecosystem"] == "PyPI"
        ids = self.vulnerable.get((query["package"]["name"], query["version"]), [])
        start = int(query.get("page_token", 0))
        end = start + self.page_size
        if not ids:
            return {}
        page: dict[str, Any] = {"vulns": [{"id": name, "modified": "m"} for name in ids[start:end]]}
        return page | ({"next_page_token": str(end)} if end < len(ids) else {})


@contextlib.contextmanager
def osv_server() -> Iterator[Osv]:
    """It answers until the `with` ends."""
    osv = Osv()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(osv.batch(json.loads(body)["queries"]))

        def do_GET(self) -> None:
            self._answer(osv.records.get(self.path.rsplit("/", 1)[-1]))

        def _answer(self, found: Any) -> None:
            osv.asked.append(self.path)
            text = json.dumps(found).encode() if osv.raw is None else osv.raw
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        osv.url = f"http://127.0.0.1:{server.server_port}"
        yield osv
        server.shutdown()
