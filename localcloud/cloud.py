"""The parts of localcloud, put together around one event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.limits import load_limits
from seatrial.localcloud.api import Place
from seatrial.localcloud.app import App
from seatrial.localcloud.audit import Audit
from seatrial.localcloud.audited_calls import AuditedCalls
from seatrial.localcloud.cgroup_search import cgroup_record, cpu_text, find_cgroups, memory_text
from seatrial.localcloud.compilation import CompilationJobs
from seatrial.localcloud.cost_explorer import CostExplorer
from seatrial.localcloud.delivery import Delivery
from seatrial.localcloud.endpoint_configs import EndpointConfigs
from seatrial.localcloud.endpoint_events import EndpointEvents
from seatrial.localcloud.endpoints import Endpoints
from seatrial.localcloud.hosting import Deployment, Hosting
from seatrial.localcloud.images import ImageMap
from seatrial.localcloud.invoke import Invoker
from seatrial.localcloud.ledger import Ledger
from seatrial.localcloud.loopback import Loopback
from seatrial.localcloud.metrics import Invocation, Metrics
from seatrial.localcloud.models import Models
from seatrial.localcloud.moto_bridge import Moto
from seatrial.localcloud.pipelines import Pipelines
from seatrial.localcloud.quotas import AccountQuotas, Quotas, new_account
from seatrial.localcloud.registry import Registry
from seatrial.localcloud.scaling import Scaling
from seatrial.localcloud.schedules import Schedules, check_schedule
from seatrial.localcloud.service_quotas import ServiceQuotas
from seatrial.localcloud.stacks import Stacks
from seatrial.localcloud.subscriptions import check_subscription
from seatrial.localcloud.tags import Tags

_log = logging.getLogger(__name__)
_FLUSH_EVERY_S = 0.2
_METRICS_EVERY_S = 1.0
_TICK_EVERY_S = 1.0
_RESIZE = "SageMaker.UpdateEndpointWeightsAndCapacities"


@dataclass(frozen=True)
class CloudOptions:
    """What may differ from one cloud to another."""

    quotas: Quotas
    idle_s: float
    delivery_s: float
    cpu_share: bool = False


class Cloud:
    """Everything behind the port. Make it on the event loop; `close` it before that ends."""

    def __init__(self, place: Place, images: ImageMap, options: CloudOptions) -> None:
        limits, now = load_limits(), time.time
        self._place, self._options = place, options
        self._quotas = AccountQuotas(options.quotas)
        self._cgroups = find_cgroups(cgroup_record(Path(place.work_dir)), cpu=options.cpu_share)
        self._moto = Moto(place.region)
        self._audit = Audit(self._moto.role_of)
        self._delivery = Delivery(
            self._moto.delivery_target,
            self._moto.write_object,
            longest_wait_s=options.delivery_s,
            now=now,
            audit=self._audit,
        )
        self._moto.take_over_firehose(self._delivery.accept)
        self._metrics = Metrics(self._moto.put_metrics, now)
        self._ledger = Ledger(now)
        self._hosting = Hosting(
            place,
            images,
            limits,
            read_object=self._moto.read_object,
            write_log=lambda group, stream, lines: self._moto.put_log_lines(
                group, stream, lines, int(now() * 1000)
            ),
            cgroups=self._cgroups,
            cpu_share=options.cpu_share,
            audit=self._audit,
        )
        tags = Tags()
        models = Models(place, images, tags, self._moto.object_exists)
        configs = EndpointConfigs(place, models, tags, limits)
        loop = asyncio.get_running_loop()
        loopback = Loopback(place)
        self._scaling = Scaling(
            place,
            self._serving,
            lambda request: self._endpoints.handlers()[_RESIZE](request),
            now=now,
        )
        self._schedules = Schedules(place, loopback, self._audit, now=now)
        self._pipelines = Pipelines(place, images, self._audit, tags)
        pipeline_calls = self._pipelines.handlers()
        start = pipeline_calls["SageMaker.StartPipelineExecution"]
        registry = Registry(place, start, audit=self._audit)
        events = EndpointEvents(place, registry.bus.publish, loop)
        self._endpoints = Endpoints(
            place, models, configs, tags, self._quotas, self._hosting, loop, events.emit
        )
        quotas = ServiceQuotas(place, self._quotas, new_account(limits))
        compilation = CompilationJobs(place, tags)
        bills = CostExplorer(
            place,
            self._ledger.postings,
            lambda name: tags.of(place.arn(f"endpoint/{name.lower()}")),
        )
        parts = (models, configs, self._endpoints, tags, registry, quotas, compilation, bills)
        self.app = App(
            handlers=[
                self._scaling.handlers(),
                *(part.handlers() for part in parts),
                pipeline_calls,
                Stacks(place, loopback.client).handlers(),
            ],
            checks=[registry.check, check_subscription, check_schedule],
            observers=[registry.observe],
            moto=self._moto,
            invoker=Invoker(place, limits, self._hosting, self._status_of, self._record),
            audit=AuditedCalls(self._audit, place),
            status=self.status,
        )
        self._chores = [
            asyncio.create_task(self._hosting.reap_forever(options.idle_s)),
            asyncio.create_task(self._flush_forever()),
            asyncio.create_task(self._tick_forever()),
        ]

    def status(self) -> dict[str, Any]:
        """What is running, and which of AWS's limits are in force here and how."""
        return {
            "endpoint_url": self._place.endpoint_url,
            "region": self._place.region,
            "quotas": vars(self._quotas.current),
            "memory_cap": memory_text(self._cgroups),
            "cpu_share": cpu_text(self._cgroups, wanted=self._options.cpu_share),
            "idle_s": self._options.idle_s,
            "delivery_s": self._options.delivery_s,
            "ledger": self._ledger.shown(),
            "endpoints": [self._describe(item.name) for item in self._endpoints.shelf.items()],
        }

    async def close(self) -> None:
        """Stop all that runs, and write what is still to be delivered."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await asyncio.gather(asyncio.to_thread(self._pipelines.stop), self._hosting.close())
        await asyncio.to_thread(self._delivery.flush, everything=True)
        self._metrics.flush()

    def _record(self, invocation: Invocation) -> None:
        self._metrics.record(invocation)
        self._ledger.record(invocation)

    def _serving(self, endpoint_name: str) -> Deployment | None:
        endpoint = self._endpoints.shelf.find(endpoint_name)
        return endpoint.serving if endpoint else None

    def _status_of(self, endpoint_name: str) -> str | None:
        endpoint = self._endpoints.shelf.find(endpoint_name)
        return endpoint.status if endpoint else None

    def _describe(self, endpoint_name: str) -> dict[str, Any]:
        fleet = self._hosting.fleet(endpoint_name)
        named = {"name": endpoint_name, "status": self._status_of(endpoint_name)}
        return named if fleet is None else named | fleet.shown()

    async def _flush_forever(self) -> None:
        since = 0.0
        while True:
            await asyncio.sleep(_FLUSH_EVERY_S)
            await asyncio.to_thread(self._delivery.flush)
            since += _FLUSH_EVERY_S
            if since >= _METRICS_EVERY_S:
                since = 0.0
                await asyncio.to_thread(self._metrics.flush)
                await asyncio.to_thread(self._moto.evaluate_alarms, time.time())

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(_TICK_EVERY_S)
            for part in (self._scaling, self._schedules):
                try:
                    await asyncio.to_thread(part.tick)
                except Exception:  # whatever it is, what is due later must not be lost by it
                    _log.exception("what is due could not be done; it is tried again")
