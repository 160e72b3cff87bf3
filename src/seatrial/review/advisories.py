"""Published vulnerabilities of packages, from OSV's API: https://google.github.io/osv.dev/api/.

The batch query answers with ids only, in pages; each record is then asked for by itself. What
cannot be asked is unknown and says why: never "none".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http.client import HTTPException
from importlib.resources import files
from typing import Any, get_args
from urllib.parse import quote

from seatrial.contracts.review import Advisory, PackageScan, Severity
from seatrial.review.osv import Batch, Record, ask

ECOSYSTEM = "PyPI"
MAX_QUERIES = 1000  # of packages, in one batch
# More pages than any package needs: a service that never ends its list is not waited for.
MAX_PAGES = 50
Pin = tuple[str, str]  # name and version


def locked_packages() -> list[Pin]:
    """What this version's serving image is built with; a version for each range of Pythons."""
    lock = (files("seatrial.configs") / "serving.lock").read_text(encoding="utf-8")
    return pins_of(lock)


def pins_of(lock: str) -> list[Pin]:
    r"""Names and versions of a lock file's lines.

    >>> pins_of("numpy==2.4.6 ; python_version < '3.12' \\\n    --hash=sha256:0\norjson==3.13.0\n")
    [('numpy', '2.4.6'), ('orjson', '3.13.0')]
    """
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, re.MULTILINE)


def scan(pins: Sequence[Pin], url: str) -> PackageScan:
    """The advisories on these packages, as the OSV API at `url` has them."""
    try:
        found = {pin: tuple(_merged(_records(pin, ids, url))) for pin, ids in _ids(pins, url)}
    except (OSError, HTTPException, ValueError) as error:
        why = f"{url} could not be asked: {type(error).__name__}: {_first_line(error)}"
        return unknown(why)
    advisories = [advisory for pin in pins for advisory in found[pin]]
    return PackageScan(packages=len(pins), advisories=tuple(advisories), unknown=None)


def unknown(why: str) -> PackageScan:
    """Nothing can be said, for that reason."""
    return PackageScan(packages=0, advisories=(), unknown=why)


def _ids(pins: Sequence[Pin], url: str) -> Iterator[tuple[Pin, list[str]]]:
    for start in range(0, len(pins), MAX_QUERIES):
        yield from _ids_of_batch(pins[start : start + MAX_QUERIES], url).items()


def _ids_of_batch(pins: Sequence[Pin], url: str) -> Mapping[Pin, list[str]]:
    """Page after page, each only for the packages whose list goes on."""
    ids: dict[Pin, list[str]] = {pin: [] for pin in pins}
    tokens: dict[Pin, str | None] = dict.fromkeys(pins)
    for _ in range(MAX_PAGES):
        asked = list(tokens)
        answer = ask(Batch, f"{url}/v1/querybatch", [_query(pin, tokens[pin]) for pin in asked])
        if len(answer.results) != len(asked):
            raise ValueError(f"{len(answer.results)} results for {len(asked)} queries")
        tokens = {}
        for pin, result in zip(asked, answer.results, strict=True):
            ids[pin] += [item.id for item in result.vulns]
            if result.next_page_token:
                tokens[pin] = result.next_page_token
        if not tokens:
            return ids
    raise ValueError(f"more than {MAX_PAGES} pages of advisories")


def _query(pin: Pin, page_token: str | None) -> dict[str, Any]:
    package = {"name": pin[0], "ecosystem": ECOSYSTEM}
    more = {"page_token": page_token} if page_token else {}
    return {"package": package, "version": pin[1], **more}


def _records(pin: Pin, ids: Iterable[str], url: str) -> Iterator[Advisory]:
    """Those that stand: what was withdrawn was no vulnerability after all."""
    for name in dict.fromkeys(ids):
        record = ask(Record, f"{url}/v1/vulns/{quote(name, safe='')}")
        if record.withdrawn is None:
            yield _advisory(pin, record)


def _advisory(pin: Pin, record: Record) -> Advisory:
    name = _normalized(pin[0])
    fixed = [
        event.fixed
        for part in record.affected
        if part.package and part.package.ecosystem == ECOSYSTEM
        if _normalized(part.package.name) == name
        for found in part.ranges
        if found.type == "ECOSYSTEM"  # the others are of commits
        for event in found.events
        if event.fixed
    ]
    said = (record.database_specific or {}).get("severity")
    return Advisory(
        package=pin[0],
        version=pin[1],
        ids=(record.id, *record.aliases),
        severity=said if said in get_args(Severity) else None,
        summary=record.summary,
        fixed_in=tuple(dict.fromkeys(fixed)),
    )


def _merged(advisories: Iterable[Advisory]) -> Iterator[Advisory]:
    """One of each vulnerability: databases have records of their own for it, and name the others'.

    The record that says how severe it is leads.
    """
    left = sorted(advisories, key=lambda item: item.severity is None)
    while left:
        first, *left = left
        ids, fixed = list(first.ids), list(first.fixed_in)
        while same := next((item for item in left if set(ids) & set(item.ids)), None):
            left.remove(same)
            ids += same.ids
            fixed += same.fixed_in
        yield first.model_copy(
            update={"ids": tuple(dict.fromkeys(ids)), "fixed_in": tuple(dict.fromkeys(fixed))}
        )


def _normalized(name: str) -> str:
    """As PyPI compares names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
