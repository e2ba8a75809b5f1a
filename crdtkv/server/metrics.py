"""Figures in Prometheus' text format: counted as plain integers, told when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.responses import Response

from crdtkv.server.asking import Ask, Reply
from crdtkv.server.operating import named_stores, status_of
from crdtkv.server.routing import cluster
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving

__all__ = ["Figures", "router"]

router = APIRouter(tags=["operating"])
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OF_STORE = (
    ("bytes", "Bytes of the file that are in use", lambda s: s["bytes"]),
    ("members", "Replicas that belong", lambda s: len(s["members"])),
    ("transactions", "Transactions absorbed, of all replicas", lambda s: sum(s["vector"].values())),
    ("lost_writes", "Notes in the conflict inbox", lambda s: s["lost_writes"]),
    ("pending", "Transactions that wait to be minted anew", lambda s: s["pending"]),
    ("forks", "Membership conflicts that stand", lambda s: len(s["forks"])),
    ("quarantined", "Replicas whose records are refused", lambda s: len(s["quarantined"])),
    ("floor_age_seconds", "Age of the purge floor", lambda s: (s["floor_ms_ago"] or 0) / 1000),
)


class Figures:
    """A collector over what is served; each scrape reads it anew."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks."""
        yield from self._of_requests()
        found = [status_of(name, store) for name, store in named_stores(self._serving.node)]
        for name, words, tell in _OF_STORE:
            gauge = GaugeMetricFamily(f"crdtkv_store_{name}", words, labels=["namespace"])
            for status in found:
                gauge.add_metric([status["name"]], tell(status))
            yield gauge
        lag = GaugeMetricFamily(
            "crdtkv_heard_seconds", "Since when everything of a member is known here", labels=["namespace", "replica"]
        )
        for status in found:
            for member, ago in status["heard_ms_ago"].items():
                if ago is not None:
                    lag.add_metric([status["name"], member], ago / 1000)
        yield lag
        yield self._lost_writes()
        if self._serving.peers is not None:
            yield from _of_transport(self._serving.peers())

    def _lost_writes(self) -> Metric:
        lost = CounterMetricFamily(
            "crdtkv_lost_writes", "Writes of this colo that lost since it was started; prefix: up to the first slash",
            labels=["namespace", "strategy", "prefix"],
        )  # fmt: skip
        for name, store in named_stores(self._serving.node):
            for (strategy, prefix), count in list(door.replica(store).lost.items()):
                lost.add_metric([name, strategy, prefix], count)
        return lost

    def _of_requests(self) -> Iterator[Metric]:
        serving = self._serving
        requests = CounterMetricFamily("crdtkv_requests", "Requests answered", labels=["method", "status"])
        for (method, status), count in list(serving.counts.items()):
            requests.add_metric([method, str(status)], count)
        yield requests
        for name, words, value in (
            ("subscriptions", "Feeds open", serving.subscriptions), ("slow", "Slow requests at work", serving.at_work),
        ):  # fmt: skip
            yield GaugeMetricFamily(f"crdtkv_{name}", words, value=value)


def _of_transport(status: dict[str, Any]) -> Iterator[Metric]:
    up = GaugeMetricFamily("crdtkv_peer_up", "Whether a colo is reached", labels=["colo"])
    queued = GaugeMetricFamily("crdtkv_peer_queued", "Messages that wait for a colo", labels=["colo"])
    for peer in status["peers"]:
        up.add_metric([peer["colo"]], int(peer["up"]))
        queued.add_metric([peer["colo"]], peer["queued"])
    yield up
    yield queued
    for name in ("sent", "received", "refused", "dropped"):
        counter = CounterMetricFamily(f"crdtkv_gossip_{name}", f"Letters between colos: {name}", labels=["what"])
        for what, count in status[name].items():
            counter.add_metric([what], count)
        yield counter


@router.get(
    "/metrics", summary="Figures for Prometheus", operation_id="metrics", response_model=None,
    response_class=Response,
    responses={200: {"description": "Figures", "content": {_TYPE: {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def _metrics(request: Request) -> Response:
    """Requests, stores, members, peers."""

    async def call(serving: Serving, ask: Ask) -> Reply:
        registry = CollectorRegistry()
        registry.register(Figures(serving))
        text: bytes = await serving.slow(generate_latest, registry)
        return Reply(200, [(b"content-type", _TYPE.encode())], text)

    return await cluster(request, "read", call)
