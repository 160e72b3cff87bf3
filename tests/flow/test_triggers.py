"""What starts the pipelines: a comparison that registers a model, and CodeBuild's buildspec."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from code_build import code_build, put_seatrial, read_buildspec
from dock import Dock

from seatrial.aws import S3
from seatrial.cli.app import app
from seatrial.comparison.answering import Outcome, Request, answer
from seatrial.comparison.following import Served, find_served, follow
from seatrial.comparison.registering import EVIDENCE_KEY, MODEL_KEY
from seatrial.comparison.tracking import Tracking
from seatrial.comparison.validation import RUN_KEY, Brought
from seatrial.config import Config, load_config
from seatrial.contracts import Comparison
from seatrial.errors import CloudError, InputError
from seatrial.optimization.serving_python import find_serving_python
from seatrial.pipelines.registration import InputFiles, approve, describe_package, register
from seatrial.pipelines.template_scripts import get_pipeline_definition, run_pipeline
from seatrial.pipelines.upsert import upsert_pipeline

pytestmark = pytest.mark.flow

ROOT = Path(__file__).parents[2]
EXPERIMENT = "late"
COLUMNS = ["a", "b", "c"]


def frame(count: int) -> pd.DataFrame:
    random = np.random.default_rng(3)
    rows = pd.DataFrame(random.normal(size=(count, 3)), columns=COLUMNS)
    return rows.assign(late=(rows.sum(axis=1) + random.normal(size=count) > 0).astype(int))


def log(name: str, columns: list[str], auc: float | None) -> str:
    """Train on these columns, and log it with this metric, true or not; return the run's id."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    rows = frame(500)
    model = LogisticRegression().fit(rows[columns], rows["late"])
    with mlflow.start_run(run_name=name) as run:
        if auc is not None:
            mlflow.log_metric("auc", auc)
        mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="cloudpickle",
            signature=infer_signature(rows[columns], model.predict(rows[columns])),
            input_example=rows[columns].head(2),
            pip_requirements=[],
        )
    return str(run.info.run_id)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow with a weak champion, a strong run that boasts, and a failed one."""
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    found = f"sqlite:///{folder / 'mlflow.db'}"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(found)
    mlflow.create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment(EXPERIMENT)
    champion = log("weak", ["a"], 0.7)
    log("strong", COLUMNS, 0.99)
    with mlflow.start_run(run_name="broken"):
        mlflow.log_metric("auc", 1.0)
        mlflow.end_run("FAILED")
    version = mlflow.register_model(f"runs:/{champion}/model", EXPERIMENT).version
    mlflow.MlflowClient().set_registered_model_alias(EXPERIMENT, "champion", version)
    yield found
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(
        None,
        project="triggers",
        bucket="triggers",
        model_package_group="triggers",
        optimization={"repeats": 2, "seconds_per_batch": 0.01, "bootstrap_resamples": 200},
        # two processes show nothing of a latency
        comparison={"unknown_blocks": ["CALIBRATION"]},
    )


@pytest.fixture(scope="module")
def clients(cloud: Any) -> dict[str, Any]:
    found = {name: cloud.client(name) for name in ("s3", "sagemaker", "events")}
    found["s3"].create_bucket(Bucket="triggers")
    return found


@pytest.fixture(scope="module")
def request_of(tmp_path_factory: pytest.TempPathFactory) -> Request:
    rows = tmp_path_factory.mktemp("rows") / "validation.parquet"
    frame(3000).to_parquet(rows)
    return Request(
        experiment=EXPERIMENT,
        model=EXPERIMENT,
        where="",
        rank_by=None,
        brought=Brought("binary_classification", "late", None, rows, rows, None, str(rows)),
        trusted=(),
        python=find_serving_python({}),
        dry_run=False,
    )


@pytest.fixture(scope="module")
def better(request_of: Request, config: Config, uri: str, clients: dict[str, Any]) -> Outcome:
    return answer(request_of, config, Tracking(uri), clients, tell=lambda _: None)


def test_a_better_run_becomes_a_package_with_its_evidence(
    better: Outcome, uri: str, clients: dict[str, Any]
) -> None:
    from mlflow import MlflowClient

    found, package = better.comparison, better.package
    assert found is not None
    assert package is not None
    assert (found.decision, found.accepted, found.challenger.name) == ("better", True, "strong")
    assert found.skipped == ("broken: failed",)
    assert found.challenger.quality["auc"] < 0.95, "measured, whatever it logged"
    assert (package.state, package.approved) == ("registered", False)
    described = clients["sagemaker"].describe_model_package(ModelPackageName=package.package_arn)
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    container = described["InferenceSpecification"]["Containers"][0]
    assert container["ModelDataUrl"].endswith("/model.tar.gz")
    assert "ModelDataSource" not in container
    key = described["CustomerMetadataProperties"][EVIDENCE_KEY].removeprefix("s3://triggers/")
    stored = clients["s3"].get_object(Bucket="triggers", Key=key)["Body"].read()
    assert Comparison.model_validate_json(stored) == found
    client = MlflowClient(uri)
    version = client.get_model_version_by_alias(EXPERIMENT, "challenger")
    assert version.run_id == found.challenger.run_id
    assert client.get_run(str(better.tracked_run)).data.params["decision"] == "better"


def test_the_same_again_on_the_packages_own_data_registers_nothing_and_approves(
    better: Outcome, request_of: Request, config: Config, uri: str, clients: dict[str, Any]
) -> None:
    approving = config.model_copy(
        update={"comparison": config.comparison.model_copy(update={"approve": True})}
    )
    # what a managed MLflow registers by itself lies in the same group, and has no data
    clients["sagemaker"].create_model_package(
        ModelPackageGroupName="triggers", ModelPackageDescription="registered by MLflow"
    )
    again = replace(request_of, brought=None)
    outcome = answer(again, approving, Tracking(uri), clients, tell=lambda _: None)
    assert better.package is not None
    assert outcome.package is not None
    assert outcome.judged_on == better.package.package_arn
    assert outcome.package.package_arn == better.package.package_arn
    assert (outcome.package.state, outcome.package.approved) == ("already registered", True)
    assert outcome.version == better.version


def test_the_champion_alone_has_no_challenger(
    request_of: Request, config: Config, uri: str, clients: dict[str, Any]
) -> None:
    alone = replace(request_of, where="attributes.run_name = 'weak'")
    outcome = answer(alone, config, Tracking(uri), clients, tell=lambda _: None)
    assert outcome.comparison is None
    assert not outcome.good


@pytest.fixture(scope="module")
def served(better: Outcome, config: Config, uri: str, cloud: Any, clients: dict[str, Any]) -> Dock:
    """The endpoint `late` serves the better model now, and served the champion before."""
    from mlflow import MlflowClient

    dock = Dock.of(cloud, "late", config=config)
    weak = MlflowClient(uri).get_model_version_by_alias(EXPERIMENT, "champion")
    first = clients["sagemaker"].create_model_package(
        ModelPackageGroupName="triggers",
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={MODEL_KEY: EXPERIMENT, RUN_KEY: weak.run_id},
    )["ModelPackageArn"]
    assert better.package is not None
    approve(better.package.package_arn, clients["sagemaker"], because="test")
    for arn in (first, better.package.package_arn):
        dock.deploy(dock.target(arn))
    return dock


def test_the_champion_is_what_serves_and_goes_back_with_a_rollback(
    served: Dock,
    better: Outcome,
    request_of: Request,
    config: Config,
    uri: str,
    clients: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def champion() -> str:
        found = Tracking(uri).champion(EXPERIMENT, "champion")
        return "" if found is None else found.version

    def compare(*, dry_run: bool) -> Outcome:
        request = replace(request_of, where="attributes.run_name = 'strong'", dry_run=dry_run)
        return answer(request, serving, Tracking(uri), clients, tell=lambda _: None)

    def seatrial(*words: str) -> str:
        path = tmp_path / "late.yaml"
        path.write_text(serving.to_yaml(), encoding="utf-8")
        app(["--config", str(path), *words], standalone_mode=False)
        return capsys.readouterr().out

    endpoint = config.endpoint.model_copy(update={"name": "late"})
    tracking = config.tracking.model_copy(update={"mlflow_uri": uri})
    serving = config.model_copy(update={"endpoint": endpoint, "tracking": tracking})
    before = champion()
    assert before != better.version
    assert compare(dry_run=True).comparison is None, "the strong run is the champion now"
    assert champion() == before
    assert f"dry run: champion is now version {better.version}" in seatrial(
        "champion", "late", "--dry-run"
    )
    followed = compare(dry_run=False).followed
    assert followed is not None
    assert (followed.moved, followed.before, champion()) == (True, before, better.version)
    assert seatrial("champion", "late").startswith(f"champion is version {better.version} of late")
    said = seatrial("rollback", "late")
    assert "again, verified" in said
    assert f"champion is now version {before} of late, which serves; before: 2" in said
    assert champion() == before


def test_what_compare_did_not_register_leaves_the_champion_alone(
    served: Dock, better: Outcome, uri: str, clients: dict[str, Any]
) -> None:
    served.deploy(served.target(served.package()))
    bucket = served.config.bucket
    assert find_served("late", bucket, served.clients) is None
    assert find_served("nobody", bucket, served.clients) is None
    gone = Served("arn", EXPERIMENT, "no-such-run")
    with pytest.raises(InputError, match="has no version of late in MLflow"):
        follow(gone, "champion", Tracking(uri), dry_run=False)


def test_a_filter_or_an_experiment_that_mlflow_does_not_know_is_an_error(uri: str) -> None:
    with pytest.raises(CloudError, match="--filter"):
        Tracking(uri).rank(EXPERIMENT, "auc", where="no filter")
    with pytest.raises(InputError, match=r"'flights', allowed .*late"):
        Tracking(uri).rank("flights", "auc")


def test_an_arn_is_asked_by_its_plugin_with_signed_requests(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []

    class Managed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            body = json.dumps({"error_code": "PERMISSION_DENIED", "message": "not yours"}).encode()
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Not into the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Managed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT", url)
    arn = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/mine"
    try:
        with pytest.raises(CloudError, match="not yours"):
            Tracking(arn).rank(EXPERIMENT, "auc")
    finally:
        server.shutdown()
        server.server_close()
    assert seen[0]["Authorization"].startswith("AWS4-HMAC-SHA256")


def test_the_templates_scripts_write_a_definition(tmp_path: Path) -> None:
    path = tmp_path / "definition.json"
    kwargs = json.dumps(
        {
            "region": "eu-west-1",
            "default_bucket": "theirs",
            "role": "arn:aws:iam::123456789012:role/j",
        }
    )
    words = ["-n", "seatrial.pipelines.monitoring", "-f", str(path), "-kwargs", kwargs]
    assert get_pipeline_definition(words) == 0
    text = path.read_text(encoding="utf-8")
    assert "s3://theirs/" in text
    assert '"arn:aws:iam::123456789012:role/j"' in text


def test_run_pipeline_fails_when_the_execution_does(
    clients: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    window = {"WindowStart": "2026-01-01T00:00:00Z", "WindowEnd": "2026-01-02T00:00:00Z"}
    code = run_pipeline(
        [
            *(
                "--module-name",
                "seatrial.pipelines.monitoring",
                "--role-arn",
                "arn:aws:iam::1:role/r",
            ),
            *("--kwargs", json.dumps({"default_bucket": "triggers", "pipeline_name": "theirs"})),
            *("--tags", '[{"Key": "sagemaker:project-name", "Value": "p"}]'),
            *("--parameters", json.dumps({**window, "EndpointName": "nobody"})),
        ]
    )
    said = capsys.readouterr().out
    assert code == 2
    assert "CollectWindow: Failed" in said
    described = clients["sagemaker"].describe_pipeline(PipelineName="theirs")
    assert described["RoleArn"] == "arn:aws:iam::1:role/r"
    tags = clients["sagemaker"].list_tags(ResourceArn=described["PipelineArn"])["Tags"]
    assert tags == [{"Key": "sagemaker:project-name", "Value": "p"}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--kwargs", "{'a': 1}"], "never evaluated", id="python"),
        pytest.param(["--kwargs", "[]"], "no object", id="list"),
        pytest.param(["--kwargs", '{"regoin": "x"}'], "does not take", id="unknown"),
        pytest.param(["--tags", '{"Key": "a"}'], "no tags", id="tags"),
        pytest.param(["--parameters", '{"a": 1}'], "no text", id="parameters"),
        pytest.param(["--module-name", "seatrial.nothing"], "no such module", id="module"),
        pytest.param(["--module-name", "seatrial.errors"], "makes no pipeline", id="no pipeline"),
    ],
)
def test_options_of_the_templates_scripts_are_json(words: list[str], said: str) -> None:
    common = [
        "--module-name",
        "seatrial.pipelines.readiness",
        "--role-arn",
        "arn:aws:iam::1:role/r",
    ]
    with pytest.raises(InputError, match=said):
        run_pipeline([*common, *words])


# Stand-ins on PATH for what cannot run in a test. Each checks what it is asked, and notes it.
MAKE = """#!/bin/bash
# `make -n` for real: the target has to be there; of the tests, one file of them
echo "make $*" >> "$NOTES"
/usr/bin/env PATH="$REAL_PATH" make -n "$@" > /dev/null || exit
if [ "$1" = test ]; then exec "$PYTHON" -m pytest -q ${2#PYTEST_ARGS=} tests/unit/test_trust.py; fi
"""
DOCKER = """#!/bin/bash
REGISTRY='[0-9]{12}[.]dkr[.]ecr[.][a-z0-9-]+[.]amazonaws[.]com'
echo "docker $*" >> "$NOTES"
case "$1" in
  login) [ "$(cat)" = secret ] && [[ "${*: -1}" =~ ^$REGISTRY$ ]] ;;
  push) [[ "$#" = 2 && "$2" =~ ^$REGISTRY/[a-z-]+:[0-9a-z]+$ ]] ;;
  *) exit 64 ;;
esac
"""
AWS = """#!/bin/bash
[ "$*" = "ecr get-login-password --region us-east-1" ] && echo secret
"""


@pytest.fixture
def project(tmp_path: Path, cloud: Any) -> tuple[Path, dict[str, str]]:
    """A copy of the project, its environment as it is here, and the stand-ins first on PATH."""
    folder = tmp_path / "project"
    unwanted = shutil.ignore_patterns(
        ".git", ".venv*", "build", "dist", "runs", "__pycache__", ".*_cache"
    )
    shutil.copytree(ROOT, folder, ignore=unwanted)
    (folder / "build").mkdir()
    put_seatrial(folder)
    (folder / "dev-small.yaml").write_text("project: built\nbucket: triggers\n", encoding="utf-8")
    tools = {
        "tools/make": MAKE,
        "tools/docker": DOCKER,
        "tools/aws": AWS,
    }
    for name, text in tools.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    path = os.environ["PATH"]
    return folder, {
        **cloud.environment,
        "PATH": f"{folder / 'tools'}:{path}",
        "REAL_PATH": path,
        "HOME": str(tmp_path),
        "NOTES": str(tmp_path / "notes"),
        "PYTHON": sys.executable,
        "AWS_REGION": "us-east-1",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": "latest",
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "ARTIFACT_BUCKET": "triggers",
        "SAGEMAKER_PIPELINE_ROLE_ARN": "arn:aws:iam::123456789012:role/theirs",
        "SAGEMAKER_PROJECT_NAME": "p",
        "SAGEMAKER_PROJECT_ID": "p-1",
    }


def test_the_buildspec_runs_from_install_to_the_executions_end(
    project: tuple[Path, dict[str, str]], clients: dict[str, Any]
) -> None:
    folder, environment = project
    spec = read_buildspec(folder)
    phases = ("install", "pre_build", "build", "post_build")
    assert (spec["version"], tuple(spec["phases"])) == (0.2, phases)
    given = {
        "SEATRIAL_CONFIG": "dev-small.yaml",
        "SEATRIAL_PIPELINE": "monitoring",
        "SEATRIAL_PARAMETERS": "EndpointName=nobody WindowStart=2026-01-01T00:00:00Z "
        "WindowEnd=2026-01-02T00:00:00Z",
    }
    assert set(given) < set(spec["env"]["variables"])
    commands = [command for phase in phases for command in spec["phases"][phase]["commands"]]
    ended = code_build(folder, commands, {**environment, **spec["env"]["variables"], **given})
    assert ended.returncode == 2, ended.stderr  # nobody is no endpoint
    assert "CollectWindow" in ended.stdout
    notes = Path(environment["NOTES"]).read_text(encoding="utf-8").splitlines()
    registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    assert [line for line in notes if line.startswith("docker push")] == [
        f"docker push {registry}/built-serving:latest",
        f"docker push {registry}/built-toolbox:latest",
    ]
    for report in spec["reports"]["tests"]["files"]:
        assert "<testsuite" in (folder / report).read_text(encoding="utf-8")
    described = clients["sagemaker"].describe_pipeline(PipelineName="built-readiness")
    assert described["RoleArn"] == "arn:aws:iam::123456789012:role/theirs"
    assert f"{registry}/built-toolbox:latest" in described["PipelineDefinition"]
    clients["sagemaker"].describe_pipeline(PipelineName="built-monitoring")


def test_after_a_failed_build_nothing_is_brought_up_to_date(
    project: tuple[Path, dict[str, str]],
) -> None:
    folder, environment = project
    spec = read_buildspec(folder)
    failed = {**environment, **spec["env"]["variables"], "CODEBUILD_BUILD_SUCCEEDING": "0"}
    ended = code_build(folder, spec["phases"]["post_build"]["commands"], failed)
    assert ended.returncode == 1
    assert not (folder / "build" / "config.yaml").exists()


def test_tags_of_a_pipeline_that_is_there_are_added_to(clients: dict[str, Any]) -> None:
    sagemaker = clients["sagemaker"]
    parameters = {
        "PipelineName": "tagged",
        "RoleArn": "arn:aws:iam::123456789012:role/pipeline",
        "PipelineDefinition": json.dumps({"Version": "2020-12-01", "Steps": []}),
    }
    arn = upsert_pipeline(parameters, sagemaker, tags=[{"Key": "a", "Value": "1"}])
    upsert_pipeline(parameters, sagemaker, tags=[{"Key": "b", "Value": "2"}])
    tags = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags[1:]
    sagemaker.delete_pipeline(PipelineName="tagged")
    with pytest.raises(sagemaker.exceptions.ClientError, match="there is no"):
        sagemaker.list_tags(ResourceArn=arn)


def test_a_registered_package_names_its_commit(clients: dict[str, Any], tmp_path: Path) -> None:
    for name in ("MLmodel", "rows.parquet", "payloads.jsonl"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    rows = tmp_path / "rows.parquet"
    arn = register(
        tmp_path,
        InputFiles("regression", rows, rows, tmp_path / "payloads.jsonl", "y", None),
        group="committed",
        bucket="triggers",
        image="image",
        s3=S3(clients["s3"]),
        sagemaker=clients["sagemaker"],
        description="a model",
        metadata={},
        commit="abc",
    )
    package = describe_package(arn, clients["sagemaker"])
    assert package["MetadataProperties"] == {"CommitId": "abc"}
