"""What the calls of the console work with: the node, a caller's level, and the samples."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.requests import Request

from edgelake import limits
from edgelake.commands import Interpreter, NodeParts, Origin
from edgelake.commands.interpreter import permit
from edgelake.interfaces import Permission
from edgelake.rest.access import origin_of
from edgelake.rest.running import Runner
from edgelake.services.rest import RestService
from edgelake.services.samples import Samples
from edgelake.services.tcp import TcpService

__all__ = ["Desk"]

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Desk:
    """The parts that the console's calls share; used by the server's loop.

    Attributes
    ----------
    interpreter : Interpreter
    node : NodeParts
    service : RestService
    runner : Runner
    samples : Samples
    pings : asyncio.Semaphore
        Taken by each ping while it is under way.
    """

    def __init__(
        self, interpreter: Interpreter, node: NodeParts, service: RestService, runner: Runner
    ) -> None:
        self.interpreter = interpreter
        self.node = node
        self.service = service
        self.runner = runner
        self.samples = Samples()
        self.pings = asyncio.Semaphore(limits.MAX_CONSOLE_PINGS)

    def caller(self, request: Request, command: str) -> Origin:
        """Return who calls, if he may use the command that tells the same.

        Raises
        ------
        NotAuthenticated, NotPermitted
        """
        origin = origin_of(request, self.node)
        declared = self.interpreter.registry.get(command)
        assert declared is not None
        permit(declared, origin, self.level(origin))
        return origin

    def level(self, origin: Origin) -> Permission:
        """Return the level of commands that a caller may use."""
        return self.node.level_of(origin)

    async def in_pool(self, call: Callable[[], T]) -> T:
        """Return what a call gives that may take a while."""
        return await self.runner.in_pool(call)

    def sampling(self) -> asyncio.Task[Any]:
        """Begin to take samples; the task goes on until it is cancelled."""

        async def go_on() -> None:
            while True:
                try:
                    self.samples.take(self.node.services.find(TcpService), self.service)
                except Exception:
                    # A chart with a gap is better than none for good.
                    _log.exception("a sample failed")
                await asyncio.sleep(limits.SAMPLE_INTERVAL_S)

        return asyncio.create_task(go_on(), name="samples")
