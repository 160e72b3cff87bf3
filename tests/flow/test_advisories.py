"""What is published of the serving image's packages, asked of a service over HTTP."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from osv_server import Osv, osv_server

from seatrial.config import Config, load_config
from seatrial.errors import ConfigError
from seatrial.review.advisories import MAX_PAGES, locked_packages, scan
from seatrial.review.images import scan_packages

pytestmark = pytest.mark.flow

PINS = [("numpy", "2.4.6"), ("typing_extensions", "4.0"), ("orjson", "3.13.0")]


@pytest.fixture
def osv() -> Iterator[Osv]:
    with osv_server() as service:
        yield service


def test_the_lock_is_that_of_the_serving_image() -> None:
    lock = (Path(__file__).parents[2] / "requirements-serving.lock").read_text(encoding="utf-8")
    packages = locked_packages()
    assert {"numpy", "onnxruntime", "httptools", "orjson"} <= {name for name, _ in packages}
    assert len(packages) == len(re.findall("==.*\\\\$", lock, re.MULTILINE))


def test_packages_without_any_take_one_question(osv: Osv) -> None:
    found = scan(PINS, osv.url)
    assert (found.packages, found.advisories, found.unknown) == (3, (), None)
    assert osv.asked == ["/v1/querybatch"]


def test_one_has_its_severity_and_the_version_without_it(osv: Osv) -> None:
    graded = {"severity": "HIGH", "github_reviewed": True}
    osv.add(
        "GHSA-1",
        "numpy",
        "2.4.6",
        summary="reads too far",
        fixed="2.4.7",
        database_specific=graded,
        aliases=["CVE-1"],
    )
    (found,) = scan(PINS, osv.url).advisories
    assert (found.package, found.version, found.ids) == ("numpy", "2.4.6", ("GHSA-1", "CVE-1"))
    assert (found.severity, found.fixed_in) == ("HIGH", ("2.4.7",))
    assert found.summary == "reads too far"


def test_another_version_of_the_package_is_not_meant(osv: Osv) -> None:
    osv.add("GHSA-1", "numpy", "2.4.5")
    assert scan(PINS, osv.url).advisories == ()


def test_what_was_withdrawn_does_not_count(osv: Osv) -> None:
    osv.add("GHSA-1", "numpy", "2.4.6", withdrawn="2026-01-02T00:00:00Z")
    osv.add("GHSA-2", "orjson", "3.13.0")
    assert [item.ids for item in scan(PINS, osv.url).advisories] == [("GHSA-2",)]


def test_two_databases_on_the_same_vulnerability_are_one(osv: Osv) -> None:
    osv.add("PYSEC-1", "numpy", "2.4.6", aliases=["CVE-1"], fixed="2.4.8")
    osv.add("GHSA-9", "numpy", "2.4.6", aliases=["CVE-9"])
    graded = {"severity": "LOW"}
    osv.add("GHSA-1", "numpy", "2.4.6", aliases=["CVE-1"], fixed="2.4.7", database_specific=graded)
    first, second = scan(PINS, osv.url).advisories
    assert first.ids == ("GHSA-1", "CVE-1", "PYSEC-1")
    assert (first.severity, first.fixed_in) == ("LOW", ("2.4.7", "2.4.8"))
    assert (second.ids, second.severity, second.fixed_in) == (("GHSA-9", "CVE-9"), None, ())


def test_a_name_is_compared_as_pypi_does(osv: Osv) -> None:
    osv.add("GHSA-1", "typing_extensions", "4.0", fixed="4.1")
    osv.records["GHSA-1"]["affected"][0]["package"]["name"] = "Typing-Extensions"
    assert scan(PINS, osv.url).advisories[0].fixed_in == ("4.1",)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_pages_are_read_to_the_end(osv: Osv, count: int) -> None:
    osv.page_size = 2
    for number in range(count):
        osv.add(f"GHSA-{number}", "numpy", "2.4.6")
    osv.add("GHSA-x", "orjson", "3.13.0")
    found = scan(PINS, osv.url)
    assert len(found.advisories) == count + 1
    assert osv.asked.count("/v1/querybatch") == -(-count // 2)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param(b"<html>sign in</html>", "ValidationError", id="a page in between"),
        pytest.param(b'{"results": []}', "0 results for 3 queries", id="results are missing"),
        pytest.param(b'{"results": [{"vulns": 1}, {}, {}]}', "ValidationError", id="another shape"),
        pytest.param(
            b'{"results": [{"next_page_token": "1"}]}', "1 results for 3", id="fewer than asked"
        ),
    ],
)
def test_an_answer_that_is_none_is_unknown(osv: Osv, raw: bytes, said: str) -> None:
    osv.raw = raw
    found = scan(PINS, osv.url)
    assert found.advisories == ()
    assert said in str(found.unknown)


def test_a_list_without_an_end_is_not_waited_for(osv: Osv) -> None:
    osv.raw = b'{"results": [{"next_page_token": "1"}]}'
    found = scan(PINS[:1], osv.url)
    assert f"more than {MAX_PAGES} pages" in str(found.unknown)
    assert len(osv.asked) == MAX_PAGES


def test_a_record_that_is_gone_is_unknown_and_not_none(osv: Osv) -> None:
    osv.vulnerable[PINS[0]] = ["GHSA-gone"]
    assert "HTTPError: HTTP Error 404" in str(scan(PINS, osv.url).unknown)


def test_a_service_that_is_down_is_unknown_and_not_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = scan(PINS, f"http://127.0.0.1:{port}")
    assert found.advisories == ()
    assert "could not be asked" in str(found.unknown)
    assert "refused" in str(found.unknown)


def configured(**review: object) -> Config:
    return load_config(review=review)


def test_whose_packages_are_asked_about(osv: Osv) -> None:
    ours = configured(advisories_url=osv.url)
    image = ours.images.serving
    assert scan_packages(image, ours).packages == len(locked_packages())
    by_digest = image.removesuffix(":latest") + "@sha256:0"
    assert scan_packages(by_digest, ours).packages == len(locked_packages())
    other = scan_packages("host:5000/another:v1", ours)
    assert "give them in review.packages" in str(other.unknown)
    given = configured(advisories_url=osv.url, packages={"numpy": "2.4.6"})
    osv.add("GHSA-1", "numpy", "2.4.6")
    assert [item.ids for item in scan_packages("another", given).advisories] == [("GHSA-1",)]
    nobody = scan_packages(image, configured(advisories_url=None))
    assert "review.advisories_url is null" in str(nobody.unknown)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host", "https://host/", ""])
def test_only_the_web_is_asked(url: str) -> None:
    with pytest.raises(ConfigError, match="advisories_url"):
        configured(advisories_url=url)
