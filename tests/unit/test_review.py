"""Advice from usage: each topic below, at and over its limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from review_situation import USAGE, advice, situation

from seatrial.contracts.review import Advice, Advisory, PackageScan, Review, Severity
from seatrial.review.advice import advise
from seatrial.review.advisories import unknown
from seatrial.review.change import change_yaml
from seatrial.review.images import ImageFacts, read_image
from seatrial.review.letter import letter
from seatrial.review.reading import Metrics, read_deployed


def test_an_endpoint_that_fits_needs_nothing() -> None:
    found = advise(situation())
    assert [item.topic for item in found if item.act] == []
    assert {item.topic for item in found} >= {"MEMORY", "LATENCY", "COST", "ALERTS"}


def test_an_endpoint_that_nobody_calls_is_to_be_deleted() -> None:
    (found,) = advise(situation({"requests": 0}))
    assert (found.topic, found.act) == ("UNUSED", True)


@pytest.mark.parametrize(("served_days", "act"), [(89.9, False), (90.0, True)])
def test_a_young_endpoint_is_given_time(served_days: float, act: bool) -> None:
    (found,) = advise(situation({"requests": 0}, served_days=served_days))
    assert found.act is act
    assert ("Delete it" in found.detail) is act


def test_a_month_is_worked_out_from_when_the_endpoint_was_there() -> None:
    young = situation(served_days=9.0).requests_a_month
    assert young == pytest.approx(10 * situation().requests_a_month)


@pytest.mark.parametrize(
    ("percent", "tier"),
    [
        # of 2048 MB, with a fifth of headroom: 1024 MB hold 819.2 MB, 2048 MB hold 1638.4
        pytest.param(40.0, 1024, id="exactly-one-tier-down"),
        pytest.param(40.1, None, id="over-it"),
        pytest.param(80.0, None, id="exactly-at-the-headroom"),
        pytest.param(80.1, 3072, id="over-the-headroom"),
    ],
)
def test_the_tier_follows_what_was_used(percent: float, tier: int | None) -> None:
    found = advice("MEMORY", situation({"memory_max_percent": percent}))
    assert found.change == ({} if tier is None else {"endpoint.memory_size_mb": tier})
    assert found.act is (tier is not None)


def test_memory_that_is_not_used_is_money_where_the_cpu_share_is_whole_anyway() -> None:
    big = {"memory_size_mb": 6144, "quota_mb": 6144}
    found = advice("MEMORY", situation({"memory_max_percent": 25}, big))
    assert found.change == {"endpoint.memory_size_mb": 2048}
    # 300 000 requests of 30 days a month, give or take: 40 ms at 6 GB less 40 ms at 2 GB
    requests = 900_000 * 730 / (90 * 24)
    assert found.saving_usd_a_month == pytest.approx(requests * 0.04 * 4 * 0.00002)


@pytest.mark.parametrize(
    ("p95_ms", "tier"),
    [
        # at 1024 MB it is 1769 / 1024 times as long: 500 ms are 289.4
        pytest.param(289.0, 1024, id="under"),
        pytest.param(289.8, 2048, id="over"),
    ],
)
def test_a_smaller_tier_must_still_meet_the_latency_objective(p95_ms: float, tier: int) -> None:
    large = {"memory_size_mb": 6144, "quota_mb": 6144}
    usage = {"memory_max_percent": 10, "latency_p95_ms": p95_ms}
    assert advice("MEMORY", situation(usage, large)).change == {"endpoint.memory_size_mb": tier}


def test_no_tier_within_the_quota_is_said() -> None:
    full = {"memory_size_mb": 3072}
    found = advice("MEMORY", situation({"memory_max_percent": 95}, full))
    assert found.act
    assert "quota of 3072 MB" in found.detail
    assert not found.change


@pytest.mark.parametrize(
    ("ratio", "limit", "wanted"),
    [
        pytest.param(0.99, 4, None, id="under"),
        pytest.param(1.0, 4, 6, id="full"),
        pytest.param(1.0, 9, 10, id="up-to-the-quota"),
        pytest.param(1.0, 10, 10, id="at-the-quota"),
    ],
)
def test_full_sandboxes_ask_for_more(ratio: float, limit: int, wanted: int | None) -> None:
    found = advise(situation({"concurrency_max_ratio": ratio}, {"max_concurrency": limit}))
    said = [item for item in found if item.topic == "CONCURRENCY"]
    if wanted is None:
        assert said == []
    elif wanted == limit:
        assert "ask for a higher one" in said[0].detail
        assert not said[0].change
    else:
        assert said[0].change == {"endpoint.max_concurrency": wanted}


@pytest.mark.parametrize(
    ("usage", "topic", "act"),
    [
        pytest.param({"setup_max_s": 10.0}, "COLD_STARTS", False, id="cold-start-at"),
        pytest.param({"setup_max_s": 10.1}, "COLD_STARTS", True, id="cold-start-over"),
        pytest.param({"latency_p95_ms": 500.0}, "LATENCY", False, id="latency-at"),
        pytest.param({"latency_p95_ms": 500.1}, "LATENCY", True, id="latency-over"),
        pytest.param({"errors_5xx": 0}, "ERRORS", False, id="no-error"),
        pytest.param({"errors_5xx": 1}, "ERRORS", True, id="an-error"),
        pytest.param({"model_age_days": 180.0}, "MODEL_AGE", False, id="model-at"),
        pytest.param({"model_age_days": 180.1}, "MODEL_AGE", True, id="model-over"),
        pytest.param({"image_age_days": 90.0}, "IMAGE_AGE", False, id="image-at"),
        pytest.param({"image_age_days": 90.1}, "IMAGE_AGE", True, id="image-over"),
        pytest.param({"vulnerabilities": {"LOW": 3}}, "VULNERABILITIES", False, id="low"),
        pytest.param({"vulnerabilities": {"HIGH": 1}}, "VULNERABILITIES", True, id="high"),
        pytest.param({"vulnerabilities": None}, "VULNERABILITIES", False, id="not-scanned"),
        pytest.param({"alerting_windows": 6}, "ALERTS", False, id="half-are-alerts"),
        pytest.param({"alerting_windows": 7}, "ALERTS", True, id="more-than-half"),
        pytest.param({"windows": 0, "alerting_windows": 0}, "ALERTS", True, id="not-watched"),
    ],
)
def test_each_limit(usage: dict[str, Any], topic: str, act: bool) -> None:
    assert advice(topic, situation(usage)).act is act


def advisory(severity: Severity | None, *fixed_in: str) -> dict[str, Any]:
    found = Advisory(
        package="numpy",
        version="1.0",
        ids=("GHSA-1", "CVE-1"),
        severity=severity,
        summary="",
        fixed_in=fixed_in,
    )
    return {"packages": PackageScan(packages=7, advisories=(found,), unknown=None)}


@pytest.mark.parametrize(
    ("severity", "act"),
    [("LOW", False), ("MODERATE", False), ("HIGH", True), ("CRITICAL", True), (None, True)],
)
def test_a_serious_advisory_on_a_package_asks_for_a_change(
    severity: Severity | None, act: bool
) -> None:
    found = advice("ADVISORIES", situation(advisory(severity, "1.1")))
    assert found.act is act
    assert "numpy 1.0: GHSA-1" in found.detail
    assert "fixed in 1.1" in found.detail


def test_an_advisory_without_a_fix_says_so() -> None:
    assert "no fix yet" in advice("ADVISORIES", situation(advisory("HIGH"))).detail


def test_packages_without_advisories_are_known_to_be_so() -> None:
    found = advice("ADVISORIES", situation())
    assert (found.act, found.known) == (False, True)
    assert found.detail.endswith("7 locked packages: none")


@pytest.mark.parametrize(
    ("usage", "topic"),
    [
        ({"packages": unknown("the service is down")}, "ADVISORIES"),
        ({"vulnerabilities": None}, "VULNERABILITIES"),
        ({"memory_max_percent": None}, "MEMORY"),
    ],
)
def test_what_nobody_could_say_is_unknown_and_not_fine(usage: dict[str, Any], topic: str) -> None:
    found = advice(topic, situation(usage))
    assert (found.act, found.known) == (False, False)
    assert "none" not in found.detail


def test_a_slow_model_on_a_small_tier_is_helped_by_a_whole_cpu() -> None:
    small = {"memory_size_mb": 1024}
    found = advice("LATENCY", situation({"latency_p95_ms": 800}, small))
    assert found.change == {"endpoint.memory_size_mb": 2048}
    slow = advice("LATENCY", situation({"latency_p95_ms": 5000}, small))
    assert (slow.act, slow.change) == (True, {})


@pytest.mark.parametrize(("usd", "act"), [(0.1, True), (1000.0, False)])
def test_real_time_is_advised_only_where_it_is_cheaper(usd: float, act: bool) -> None:
    assert advice("COST", situation(realtime=("ml.c5.large", usd))).act is act


def test_alerts_are_told_by_what_ailed() -> None:
    usage = {"alerting_windows": 3, "ailments": {"drift": 2, "decay": 1}}
    found = advice("ALERTS", situation(usage))
    assert found.detail == "3 of 12 windows were alerts: drift in 2, decay in 1"


def test_every_tier_within_the_quota_has_its_cost() -> None:
    costs = situation().usd_a_month_by_tier
    assert list(costs) == [1024, 2048, 3072]
    assert costs[2048] == situation().usd_a_month(2048)
    assert costs[3072] == pytest.approx(1.5 * costs[2048])  # a whole CPU either way
    assert situation({"latency_mean_ms": None}).usd_a_month_by_tier == {}


def test_without_latencies_nothing_is_made_up() -> None:
    blank = {
        "latency_mean_ms": None,
        "latency_p95_ms": None,
        "memory_max_percent": None,
        "setup_max_s": None,
    }
    found = {item.topic for item in advise(situation(blank))}
    assert found.isdisjoint({"LATENCY", "COST", "COLD_STARTS"})


def reviewed(*advice: Advice) -> Review:
    return Review(
        endpoint_name="e",
        variant_name="v",
        days=90,
        ended_at=datetime.now(UTC),
        memory_size_mb=3072,
        max_concurrency=4,
        provisioned_concurrency=None,
        usd_a_month=None,
        usage=USAGE,
        advice=advice,
    )


WANTED = {"endpoint.memory_size_mb": 2048, "endpoint.max_concurrency": 6}
CHANGE = Advice(topic="MEMORY", act=True, detail="2048 MB would hold it", change=WANTED)


def test_the_change_is_yaml_for_the_configuration_and_says_what_is_there_now() -> None:
    assert change_yaml(reviewed(CHANGE)) == (
        "endpoint:\n  max_concurrency: 6  # now 4\n  memory_size_mb: 2048  # now 3072\n"
    )
    assert change_yaml(reviewed()) == ""


def test_people_are_told_what_should_change_what_is_unknown_and_how_to_do_it() -> None:
    unclear = Advice(topic="ADVISORIES", act=False, known=False, detail="the service is down")
    fine = Advice(topic="COST", act=False, detail="cheap")
    told = letter(reviewed(CHANGE, unclear, fine), "s3://b/review.json")
    assert told.subject == "seatrial review: e: MEMORY"
    assert "- MEMORY: 2048 MB would hold it." in told.text
    assert "- ADVISORIES is unknown: the service is down." in told.text
    assert "memory_size_mb: 2048  # now 3072" in told.text
    assert "seatrial deploy --review s3://b/review.json --dry-run" in told.text
    assert "cheap" not in told.text


def test_what_no_configuration_can_change_has_no_plan() -> None:
    aged = Advice(topic="MODEL_AGE", act=True, detail="old")
    assert "deploy --review" not in letter(reviewed(aged), "s3://b/review.json").text


def test_a_subject_is_no_longer_than_sns_takes() -> None:
    topics = ("MEMORY", "CONCURRENCY", "COLD_STARTS", "LATENCY", "ERRORS", "COST", "MODEL_AGE")
    many = [Advice.model_validate({"topic": x, "act": True, "detail": ""}) for x in topics * 2]
    assert len(letter(reviewed(*many), "u").subject) == 100


class Ecr:
    """ECR with one image, or none."""

    def __init__(
        self, details: dict[str, Any] | None, *, code: str = "ImageNotFoundException"
    ) -> None:
        self.details, self.code, self.asked = details, code, {}

    def describe_images(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        if self.details is None:
            raise ClientError({"Error": {"Code": self.code}}, "DescribeImages")
        return {"imageDetails": [self.details]}


class SageMaker:
    """One endpoint, as it is described."""

    def __init__(self, *, config_h: float, modified_h: float, most: int) -> None:
        self.config_at, self.modified_at = (
            MADE + timedelta(hours=h) for h in (config_h, modified_h)
        )
        self.most = most

    def describe_endpoint(self, **_: str) -> dict[str, Any]:
        serving = {"MemorySizeInMB": 1024, "MaxConcurrency": self.most}
        return {
            "EndpointName": "e",
            "EndpointArn": "arn",
            "EndpointStatus": "InService",
            "EndpointConfigName": "c",
            "CreationTime": MADE,
            "LastModifiedTime": self.modified_at,
            "ProductionVariants": [{"VariantName": "v", "CurrentServerlessConfig": serving}],
        }

    def describe_endpoint_config(self, **_: str) -> dict[str, Any]:
        serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 4}
        variant = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": serverless}
        return {"ProductionVariants": [variant], "CreationTime": self.config_at}

    def describe_model(self, **_: str) -> dict[str, Any]:
        return {"CreationTime": MADE, "PrimaryContainer": {"Image": "tiny"}}


MADE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("described", "changed"),
    [
        pytest.param({"config_h": -1, "modified_h": 0.5, "most": 4}, False, id="being-made"),
        pytest.param({"config_h": -1, "modified_h": 0.51, "most": 4}, True, id="changed-later"),
        pytest.param({"config_h": 0.1, "modified_h": 0.2, "most": 4}, True, id="another-config"),
        pytest.param({"config_h": -1, "modified_h": 0.2, "most": 8}, True, id="in-place"),
    ],
)
def test_an_endpoint_is_configured_so_since_its_last_change(
    described: dict[str, Any], changed: bool
) -> None:
    sagemaker = SageMaker(**described)
    found = read_deployed("e", sagemaker)
    assert found.changed_at == (sagemaker.modified_at if changed else None)


def test_shares_of_what_was_before_a_change_do_not_count() -> None:
    metrics = Metrics(None, "e", "v", MADE, MADE + timedelta(days=90))
    at = MADE + timedelta(days=3, seconds=5)
    assert metrics.since(at).start == MADE + timedelta(days=3, minutes=1)
    assert metrics.since(metrics.end).start == metrics.end - timedelta(minutes=1)
    assert metrics.since(MADE - timedelta(days=1)) == metrics.since(None) == metrics


HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        (f"{HOST}/serving:v1", {"imageTag": "v1"}),
        (f"{HOST}/serving", {"imageTag": "latest"}),
        (f"{HOST}/serving@sha256:abc", {"imageDigest": "sha256:abc"}),
    ],
)
def test_an_image_is_asked_for_by_tag_or_digest(uri: str, wanted: dict[str, str]) -> None:
    counts = {"findingSeverityCounts": {"HIGH": 2}}
    ecr = Ecr({"imagePushedAt": "then", "imageScanFindingsSummary": counts})
    assert read_image(uri, ecr).vulnerabilities == {"HIGH": 2}
    assert ecr.asked == {"repositoryName": "serving", "imageIds": [wanted]}


def test_an_image_that_ecr_does_not_have_is_not_known() -> None:
    nothing = ImageFacts(None, None)
    assert read_image(f"{HOST}/serving:v1", Ecr(None)) == nothing
    assert read_image("tiny", Ecr(None)) == nothing
    assert read_image(f"{HOST}/serving:v1", Ecr(None, code="AccessDeniedException")) == nothing
    with pytest.raises(ClientError):
        read_image(f"{HOST}/serving:v1", Ecr(None, code="ServerException"))
    assert read_image(f"{HOST}/serving:v1", Ecr({"imagePushedAt": None})).vulnerabilities is None
