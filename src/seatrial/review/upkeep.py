"""Advice on what goes stale although nobody touches it: model, image, packages, and its watch."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts.review import Advice, Advisory
from seatrial.review.situation import Situation


def ages(found: Situation) -> Iterator[Advice]:
    """Models decay, and images gather vulnerabilities, although nobody touches them."""
    limits = found.config.review
    for topic, what, days, most in (
        ("MODEL_AGE", "model", found.usage.model_age_days, limits.max_model_age_days),
        ("IMAGE_AGE", "image", found.usage.image_age_days, limits.max_image_age_days),
    ):
        if days is not None:
            old = days > most
            fix = "; train and approve a new one" if what == "model" else "; build it again"
            detail = f"the {what} is {days:.0f} days old, {most} are allowed{fix if old else ''}"
            yield Advice.model_validate({"topic": topic, "act": old, "detail": detail})


def vulnerabilities(found: Situation) -> Iterator[Advice]:
    """What ECR's scan found in the serving image."""
    known = found.usage.vulnerabilities
    if known is None:
        yield Advice(
            topic="VULNERABILITIES",
            act=False,
            known=False,
            detail="no scan of the image is to be seen in ECR; turn on scanning of its repository, "
            "and allow ecr:DescribeImages",
        )
        return
    serious = {name: known[name] for name in ("CRITICAL", "HIGH") if known.get(name)}
    told = ", ".join(f"{count} {name.lower()}" for name, count in known.items()) or "none"
    fix = "; build the image again on a newer base" if serious else ""
    yield Advice(topic="VULNERABILITIES", act=bool(serious), detail=f"in the image: {told}{fix}")


def advisories(found: Situation) -> Iterator[Advice]:
    """What is published of the packages that the serving image is locked to.

    Where no severity is given, it may be a high one.
    """
    packages = found.usage.packages
    if packages.unknown is not None:
        yield Advice(topic="ADVISORIES", act=False, known=False, detail=packages.unknown)
        return
    told = ", ".join(map(_told, packages.advisories)) or "none"
    yield Advice(
        topic="ADVISORIES",
        act=any(item.severity in ("CRITICAL", "HIGH", None) for item in packages.advisories),
        detail=f"on the image's {packages.packages} locked packages: {told}",
    )


def _told(advisory: Advisory) -> str:
    fix = f"fixed in {' or '.join(advisory.fixed_in)}" if advisory.fixed_in else "no fix yet"
    what = f"{advisory.package} {advisory.version}: {advisory.ids[0]}"
    return f"{what} ({(advisory.severity or 'severity unknown').lower()}, {fix})"


def alerts(found: Situation) -> Iterator[Advice]:
    """The monitor's verdicts in the period."""
    usage = found.usage
    if not usage.windows:
        yield Advice(
            topic="ALERTS", act=True, detail="the monitor judged no window; schedule it, or run it"
        )
        return
    seen = ", ".join(f"{name} in {count}" for name, count in usage.ailments.items())
    which = f": {seen}" if seen else ""
    yield Advice(
        topic="ALERTS",
        act=2 * usage.alerting_windows > usage.windows,
        detail=f"{usage.alerting_windows} of {usage.windows} windows were alerts{which}",
    )
