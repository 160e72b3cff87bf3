"""The report as text: everything is there, escaped, small, readable, and alone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest
from readiness_facts import measured, payload
from report_inputs import Inputs, run

from seatrial.config import load_config
from seatrial.contracts import Behaviour, TierStart
from seatrial.report.frame import POLICY
from seatrial.report.markup import element
from seatrial.report.numbers import decades, round_ticks
from seatrial.report.page import render
from seatrial.report.style import DARK, LIGHT

CHARTS = ("tiers", "memory", "start", "candidates", "traffic")
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data


def page(inputs: Inputs) -> str:
    return render(inputs.readiness, inputs.optimization, inputs.profile, inputs.config)


@pytest.fixture(scope="module")
def whole() -> str:
    return page(run())


def drawings(text: str) -> list[ElementTree.Element]:
    found = re.findall(r"<svg.*?</svg>", text)
    return [ElementTree.fromstring(svg) for svg in found]  # noqa: S314 - our own


def test_the_verdict_is_on_top_and_all_five_charts_are_there(whole: str) -> None:
    assert whole.index("Ready") < whole.index("<svg")
    assert whole.index('class="state">Ready') < whole.index("<h2>")
    for key in CHARTS:
        assert f'id="figure-{key}"' in whole


def test_each_chart_has_a_title_a_description_and_its_figures_as_a_table(whole: str) -> None:
    found = drawings(whole)
    assert len(found) == len(CHARTS)
    for svg in found:
        labels = str(svg.get("aria-labelledby")).split()
        texts = {item.get("id"): item.text for item in svg if item.tag in ("title", "desc")}
        assert list(texts) == labels
        assert all(texts.values())
    figures = whole.split("<figure")[1:]
    assert all("<table>" in figure.split("</figure>")[0] for figure in figures)


def test_axes_have_units(whole: str) -> None:
    words = Page(whole).words
    for unit in (
        "US dollars per million requests",
        "p95 in milliseconds",
        "tier in MB",
        "MB of the whole process tree",
        "seconds since the start",
        "size, MB",
        "US dollars a month",
        "requests a month",
    ):
        assert unit in words


def test_it_is_one_small_file_that_loads_and_runs_nothing(whole: str) -> None:
    found = Page(whole)
    assert len(whole.encode()) < 200_000
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name in ("src", "href", "srcset", "style")]
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert "url(" not in whole
    assert "@import" not in whole
    assert ("content", POLICY) in found.attributes
    assert POLICY.startswith("default-src 'none'")


def test_a_hostile_name_stays_text() -> None:
    evil = payload(
        payload=HOSTILE,
        errors=1,
        first_error=HOSTILE,
        requests=0,
        stopped=True,
        latency_p95_ms=None,
    )
    inputs = run()
    package = {"model_package_arn": HOSTILE}
    profile = inputs.profile.model_copy(
        update={
            "memory_method": HOSTILE,
            "cpu": HOSTILE,
            "candidates": (
                measured(candidate=inputs.readiness.candidate, payloads=(evil,), failure=HOSTILE),
            ),
        }
    )
    checks = tuple(
        item.model_copy(update={"detail": HOSTILE, "fix": HOSTILE, "status": "fail"})
        for item in inputs.readiness.checks
    )
    text = page(
        Inputs(
            inputs.readiness.model_copy(update={**package, "checks": checks}),
            inputs.optimization.model_copy(update={"flavor": HOSTILE}),
            profile,
            inputs.config,
        )
    )
    found = Page(text)
    assert HOSTILE in found.words
    assert not {"script", "img"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name == "onerror"]


def test_what_holds_it_back_comes_first_with_its_fix() -> None:
    text = page(run(config=load_config(None, objectives={"latency_p95_ms": 20})))
    assert "Not ready" in text
    held = text[text.index("What holds it back") : text.index("What was measured")]
    assert "LATENCY_OBJECTIVE" in held
    assert "or raise objectives.latency_p95_ms to" in held


def test_the_cap_is_that_of_the_tier_that_the_checks_speak_of() -> None:
    text = page(run(config=load_config(None, objectives={"latency_p95_ms": 20})))
    assert "predicted for 2048 MB" in text or "CPU quota of 2048 MB" in text
    assert "cap 2048 MB" in text


def test_a_cold_start_says_whether_it_was_measured_under_the_tier_s_quota() -> None:
    sizes = (1024, 2048, 3072)
    under = [
        TierStart(memory_size_mb=size, to_port_s=1, to_ping_s=2, to_first_prediction_s=3.21)
        for size in sizes
    ]
    figure = re.compile("<dt>cold start at tier</dt><dd>([^<]*)</dd>")
    assert figure.findall(page(run(tier_starts=tuple(under)))) == ["3.21 s"]
    [predicted] = figure.findall(page(run(tier_starts=())))
    assert predicted.endswith(" s, predicted")


def test_what_was_cut_short_and_not_provisioned_is_said() -> None:
    shown = page(run(cut_short=("payload batch: 1 of 50 requests",)))
    assert "Cut short: payload batch: 1 of 50 requests." in shown
    assert "with 1 provisioned: cold start" in shown
    assert "Cut short" not in page(run())


def test_a_profile_of_the_past_still_makes_a_page() -> None:
    text = page(run(memory=(), growth=None, tier_latencies=(), behaviour=Behaviour(), scaled=()))
    assert "Peak memory by payload against the cap" in text
    assert "This profile has no samples over time" in text
    assert "not measured, and not blocking" in text
    assert len(drawings(text)) == len(CHARTS)


def test_a_candidate_that_never_answered_still_makes_a_page() -> None:
    inputs = run(
        payloads=(),
        scaled=(),
        memory=(),
        cold_start=None,
        peak_memory_mb=None,
        tier_latencies=(),
        failure="exit code 2",
    )
    text = page(inputs)
    assert "Not ready" in text
    assert "exit code 2" in text
    assert len(drawings(text)) == len(CHARTS) - 1  # without a latency there is no cost
    assert "nan" not in Page(text).words.lower().split()


def test_the_same_files_make_the_same_page(whole: str) -> None:
    assert page(run()) == whole


def test_expected_traffic_is_marked() -> None:
    text = page(run(config=load_config(None, objectives={"requests_per_month": 30_000})))
    assert "Simulated: diurnal traffic, 30,000 requests a month cost" in text
    assert ">expected<" in text


def luminance(colour: str) -> float:
    """Relative luminance: WCAG 2.2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["page", "card"])
@pytest.mark.parametrize("ink", ["ink", "soft", "main", "other", "good", "warn", "bad", "odd"])
def test_text_has_contrast(theme: dict[str, str], ground: str, ink: str) -> None:
    darker, lighter = sorted((luminance(theme[ground]), luminance(theme[ink])))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("fill", ["main", "other", "third"])
def test_bars_stand_out(theme: dict[str, str], fill: str) -> None:
    darker, lighter = sorted((luminance(theme["card"]), luminance(theme[fill])))
    assert (lighter + 0.05) / (darker + 0.05) >= 3  # what WCAG asks of graphics


def test_markup_escapes_children_and_attributes() -> None:
    assert element("p", "<b>", title='"&') == '<p title="&quot;&amp;">&lt;b&gt;</p>'


@pytest.mark.parametrize(
    ("high", "last"), [(0.99, 1.0), (1.0, 1.0), (1.01, 1.5), (5120, 6000), (0.003, 0.003)]
)
def test_ticks_reach_the_highest_value(high: float, last: float) -> None:
    assert round_ticks(high)[-1] == pytest.approx(last)
    assert len(round_ticks(high)) <= 6


def test_many_decades_are_thinned() -> None:
    assert decades(1, 1e9, 6) == [1, 100, 1e4, 1e6, 1e8]
