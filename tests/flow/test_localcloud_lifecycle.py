"""A cloud's quotas, and that nothing is left of it however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cloud_calls import Aws, error_of, wait_for

from seatrial.errors import InputError
from seatrial.localcloud.cgroup_search import cgroup_record
from seatrial.localcloud.control import down, up
from seatrial.localcloud.sweep import work_dir
from seatrial.localcloud.whereabouts import CloudInfo, status, status_details

pytestmark = pytest.mark.flow


def test_quotas_hold_at_create_and_update(new_cloud: Any) -> None:
    with new_cloud() as running:
        aws = Aws(running)
        for name, memory, concurrency in (("at", 3072, 5), ("over", 4096, 1), ("five", 1024, 5)):
            aws.model(name)
            aws.config(name, MemorySizeInMB=memory, MaxConcurrency=concurrency)
        aws.config("six", model="five", MaxConcurrency=6)
        create = aws.sagemaker.create_endpoint

        error = error_of(create, EndpointName="over", EndpointConfigName="over")["Error"]
        assert error["Code"] == "ResourceLimitExceeded"
        assert error["Message"].startswith(
            "The account-level service limit 'Memory size in MB per serverless endpoint' is 3072 "
            "MBs, with current utilization of 0 MBs and a request delta of 4096 MBs."
        )
        create(EndpointName="at", EndpointConfigName="at")
        error = error_of(create, EndpointName="six", EndpointConfigName="six")["Error"]
        assert error["Code"] == "ResourceLimitExceeded"
        assert "is 10, with current utilization of 5 and a request delta of 6" in error["Message"]
        create(EndpointName="five", EndpointConfigName="five")
        assert aws.settled("five")["EndpointStatus"] == "InService"
        update = aws.sagemaker.update_endpoint
        error = error_of(update, EndpointName="five", EndpointConfigName="six")["Error"]
        assert error["Code"] == "ResourceLimitExceeded"
        error = error_of(update, EndpointName="five", EndpointConfigName="over")["Error"]
        assert "request delta of 4096 MBs" in error["Message"]
        update(EndpointName="five", EndpointConfigName="five")
        assert aws.settled("five")["EndpointStatus"] == "InService"

        quotas = running.client("service-quotas")
        quota = quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode="L-96300102")["Quota"]
        assert (quota["Value"], quota["Adjustable"]) == (10.0, True)
        listed = quotas.list_service_quotas(ServiceCode="sagemaker")["Quotas"]
        assert {item["QuotaCode"] for item in listed} == {"L-96300102", "L-99AD19BF"}
        quotas.request_service_quota_increase(
            ServiceCode="sagemaker", QuotaCode="L-96300102", DesiredValue=11
        )
        update(EndpointName="five", EndpointConfigName="six")
        assert aws.settled("five")["EndpointConfigName"] == "six"
        assert status_details(running.info)["quotas"]["total_concurrency"] == 11


def test_down_leaves_nothing(new_cloud: Any) -> None:
    with new_cloud(cpu_share=True) as running:
        aws = Aws(running)
        aws.endpoint("gone")
        cpu_s = float(aws.ask("gone", "burn 0.5"))
        if status_details(running.info)["cpu_share"].startswith("the tier's"):
            assert cpu_s < 0.4  # 1024 of 1769 MB: 0.29 s
        pid, info = aws.sandboxes("gone")[0]["pid"], running.info
        groups = cgroup_folders(info)
        assert status(Path(info.state_dir)) == info
        assert down(Path(info.state_dir)) is True
        assert_gone(info, pid, groups)
        assert down(Path(info.state_dir)) is False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_after_kill_9_or_ctrl_c_either(
    new_cloud: Any, number: signal.Signals
) -> None:
    with new_cloud() as running:
        aws = Aws(running)
        aws.endpoint("gone")
        aws.ask("gone", "model")
        pid, info = aws.sandboxes("gone")[0]["pid"], running.info
        groups = cgroup_folders(info)
        os.kill(info.pid, number)
        wait_for(lambda: Path(f"/proc/{pid}").exists(), lambda alive: not alive)
        down(Path(info.state_dir))
        assert_gone(info, pid, groups)


def cgroup_folders(info: CloudInfo) -> list[Path]:
    """The control groups that the cloud has made here, if it can make any."""
    record = cgroup_record(work_dir(Path(info.state_dir)))
    found = [Path(line) for line in record.read_text().split()] if record.exists() else []
    capped = "cgroup" in status_details(info)["memory_cap"]
    assert capped == any(list(folder.glob("*/cgroup.procs")) for folder in found)
    return found


def assert_gone(info: CloudInfo, sandbox_pid: int, groups: list[Path]) -> None:
    assert status(Path(info.state_dir)) is None
    assert not [folder for folder in groups if folder.exists()]
    assert not Path(f"/proc/{sandbox_pid}").exists()
    assert sorted(path.name for path in Path(info.state_dir).iterdir()) == [
        "cloud.log",
        "images.yaml",
    ]


def test_second_cloud_in_one_folder_and_port_in_use_are_refused(tiny_cloud: Any) -> None:
    info = tiny_cloud.info
    state_dir, images = Path(info.state_dir), Path(info.state_dir) / "images.yaml"
    with pytest.raises(InputError, match="a localcloud is up there already"):
        up(state_dir, images_file=images, region="us-east-1")
    port = info.endpoint_url.rsplit(":", 1)[1]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "seatrial.localcloud", "--port", port),
            *("--state-dir", str(state_dir / "other"), "--images", str(images)),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 2
    assert f"the port cannot be used: got {port}" in result.stderr
    assert status(state_dir) == info
