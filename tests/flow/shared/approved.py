"""Approvals that start what deploys: the real rule, and a pipeline of which only that step is left.

The pipeline has the readiness pipeline's name, so that the rule, which is not touched, starts it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from doubling_model import archive_of, model_files
from record_delivery import BUCKET, make_bucket

from seatrial.aws import S3, sha256_of
from seatrial.config import load_config
from seatrial.contracts import (
    Candidate,
    Optimization,
    Payload,
    Readiness,
    ServerlessConfiguration,
    write_contract,
)
from seatrial.pipelines.execution import ExecutionStatus, executions, follow
from seatrial.pipelines.processing import (
    Folder,
    StepFactory,
    definition_json,
    offline,
    output_path,
    pipeline_session,
)
from seatrial.pipelines.registration import ensure_group
from seatrial.pipelines.upsert import config_uri, upsert, upsert_pipeline

HAND_OVER = Path(__file__).parents[1] / "servers" / "hand_over.py"
REPLAY = "seatrial.replay"  # only AWS itself may send events as aws.sagemaker


class Approvals:
    """A project whose approvals deploy a model to its endpoint, and nothing else."""

    def __init__(self, cloud: Any, name: str) -> None:
        images = load_config().images
        self.config = load_config(
            project=name,
            bucket=BUCKET,
            model_package_group=name,
            endpoint={"name": name},
            images={"toolbox": images.toolbox, "serving": "doubling"},
            deployment={"on_rejection": "roll_back"},
        )
        self.sagemaker = cloud.client("sagemaker")
        self.events = cloud.client("events")
        self.s3 = S3(cloud.client("s3"))
        make_bucket(cloud.client)
        clients = {"s3": cloud.client("s3"), "sagemaker": self.sagemaker, "events": self.events}
        self.pipelines = set(upsert(self.config, clients=clients).pipeline_arns)
        ensure_group(name, self.sagemaker)

    def deploys(self, scratch: Path) -> None:
        """DeployEndpoint itself, with what the steps before would have left."""
        folders = [
            Folder(name, self.s3.upload_folder(_write(scratch / name), f"s3://{BUCKET}/{name}"))
            for name in ("candidates", "baseline", "verdict")
        ]
        self._replace(
            lambda make, package, approved_at: make.toolbox_step(
                "DeployEndpoint",
                "deploy_endpoint",
                role=self.config.roles.deploy,
                arguments=[
                    *("--model-package-arn", package),
                    *("--approved-at", approved_at),
                    *("--readiness", folders[2].path),
                    *("--candidates", folders[0].path),
                    *("--baseline", folders[1].path),
                    *("--output", output_path("deployment")),
                ],
                inputs=folders,
                outputs=["deployment"],
            )
        )

    def hands_over(self, url: str) -> None:
        """A step that tells the arguments to that URL."""
        code = Folder("code", self.s3.upload_by_content(HAND_OVER, f"s3://{BUCKET}/code"))
        self._replace(
            lambda make, package, approved_at: make.step(
                "DeployEndpoint",
                role=self.config.roles.deploy,
                entrypoint=["python3", "-I", "-S", f"{code.path}/{HAND_OVER.name}", url],
                arguments=["--model-package-arn", package, "--approved-at", approved_at],
                inputs=[code],
                outputs=[],
            )
        )

    def _replace(self, make_step: Callable[[StepFactory, Any, Any], Any]) -> None:
        with offline(self.config.region):
            from sagemaker.core.workflow.parameters import ParameterString

            session, name = pipeline_session(self.config), self.config.readiness_pipeline
            package = ParameterString(name="ModelPackageArn")
            approved_at = ParameterString(name="ApprovedAt")
            uri = ParameterString(name="ConfigUri", default_value=config_uri(self.config))
            step = make_step(StepFactory(name, self.config, uri, session), package, approved_at)
            definition = definition_json(name, [package, approved_at, uri], [step], session)
        role = self.config.roles.pipeline
        parameters = {"PipelineName": name, "PipelineDefinition": definition, "RoleArn": role}
        upsert_pipeline(parameters, self.sagemaker)

    def register(self, number: int) -> list[str]:
        """New versions that wait for approval."""
        return [
            self.sagemaker.create_model_package(ModelPackageGroupName=self.config.project)[
                "ModelPackageArn"
            ]
            for _ in range(number)
        ]

    def approve(self, arn: str) -> None:
        """As a person does."""
        self.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")

    def approved_at(self, arn: str) -> datetime:
        """When that was, to the millisecond."""
        moment: datetime = self.sagemaker.describe_model_package(ModelPackageName=arn)[
            "LastModifiedTime"
        ]
        return moment

    def replay(self, events: Sequence[tuple[str, datetime]]) -> None:
        """Send these approvals (package, time) again, in this order, to where the rule's go."""
        rule = f"{self.config.project}-approval"
        there = self.events.describe_rule(Name=rule)["EventPattern"]
        self.events.put_rule(
            Name=f"{rule}-replay",
            EventPattern=json.dumps({**json.loads(there), "source": [REPLAY]}),
        )
        targets = self.events.list_targets_by_rule(Rule=rule)["Targets"]
        self.events.put_targets(Rule=f"{rule}-replay", Targets=targets)
        entries = [
            {
                "Source": REPLAY,
                "DetailType": "SageMaker Model Package State Change",
                "Time": moment,
                "Detail": json.dumps(
                    {
                        "ModelPackageGroupName": self.config.project,
                        "ModelPackageArn": arn,
                        "ModelApprovalStatus": "Approved",
                        "UpdatedModelPackageFields": ["ModelApprovalStatus"],
                    }
                ),
            }
            for arn, moment in events
        ]
        for first in range(0, len(entries), 10):
            answer = self.events.put_events(Entries=entries[first : first + 10])
            assert answer["FailedEntryCount"] == 0, answer

    def started(self) -> list[str]:
        """The executions so far, the newest first."""
        return executions(self.config.readiness_pipeline, self.sagemaker)

    def ended(self, number: int) -> list[ExecutionStatus]:
        """So many of the newest executions, once all of them have ended."""
        arns = self.started()[:number]
        return [list(follow(arn, self.sagemaker, poll_s=0.1))[-1] for arn in arns]


@contextmanager
def listening(deploy: Callable[[str, str], object]) -> Iterator[str]:
    """The URL of a server that calls `deploy` with each package and time that is handed over."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                deploy(told["--model-package-arn"], told["--approved-at"])
                status, said = 200, b""
            except Exception as error:  # the step fails with it, and the test shows it
                status, said = 500, repr(error).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def second(moment: datetime, later_s: int) -> datetime:
    """As an event has it: whole seconds, and a second event of an approval has a later one."""
    return moment.replace(microsecond=0) + timedelta(seconds=later_s)


def _write(folder: Path) -> Path:
    folder.mkdir()
    {"candidates": _write_candidates, "verdict": _write_verdict, "baseline": _write_baseline}[
        folder.name
    ](folder)
    return folder


def _write_candidates(folder: Path) -> None:
    archive = folder / "model.tar.gz"
    archive.write_bytes(archive_of(model_files()))
    candidate = Candidate(
        name="fp32",
        backend="onnxruntime",
        precision="fp32",
        graph_optimization="extended",
        archive=archive.name,
        archive_sha256=sha256_of(archive),
        archive_size_mb=1,
        model_size_mb=1,
        agreement=None,
        quality={},
        rejection=None,
    )
    optimization = Optimization(
        model_package_arn=None,
        flavor="onnx",
        task="regression",
        original_size_mb=1,
        original_quality={},
        candidates=(candidate,),
        optimizer="test",
        cpu="test",
    )
    write_contract(optimization, folder / "optimization.json")
    payload = Payload(name="two", content_type="text/csv", rows=2, body="1\n2\n")
    (folder / "payloads.jsonl").write_text(payload.model_dump_json(), encoding="utf-8")


def _write_verdict(folder: Path) -> None:
    recommended = ServerlessConfiguration(
        memory_size_mb=1024, max_concurrency=2, provisioned_concurrency=None
    )
    readiness = Readiness(
        ready=True,
        model_package_arn=None,
        candidate="fp32",
        recommended=recommended,
        cost=None,
        checks=(),
    )
    write_contract(readiness, folder / "readiness.json")


def _write_baseline(folder: Path) -> None:
    (folder / "baseline.json").write_text("{}", encoding="utf-8")
