"""For those who watch a node: ``/metrics``, ``/healthz`` and ``/readyz``."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from edgelake.rest.desk import Desk
from edgelake.rest.health import health_of
from edgelake.rest.metrics import Exposition
from edgelake.rest.operations import Answer, Answering, DescribedRoute, Operation, route
from edgelake.rest.problems import JsonReply
from edgelake.rest.schemas import BOOLEAN, JSON, TEXT, TEXT_PLAIN, choice, mapped, record

__all__ = ["Monitoring"]

_FRESH = {"cache-control": "no-store"}
_OPEN_METRICS = "application/openmetrics-text"
_HEALTH = record(ready=BOOLEAN, services=mapped(TEXT), faults=mapped(TEXT))

_METRICS = Operation(
    "GET",
    "metrics",
    "What the node counts, for Prometheus",
    "Monitoring",
    {200: Answer("All metrics, see docs/metrics.md.", {TEXT_PLAIN: TEXT, _OPEN_METRICS: TEXT})},
    faults=(401, 403, 421, 429, 503),
    details="The header `Accept` chooses between the text form and OpenMetrics.",
)
_ALIVE = Operation(
    "GET",
    "healthz",
    "Whether the node is alive",
    "Monitoring",
    {200: Answer("It is.", {JSON: record(status=choice("ok"))})},
    details="Answered without a thread and without asking who calls.",
    everybody=True,
)
_READY = Operation(
    "GET",
    "readyz",
    "Whether the node is fit for work",
    "Monitoring",
    {
        200: Answer(
            "Every service that was started runs, and the ledger is fresh.", {JSON: _HEALTH}
        ),
        503: Answer("It is not; `faults` says what is to blame.", {JSON: _HEALTH}),
    },
    details="Answered without a thread and without asking who calls.",
    everybody=True,
)


class Monitoring:
    """What monitors ask of one REST server.

    Parameters
    ----------
    desk : Desk
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._exposition = Exposition(desk.node, desk.service)
        self._writing = asyncio.Lock()

    def routes(self, answering: Answering) -> list[DescribedRoute]:
        """Return the routes."""
        return [
            route("/metrics", self._metrics, answering, _METRICS),
            route("/healthz", self._alive, answering, _ALIVE),
            route("/readyz", self._ready, answering, _READY),
        ]

    async def _metrics(self, request: Request) -> Response:
        self._desk.caller(request, "get tcp stats")
        accept = request.headers.get("accept", "")
        # Not in the pool: a node whose threads are all busy has to be seen. Not in the loop
        # either: the ledger may have to be read from its file, or is being written to it.
        async with self._writing:
            text, kind = await asyncio.to_thread(self._exposition.written, accept)
        return Response(text, headers={"content-type": kind, **_FRESH})

    async def _alive(self, request: Request) -> Response:
        return JsonReply({"status": "ok"}, headers=_FRESH)

    async def _ready(self, request: Request) -> Response:
        found = health_of(self._desk.node)
        reply = JsonReply(found.data(), 200 if found.ready else 503, headers=_FRESH)
        reply.fault = "; ".join(found.faults.values())
        return reply
