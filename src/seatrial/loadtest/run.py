"""Run a plan in a Locust process, and ask AWS what became of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seatrial.config import Config
from seatrial.contracts import write_contract
from seatrial.contracts.loadtest import LoadTest
from seatrial.cost.prices import Prices
from seatrial.errors import CloudError, InputError
from seatrial.loadtest.cold import cold_requests, recorded_cold
from seatrial.loadtest.plan import REQUEST_S, LoadPlan, max_usd, usd_per_second
from seatrial.loadtest.report import Bill, report
from seatrial.loadtest.requests import Log, read_log
from seatrial.trial.metrics import COUNTED, Observed, observe

_LOCUSTFILE = Path(__file__).parent / "locustfile.py"


def require_locust() -> None:
    """InputError without the extra `loadtest`."""
    if find_spec("locust") is None:
        raise InputError(
            "a load test needs Locust",
            got="no module locust",
            allowed="an environment with seatrial's extra `loadtest`",
            do="pip install 'seatrial[loadtest]'",
        )


def run(
    plan: LoadPlan,
    config: Config,
    prices: Prices,
    clients: Mapping[str, Any],
    *,
    web_port: int | None,
) -> LoadTest:
    """Send the load and report on it; Locust's CSVs and page are beside the log of requests."""
    _run_locust(plan, web_port)
    log = read_log(plan.requests_path)
    observed = _observed(plan, log, config, clients["cloudwatch"])
    setups = next((m.samples for m in observed.metrics if m.name == "ModelSetupTime"), 0)
    # a sandbox writes its record before it answers; the clocks of two machines may differ
    since = log.started_at - timedelta(minutes=1)
    marked = recorded_cold(clients["logs"], plan.served.endpoint_name, since)
    cold = cold_requests(log.requests, marked, setups)
    bill = Bill(max_usd(plan, prices), _usd(plan, log, observed, prices))
    return report(plan, log, cold, config.objectives, bill)


def _run_locust(plan: LoadPlan, web_port: int | None) -> None:
    folder = plan.requests_path.parent.resolve()
    plan_path = folder / "plan.json"
    write_contract(plan, plan_path)
    page = ["--headless", "--only-summary"]
    if web_port is not None:
        page = ["--autostart", "--autoquit", "3"]
        page += ["--web-host", "127.0.0.1", "--web-port", str(web_port)]
    command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), *page]
    command += ["--csv", str(folder / "locust"), "--html", str(folder / "locust.html")]
    # whoever is asked when users leave may answer; throttles are no failure of Locust's
    command += ["--stop-timeout", str(int(REQUEST_S + 10)), "--exit-code-on-error", "0"]
    environment = {**os.environ, "SEATRIAL_LOADTEST_PLAN": str(plan_path)}
    with (folder / "locust.log").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            status = process.wait(plan.seconds + 3 * REQUEST_S)
        except BaseException:  # Ctrl-C, or it hangs: nobody goes on asking
            _end(process)
            raise
    if status or not plan.requests_path.is_file():
        raise CloudError(
            "the load test did not run",
            got=f"Locust ended with status {status}",
            allowed="a test that runs to its end",
            do=f"Read {folder / 'locust.log'}",
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _observed(
    plan: LoadPlan,
    log: Log,
    config: Config,
    cloudwatch: Any,
    sleep: Callable[[float], None] = time.sleep,
) -> Observed:
    return observe(
        plan.served.endpoint_name,
        plan.served.variant_name,
        cloudwatch,
        since=log.started_at,
        answered=sum(item.error is None for item in log.requests),
        deadline_s=config.loadtest.metrics_deadline_s,
        now=lambda: datetime.now(UTC),
        sleep=sleep,
    )


def _usd(plan: LoadPlan, log: Log, observed: Observed, prices: Prices) -> float:
    """By CloudWatch's time in the model; by the caller's where CloudWatch was late."""
    answered = [item for item in log.requests if item.error is None]
    taken_s = sum(item.latency_s for item in answered)
    counted = next((item for item in observed.metrics if item.name == COUNTED), None)
    if observed.complete and counted is not None:
        taken_s = len(answered) * counted.average / 1e6
    data = prices.data_usd(
        sum(item.bytes_in for item in answered), sum(item.bytes_out for item in answered)
    )
    return taken_s * usd_per_second(plan.served, prices) + data
