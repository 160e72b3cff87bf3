"""The reports in headless Chromium: they open, complain of nothing, ask for nothing, and fit.

A page of the test's own shows them in frames as wide as a phone and a desk, and says what it sees.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit" / "shared"))

from report_inputs import Inputs, run
from window_inputs import alerting, history, quiet

from seatrial.config import load_config
from seatrial.contracts import Estimate
from seatrial.report.page import render
from seatrial.report.window_page import render_window

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.flow,
    pytest.mark.skipif(BROWSER is None, reason=f"not installed: {' or '.join(NAMES)}"),
]

WIDTHS = (360, 1200)
# Each with what it says, and its charts.
PAGES = {
    "ready.html": ("Ready", 5),
    "held-back.html": ("Not ready", 5),
    "long-labels.html": ("Ready", 5),
    "alert.html": ("Alert", 5),
    "quiet.html": ("No alert", 1),
}
LOOKER = """<!doctype html><meta charset="utf-8"><body><script>
const frames = FRAMES.map(([page, width]) => {
  const frame = document.createElement("iframe");
  Object.assign(frame, {src: page, width, height: 900});
  document.body.append(frame);
  return new Promise(done => frame.onload = () => {
    const seen = frame.contentDocument, root = seen.documentElement;
    seen.querySelectorAll("details").forEach(item => item.open = true);
    const crossing = [...seen.querySelectorAll("svg")].flatMap(svg => {
      const labels = [...svg.querySelectorAll("text")]
        .map(item => [item, item.getBoundingClientRect()]);
      return labels.flatMap(([one, a], at) => labels.slice(at + 1)
        .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
          && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2)
        .map(([two]) => one.textContent + " / " + two.textContent));
    });
    const drawn = [...seen.querySelectorAll("svg")].map(item => item.getBoundingClientRect());
    done({page, width, wide: root.scrollWidth, inner: root.clientWidth,
      verdict: seen.querySelector("#verdict").textContent,
      charts: drawn.filter(box => box.width > 250 && box.height > 25).length,
      crossing, colour: getComputedStyle(seen.body).backgroundColor});
  });
});
Promise.all(frames).then(found => {
  document.body.textContent = "SEEN" + JSON.stringify(found) + "END";
});
</script></body>"""


@dataclass(frozen=True)
class Looked:
    """What the browser saw in each frame, what it complained of, and what it asked for."""

    frames: list[dict[str, Any]]
    complaints: list[str]
    asked: set[str]


class Quiet(SimpleHTTPRequestHandler):
    """Notes what is asked for."""

    def __init__(self, *args: Any, asked: set[str], **kwargs: Any) -> None:
        self.asked = asked
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        self.asked.add(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Not on stderr."""


def page(inputs: Inputs) -> str:
    return render(inputs.readiness, inputs.optimization, inputs.profile, inputs.config)


def long_labels() -> Inputs:
    """The same run with a long name, many rows a call and figures of many digits."""
    found = run("fp32-as-it-came-out-of-the-training-pipeline-of-the-other-team")
    candidates = [
        item.model_copy(
            update={
                "latencies": tuple(
                    latency.model_copy(update={"rows": 14302, "p50_ms": 12345.6})
                    for latency in item.latencies
                ),
                "model_size_mb": 1234.5,
                "drops": {"auc": Estimate(value=-0.000123, low=-0.000178, high=0.000012)},
            }
        )
        for item in found.optimization.candidates
    ]
    update = {"candidates": tuple(candidates)}
    return replace(found, optimization=found.optimization.model_copy(update=update))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, set[str]]]:
    """The pages on loopback, and what has been asked for."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "ready.html").write_text(page(run()), encoding="utf-8")
    slow = load_config(None, objectives={"latency_p95_ms": 20})
    (folder / "held-back.html").write_text(page(run(config=slow)), encoding="utf-8")
    (folder / "long-labels.html").write_text(page(long_labels()), encoding="utf-8")
    (folder / "alert.html").write_text(render_window(alerting(), history(30)), encoding="utf-8")
    (folder / "quiet.html").write_text(render_window(quiet(), history(1)), encoding="utf-8")
    frames = [[name, width] for name in PAGES for width in WIDTHS]
    (folder / "looker.html").write_text(LOOKER.replace("FRAMES", json.dumps(frames)))
    asked: set[str] = set()
    handler = partial(Quiet, directory=str(folder), asked=asked)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture(scope="module", params=["light", "dark"])
def looked(
    request: pytest.FixtureRequest, site: tuple[str, set[str]], tmp_path_factory: Any
) -> tuple[str, Looked]:
    theme, (address, asked) = request.param, site
    ended = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
            f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}",
            *("--virtual-time-budget=10000", "--dump-dom", f"{address}/looker.html"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = re.search("SEEN(.*)END", ended.stdout)
    assert told is not None, ended.stdout[-500:] + ended.stderr[-500:]
    complaints = [line for line in ended.stderr.splitlines() if ":CONSOLE" in line]
    return theme, Looked(json.loads(told.group(1).replace("&amp;", "&")), complaints, asked)


def test_it_opens_with_its_verdict_and_charts_on_a_phone_and_a_desk(
    looked: tuple[str, Looked],
) -> None:
    theme, found = looked
    assert len(found.frames) == len(PAGES) * len(WIDTHS)
    for frame in found.frames:
        verdict, charts = PAGES[frame["page"]]
        assert frame["verdict"] == verdict
        assert frame["charts"] == charts
        assert frame["crossing"] == [], frame["page"]
        assert frame["wide"] <= frame["inner"], frame  # no scrolling sideways
        assert frame["colour"] == ("rgb(16, 22, 28)" if theme == "dark" else "rgb(244, 246, 248)")


def test_it_complains_of_nothing_and_asks_for_nothing(looked: tuple[str, Looked]) -> None:
    _, found = looked
    assert not found.complaints
    assert found.asked - {"/favicon.ico"} == {"/looker.html", *(f"/{name}" for name in PAGES)}
