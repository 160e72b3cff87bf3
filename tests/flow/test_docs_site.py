"""The documentation's site: builds without a warning, and opens on a phone and a desk."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from seatrial.examples.flights.page import Stage, render

pytestmark = pytest.mark.flow

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
WIDTHS = (360, 1200)
# What `seatrial demo` writes; it is looked at with the others.
DEMO = "demo.html"
# Material's page for addresses that are not there.
NOT_THERE = "404.html"
# One frame after the other: all at once they took 38 s of CPU time, not 15.
LOOKER = """<!doctype html><meta charset="utf-8"><body><script>
async function look(page, width) {
  const frame = document.createElement("iframe"), before = document.querySelector("iframe");
  Object.assign(frame, {src: page, width, height: 900});
  document.body.append(frame);
  before?.remove();  // not earlier: Chromium takes a page without a frame that loads for done
  await new Promise(done => frame.onload = done);
  const seen = frame.contentDocument, root = seen.documentElement;
  return {page, width, wide: root.scrollWidth, inner: root.clientWidth,
    title: seen.querySelector("h1").firstChild.textContent};
}
(async () => {
  const found = [];
  for (const [page, width] of FRAMES) found.push(await look(page, width));
  document.body.textContent = "SEEN" + JSON.stringify(found) + "END";
})();
</script></body>"""


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing on stderr."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "WARNING" not in ended.stderr
    return folder


def test_references_are_made_from_the_sources(site: Path) -> None:
    verbs = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    assert "seatrial pipeline status" in verbs
    assert "--time-column" in verbs
    contracts = (site / "reference" / "contracts.html").read_text(encoding="utf-8")
    assert "false_alert_every_windows" in contracts
    assert "OptimizeModel" in (site / "steps.html").read_text(encoding="utf-8")


def test_nothing_is_loaded_from_other_hosts(site: Path) -> None:
    """Links may lead elsewhere; scripts, styles, fonts and pictures may not come from there."""
    loads = re.compile(
        r"""<(?:script|img|iframe)[^>]+src=["']?(?:https?:)?//|<link[^>]+href=["']?(?:https?:)?//"""
        r"""|@import[^;]*//|url\(["']?(?:https?:)?//"""
    )
    for path in (*site.rglob("*.html"), *site.rglob("*.css")):
        assert loads.search(path.read_text(encoding="utf-8")) is None, path


@pytest.fixture(scope="module")
def pages(site: Path) -> list[str]:
    found = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    return [name for name in found if name != NOT_THERE]


@pytest.fixture(scope="module")
def address(site: Path, pages: list[str]) -> Iterator[str]:
    told = [f"See s3://bucket/{'long/' * 30}readiness.json", "arn:aws:" + "x" * 90]
    stage = Stage("Approve: the readiness pipeline runs", 1234.5, told)
    (site / DEMO).write_text(render([stage], site), encoding="utf-8")
    frames = [[name, width] for name in (*pages, DEMO) for width in WIDTHS]
    (site / "looker.html").write_text(LOOKER.replace("FRAMES", json.dumps(frames)))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.skipif(BROWSER is None, reason=f"not installed: {' or '.join(NAMES)}")
def test_pages_open_without_complaint_and_fit_a_phone_and_a_desk(
    address: str, pages: list[str], tmp_path: Path
) -> None:
    ended = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            f"--user-data-dir={tmp_path}",
            *("--dump-dom", f"{address}/looker.html"),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    told = re.search("SEEN(.*)END", ended.stdout)
    assert told is not None, ended.stdout[-500:] + ended.stderr[-500:]
    frames = json.loads(told.group(1).replace("&amp;", "&"))
    assert len(frames) == (len(pages) + 1) * len(WIDTHS) > 40
    for frame in frames:
        assert 0 <= frame["width"] - frame["inner"] < 20, frame  # a scrollbar
        assert frame["title"], frame
        assert frame["wide"] <= frame["inner"], frame
    assert [line for line in ended.stderr.splitlines() if ":CONSOLE" in line] == []
