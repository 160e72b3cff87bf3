"""Models, configurations and endpoints as records: names, states, tags, lists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from seatrial.limits import load_limits
from seatrial.localcloud.api import AwsError, Handler, NotOurs, Place
from seatrial.localcloud.endpoint_configs import EndpointConfigs
from seatrial.localcloud.endpoints import Endpoints
from seatrial.localcloud.hosting import Deployment, DeploymentFailed, Hosting
from seatrial.localcloud.images import Image, ImageMap
from seatrial.localcloud.models import Models
from seatrial.localcloud.quotas import AccountQuotas, Quotas
from seatrial.localcloud.tags import Tags

PLACE = Place(region="eu-west-1", endpoint_url="http://127.0.0.1:1", work_dir="/nowhere")
IMAGES = ImageMap(images={"image": Image(interpreter="/python", serve=("serve",))})
ARN = "arn:aws:sagemaker:eu-west-1:123456789012"
AT_MOST_50 = "Member must have length less than or equal to 50"


class FakeHosting:
    """Serves by saying so; `release` lets a deployment go on, `failure` makes it fail."""

    def __init__(self) -> None:
        self.serving: dict[str, Deployment] = {}
        self.failure: str | None = None
        self.release = asyncio.Event()
        self.release.set()

    async def deploy(self, endpoint_name: str, deployment: Deployment) -> None:
        await self.release.wait()
        if self.failure:
            raise DeploymentFailed(self.failure)
        self.serving[endpoint_name] = deployment

    async def resize(self, endpoint_name: str, deployment: Deployment) -> None:
        await self.deploy(endpoint_name, deployment)

    async def remove(self, endpoint_name: str) -> None:
        self.serving.pop(endpoint_name, None)


class Account:
    """All calls of one account, by name."""

    def __init__(self, hosting: FakeHosting) -> None:
        tags = Tags()
        models = Models(PLACE, IMAGES, tags, lambda uri: "missing" not in uri)
        configs = EndpointConfigs(PLACE, models, tags, load_limits())
        endpoints = Endpoints(
            PLACE,
            models,
            configs,
            tags,
            AccountQuotas(Quotas(memory_size_mb=3072, total_concurrency=10, endpoints=5)),
            cast(Hosting, hosting),
            asyncio.get_running_loop(),
        )
        self._calls: dict[str, Handler] = {}
        for part in (tags, models, configs, endpoints):
            self._calls |= part.handlers()

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        return self._calls[f"SageMaker.{name}"](request)

    def model(self, name: str = "m", **fields: Any) -> dict[str, Any]:
        container = {"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz", **fields}
        return self("CreateModel", ModelName=name, PrimaryContainer=container)

    def config(self, name: str = "c", *, concurrency: int = 2, **fields: Any) -> dict[str, Any]:
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": "m",
            "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": concurrency},
        }
        return self(
            "CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[variant], **fields
        )

    def status(self, name: str = "e") -> dict[str, Any]:
        return self("DescribeEndpoint", EndpointName=name)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def in_account(story: Callable[[Account, FakeHosting], Any]) -> None:
    """Run a story in an account that has model `m` and configuration `c`."""

    async def run() -> None:
        hosting = FakeHosting()
        account = Account(hosting)
        account.model()
        account.config()
        await story(account, hosting)

    asyncio.run(run())


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        call()
    return caught.value.code, caught.value.message


def test_an_endpoint_is_created_updated_and_deleted() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account.config("c2")
        created = account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        assert created == {"EndpointArn": f"{ARN}:endpoint/e"}
        assert account.status()["EndpointStatus"] == "Creating"
        await settle()
        assert account.status()["EndpointStatus"] == "InService"
        account("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
        updating = account.status()
        assert (updating["EndpointStatus"], updating["EndpointConfigName"]) == ("Updating", "c")
        assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == "c2"
        await settle()
        assert account.status()["EndpointConfigName"] == "c2"
        assert hosting.serving["e"].config_name == "c2"
        account("DeleteEndpoint", EndpointName="e")
        await settle()
        assert refusal(account.status) == (
            "ValidationException",
            f'Could not find endpoint "{ARN}:endpoint/e".',
        )
        assert hosting.serving == {}

    in_account(story)


def resize(account: Account, variant: str = "AllTraffic", **wanted: Any) -> dict[str, Any]:
    item = {"VariantName": variant, **wanted}
    return account(
        "UpdateEndpointWeightsAndCapacities", EndpointName="e", DesiredWeightsAndCapacities=[item]
    )


def serverless(account: Account) -> dict[str, Any]:
    found: dict[str, Any] = account.status()["ProductionVariants"][0]["CurrentServerlessConfig"]
    return found


def test_capacity_changes_in_place_and_only_what_is_named() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        await settle()
        answer = resize(account, ServerlessUpdateConfig={"MaxConcurrency": 4})
        assert answer == {"EndpointArn": f"{ARN}:endpoint/e"}
        assert account.status()["EndpointStatus"] == "Updating"
        await settle()
        assert account.status()["EndpointStatus"] == "InService"
        assert serverless(account) == {"MemorySizeInMB": 1024, "MaxConcurrency": 4}
        resize(account, ServerlessUpdateConfig={"ProvisionedConcurrency": 3})
        await settle()
        assert serverless(account)["ProvisionedConcurrency"] == 3
        assert hosting.serving["e"].max_concurrency == 4

    in_account(story)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        pytest.param({"MaxConcurrency": 10}, None, id="exactly-the-quota"),
        pytest.param({"MaxConcurrency": 11}, "is 10, with current utilization of 2", id="quota"),
        pytest.param({"MaxConcurrency": 200}, "ResourceLimitExceeded", id="exactly-the-limit"),
        pytest.param({"MaxConcurrency": 201}, "less than or equal to 200", id="over-the-limit"),
        pytest.param({"MaxConcurrency": 0}, "greater than or equal to 1", id="under-the-limit"),
        pytest.param({"ProvisionedConcurrency": 2}, None, id="all-provisioned"),
        pytest.param({"ProvisionedConcurrency": 3}, "is over MaxConcurrency 2", id="too-many"),
    ],
)
def test_capacity_has_the_limits_that_it_has_at_creation(
    wanted: dict[str, int], text: str | None
) -> None:
    async def story(account: Account, _: FakeHosting) -> None:
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        await settle()
        if text is None:
            resize(account, ServerlessUpdateConfig=wanted)
            await settle()
        else:
            assert text in " ".join(refusal(lambda: resize(account, ServerlessUpdateConfig=wanted)))
        assert account.status()["EndpointStatus"] == "InService"

    in_account(story)


def test_capacity_of_what_is_not_there_is_refused() -> None:
    async def story(account: Account, _: FakeHosting) -> None:
        assert "Could not find endpoint" in refusal(lambda: resize(account))[1]
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        assert "in-progress" in refusal(lambda: resize(account))[1]
        await settle()
        assert "it has AllTraffic" in refusal(lambda: resize(account, "Other"))[1]
        assert "no instances" in refusal(lambda: resize(account, DesiredInstanceCount=2))[1]

    in_account(story)


def test_capacity_that_cannot_be_had_leaves_what_was_there() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        await settle()
        hosting.failure = "no ping"
        resize(account, ServerlessUpdateConfig={"MaxConcurrency": 4})
        await settle()
        assert account.status()["FailureReason"] == "no ping"
        assert serverless(account)["MaxConcurrency"] == 2

    in_account(story)


def test_a_failed_creation_can_only_be_deleted() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        hosting.failure = "no ping"
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        await settle()
        seen = account.status()
        assert (seen["EndpointStatus"], seen["FailureReason"]) == ("Failed", "no ping")
        update = {"EndpointName": "e", "EndpointConfigName": "c"}
        assert "only DeleteEndpoint" in refusal(lambda: account("UpdateEndpoint", **update))[1]
        account("DeleteEndpoint", EndpointName="e")
        await settle()
        assert account("ListEndpoints")["Endpoints"] == []

    in_account(story)


def test_a_failed_update_keeps_what_was_there() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account.config("c2")
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        await settle()
        hosting.failure = "no ping"
        account("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
        await settle()
        seen = account.status()
        assert (seen["EndpointStatus"], seen["EndpointConfigName"]) == ("InService", "c")
        assert seen["FailureReason"] == "no ping"
        hosting.failure = None
        account("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
        await settle()
        assert "FailureReason" not in account.status()

    in_account(story)


@pytest.mark.parametrize("call", ["UpdateEndpoint", "DeleteEndpoint"])
def test_an_endpoint_in_progress_is_left_alone(call: str) -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        hosting.release.clear()
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        assert refusal(lambda: account(call, EndpointName="e", EndpointConfigName="c")) == (
            "ValidationException",
            f'Cannot update in-progress endpoint "{ARN}:endpoint/e".',
        )
        hosting.release.set()
        await settle()

    in_account(story)


def test_a_name_that_is_taken_is_refused_and_changes_nothing() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        create = {"EndpointName": "e", "EndpointConfigName": "c"}
        taken = 'Cannot create already existing {} "' + ARN + ':{}".'
        assert refusal(lambda: account("CreateEndpoint", **create))[1] == taken.format(
            "endpoint", "endpoint/e"
        )
        assert refusal(account.model)[1] == taken.format("model", "model/m")
        assert refusal(account.config)[1] == taken.format(
            "endpoint configuration", "endpoint-config/c"
        )
        await settle()

    in_account(story)


def test_what_is_not_there_is_named_in_the_services_words() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        create = {"EndpointName": "e", "EndpointConfigName": "none"}
        assert refusal(lambda: account("CreateEndpoint", **create))[1] == (
            f'Could not find endpoint configuration "{ARN}:endpoint-config/none".'
        )
        account("DeleteModel", ModelName="m")
        assert (
            refusal(lambda: account.config("other"))[1] == f'Could not find model "{ARN}:model/m".'
        )

    in_account(story)


def test_an_endpoint_keeps_its_own_copy_of_model_and_configuration() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        await settle()
        account("DeleteModel", ModelName="m")
        account("DeleteEndpointConfig", EndpointConfigName="c")
        variant = account.status()["ProductionVariants"][0]
        assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 2}

    in_account(story)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("a", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("a-b", True),
        ("a_b", False),
        ("-a", False),
        ("a-", False),
        ("", False),
    ],
)
def test_names(name: str, allowed: bool) -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        if allowed:
            account.model(name)
        else:
            assert f"Value '{name}' at 'modelName'" in refusal(lambda: account.model(name))[1]

    in_account(story)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"Image": "unknown"}, "the image map does not know 'unknown'; it knows image"),
        ({"ModelDataUrl": "s3://b/folder/"}, "must be s3://"),
        ({"ModelDataUrl": "https://b/model.tar.gz"}, "must be s3://"),
        (
            {"ModelDataUrl": "s3://b/missing.tar.gz"},
            "Could not find model data at s3://b/missing.tar.gz.",
        ),
        ({"Environment": {"1": "x"}}, "Map keys must satisfy constraint"),
    ],
)
def test_containers_that_cannot_run_here(fields: dict[str, str], reason: str) -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        assert reason in refusal(lambda: account.model("other", **fields))[1]
        assert [item["ModelName"] for item in account("ListModels")["Models"]] == ["m"]

    in_account(story)


def test_lists_are_filtered_sorted_and_paged() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        for name in ("c-b", "c-a", "d"):
            account.config(name)
        listed = account("ListEndpointConfigs", NameContains="c-", SortBy="Name", MaxResults=1)
        assert [item["EndpointConfigName"] for item in listed["EndpointConfigs"]] == ["c-b"]
        following = account(
            "ListEndpointConfigs",
            NameContains="c-",
            SortBy="Name",
            MaxResults=1,
            NextToken=listed["NextToken"],
        )
        assert [item["EndpointConfigName"] for item in following["EndpointConfigs"]] == ["c-a"]
        assert "NextToken" not in following
        newest = account("ListEndpointConfigs")["EndpointConfigs"]
        assert [item["EndpointConfigName"] for item in newest] == ["d", "c-a", "c-b", "c"]

    in_account(story)


def test_lists_are_bounded_by_time() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        await settle()
        created_at = account.status()["CreationTime"].timestamp()
        changed_at = account.status()["LastModifiedTime"].timestamp()
        for call, key in (("ListModels", "Models"), ("ListEndpointConfigs", "EndpointConfigs")):
            assert account(call, CreationTimeAfter=created_at)[key] == []
            assert len(account(call, CreationTimeBefore=created_at)[key]) == 1
        for name, moment in (("CreationTime", created_at), ("LastModifiedTime", changed_at)):
            for bound, count in (
                ({f"{name}After": moment - 1}, 1),
                ({f"{name}After": moment}, 0),
                ({f"{name}Before": moment}, 0),
                ({f"{name}Before": moment + 1}, 1),
            ):
                assert len(account("ListEndpoints", **bound)["Endpoints"]) == count, bound

    in_account(story)


def test_endpoints_are_listed_by_status() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account("CreateEndpoint", EndpointName="a", EndpointConfigName="c")
        await settle()
        hosting.failure = "no ping"
        account("CreateEndpoint", EndpointName="b", EndpointConfigName="c")
        await settle()

        def names(**asked: str) -> list[str]:
            return [item["EndpointName"] for item in account("ListEndpoints", **asked)["Endpoints"]]

        assert names(SortBy="Status", SortOrder="Ascending") == ["b", "a"]  # Failed, InService
        assert names(SortBy="Status", SortOrder="Descending") == ["a", "b"]
        assert names(SortBy="Name", SortOrder="Ascending") == ["a", "b"]
        assert names(StatusEquals="Failed") == ["b"]

    in_account(story)


def test_describe_shows_what_an_update_is_to_bring() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account.config("c2", concurrency=5)
        account("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        assert account.status()["PendingDeploymentSummary"]["EndpointConfigName"] == "c"
        await settle()
        assert "DesiredServerlessConfig" not in account.status()["ProductionVariants"][0]
        resize(account, ServerlessUpdateConfig={"MaxConcurrency": 4})
        desired = account.status()["ProductionVariants"][0]["DesiredServerlessConfig"]
        assert desired == {"MemorySizeInMB": 1024, "MaxConcurrency": 4}
        assert "PendingDeploymentSummary" not in account.status()  # no new configuration
        await settle()
        account("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
        summary = account.status()["PendingDeploymentSummary"]
        [variant] = summary["ProductionVariants"]
        assert summary["EndpointConfigName"] == "c2"
        assert variant["DesiredServerlessConfig"]["MaxConcurrency"] == 5
        await settle()
        assert "PendingDeploymentSummary" not in account.status()

    in_account(story)


def test_tags_of_our_resources_live_as_long_as_they() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        tag = {"Key": "seatrial:baseline", "Value": "s3://b/baseline"}
        arn = account.config("tagged", Tags=[tag])["EndpointConfigArn"]
        assert account("ListTags", ResourceArn=arn)["Tags"] == [tag]
        account("AddTags", ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
        account("DeleteTags", ResourceArn=arn, TagKeys=["seatrial:baseline"])
        assert account("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
        account("DeleteEndpointConfig", EndpointConfigName="tagged")
        gone = {"ResourceArn": arn, "Tags": [tag], "TagKeys": ["a"]}
        for call in ("ListTags", "AddTags", "DeleteTags"):
            assert f"there is no {arn}" in refusal(partial(account, call, **gone))[1]
        with pytest.raises(NotOurs):
            account("ListTags", ResourceArn=f"{ARN}:model-package/p/1")

    in_account(story)


def test_a_model_for_several_models_has_a_folder_and_is_refused_by_serverless() -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        account.model("many", Mode="MultiModel", ModelDataUrl="s3://b/folder/")
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": "many",
            "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
        }
        request = {"EndpointConfigName": "many", "ProductionVariants": [variant]}
        message = refusal(lambda: account("CreateEndpointConfig", **request))[1]
        assert "a serverless endpoint serves one model" in message

    in_account(story)


@pytest.mark.parametrize(
    ("count", "allowed"),
    [
        pytest.param(49, True, id="under"),
        pytest.param(50, True, id="exactly-at-limit"),
        pytest.param(51, False, id="over"),
    ],
)
def test_fifty_tags_and_no_more(count: int, allowed: bool) -> None:
    async def story(account: Account, hosting: FakeHosting) -> None:
        tags = [{"Key": str(number), "Value": ""} for number in range(count)]
        if allowed:
            account.config("tagged", Tags=tags)
        else:
            message = refusal(lambda: account.config("tagged", Tags=tags))[1]
            assert message.endswith("at 'tags' failed to satisfy constraint: " + AT_MOST_50)
            assert len(account("ListEndpointConfigs")["EndpointConfigs"]) == 1

    in_account(story)
