"""Has commands done: in a thread of the REST pool here, or by other nodes.

Nobody's wait holds a thread: a command for other nodes is sent from the pool, and its
replies are awaited by the server's loop, so that a dead peer holds up one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from edgelake import limits
from edgelake.commands import Context, Interpreter, NodeParts, Origin
from edgelake.commands.asking import Asked, ask
from edgelake.commands.destinations import resolve
from edgelake.commands.interpreter import permit
from edgelake.commands.kept import Kept
from edgelake.commands.replies import as_peer_error, data_of, remote_error
from edgelake.errors import (
    BadDestination,
    CommandSyntaxError,
    EdgeLakeError,
    NoDestination,
    NoReply,
    NotPermitted,
    Overloaded,
    UnknownCommand,
)
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Call,
    CommandStatement,
    Variables,
    bind_and_learn,
    parse,
    parse_remote,
)
from edgelake.language.wiretext import from_wire
from edgelake.rest.requests import Wanted
from edgelake.services.rest import RestService
from edgelake.wire import Endpoint

__all__ = ["NodeReply", "Runner"]

T = TypeVar("T")

_MOST_QUICK_CHARS = 200
_NETWORK = "(operator, query, master, publisher)"
_ANY_NODE = "(127.0.0.1:1)"


@dataclass(frozen=True, slots=True)
class NodeReply:
    """What one node answered.

    Attributes
    ----------
    node : str
        ``ip:port``.
    text : str
    data : Any
        The list or object that the text is, ``None`` if it is text.
    error : EdgeLakeError or None
        Why there is no answer, or what the node refused.
    """

    node: str
    text: str = ""
    data: Any = None
    error: EdgeLakeError | None = None


class Runner:
    """Runs what REST callers want; its methods are called by the server's loop.

    Parameters
    ----------
    interpreter : Interpreter
    node : NodeParts
    service : RestService
        Whose pool and time-out are used.
    """

    def __init__(self, interpreter: Interpreter, node: NodeParts, service: RestService) -> None:
        self._interpreter = interpreter
        self._node = node
        self._service = service
        # Else the threads get far ahead of the loop, and their answers pile up.
        self._places = asyncio.Semaphore(2 * service.options.threads)

    async def in_pool(self, call: Callable[[], T]) -> T:
        """Return what a call gives that may take a while, run by a thread of the pool.

        Raises
        ------
        Overloaded
            `limits.MAX_REST_WAITING` calls wait for a thread.
        """
        calls = self._service.calls
        if calls.waiting >= limits.MAX_REST_WAITING:
            raise Overloaded(
                f"{limits.MAX_REST_WAITING} calls wait for one of"
                f" {self._service.options.threads} threads",
                hint="try again later, or give the server more: threads = …",
            )
        turn = calls.wait()

        def work() -> T:
            with calls.in_thread(turn):
                return call()

        try:
            async with self._places:
                return await asyncio.get_running_loop().run_in_executor(self._service.pool, work)
        finally:
            calls.leave(turn)

    async def here(self, wanted: Wanted, origin: Origin) -> list[Result]:
        """Run the commands on this node; return their answers.

        Raises
        ------
        EdgeLakeError
            One failed; those after it did not run.
        """
        if not wanted.variables and len(wanted.commands) == 1 and self._quick(wanted.commands[0]):
            # Handing it to a thread and taking the answer back would cost several times as much.
            # Of many in one body each would be quick, and all of them hold every other caller.
            return self._run(wanted, origin)
        return await self.in_pool(lambda: self._run(wanted, origin))

    async def there(self, wanted: Wanted, origin: Origin) -> list[NodeReply]:
        """Have other nodes run the command; return one reply for each of them.

        Raises
        ------
        EdgeLakeError
            Nothing was sent.
        """
        asked = await self.in_pool(lambda: self._ask(wanted, origin))
        limit_s = self._limit_s(wanted)
        with asked:
            await self._complete(asked, self._patience_s(asked, wanted))
            return [self._reply(asked, index, limit_s) for index in range(len(asked.nodes))]

    # -------------------------------------------------------------- here

    def _quick(self, command: str) -> bool:
        if len(command) > _MOST_QUICK_CHARS:
            return False
        found = self._interpreter.registry.get(command.partition(" where ")[0])
        return found is not None and found.quick

    def _run(self, wanted: Wanted, origin: Origin) -> list[Result]:
        given = None
        if wanted.variables:
            given = self._node.variables.with_values(wanted.variables)
        answers = Kept()
        for command in wanted.commands:
            self._interpreter.execute_remote(command, origin, answers.take, given)
        return list(answers)

    # ------------------------------------------------------------- there

    def _ask(self, wanted: Wanted, origin: Origin) -> Asked:
        """Send the command, if the caller might run it here, too."""
        if len(wanted.commands) > 1:
            raise CommandSyntaxError(
                "other nodes get one command at a time", hint="send one command in each call"
            )
        (command,) = wanted.commands
        variables = self._node.variables.with_values(wanted.variables)
        context = Context(
            self._node, self._interpreter, origin, lambda result: None, given=variables
        )
        call = self._sent(_listed(wanted.destination), command, variables)
        request: str | None = call.arguments.get("command")
        if request is None or call.arguments["destination"].here:
            raise NoDestination("'destination' names no node", hint="write ip:port")
        # What was looked at is the command; neither text may make another one of both.
        if request != self._sent(_ANY_NODE, command, variables).arguments.get("command"):
            raise BadDestination(
                "'destination' and the command cannot be told apart",
                hint="write ip:port, or policies in parentheses",
            )
        self._permit(request, origin)
        nodes = resolve(context, call)
        if wanted.destination == "network":
            nodes = self._without_own(nodes)
        return ask(context, nodes, request, wanted.timeout_s or None)

    def _sent(self, destination: str, command: str, variables: Variables) -> Call:
        """Return the ``run client`` that sends a command."""
        registry = self._interpreter.registry
        statements = parse(f"run client {destination} {command}", registry)
        if len(statements) != 1 or not isinstance(statements[0], CommandStatement):
            raise CommandSyntaxError(
                "other nodes get one command at a time", hint="send one command in each call"
            )
        return bind_and_learn(statements[0], registry, variables)

    def _permit(self, request: str, origin: Origin) -> None:
        """Refuse a command that the caller may not run here; one that is unknown is for admins."""
        level = self._node.level_of(origin)
        try:
            statement = parse_remote(from_wire(request), self._interpreter.registry)
        except UnknownCommand as exc:
            if level < Permission.ADMIN:
                raise NotPermitted(
                    f"a command that this node does not know is not permitted: {exc}",
                    hint="callers of the level admin may send it",
                ) from exc
            return
        command = self._interpreter.registry.longest(
            [getattr(word, "literal", None) for word in statement.words]
        )
        if command is not None:
            if command.name == "file get":
                raise NotPermitted(
                    "'file get' is not permitted by REST",
                    hint="files are fetched by a node: run client (ip:port) file get …",
                )
            # The other node does not know who he is: what only users may is not for it.
            permit(command, replace(origin, user=""), level)

    def _without_own(self, nodes: Sequence[Endpoint]) -> list[Endpoint]:
        options = self._node.tcp().options
        found = [node for node in nodes if node not in (options.external, options.internal)]
        if not found:
            raise NoDestination(
                "the ledger names no other node", hint="look at: blockchain get operator"
            )
        return found

    def _limit_s(self, wanted: Wanted) -> float:
        return self._service.options.timeout_s if wanted.timeout_s is None else wanted.timeout_s

    def _patience_s(self, asked: Asked, wanted: Wanted) -> float | None:
        """Return how long to wait; of a command that may say nothing only a failure is heard."""
        limit_s = self._limit_s(wanted) or None
        if asked.always or wanted.timeout_s:
            return limit_s
        return min(asked.timeout_s, limit_s or asked.timeout_s)

    async def _complete(self, asked: Asked, limit_s: float | None) -> None:
        """Wait until all nodes have answered or the time is up."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(done.set)

        asked.job.when_complete(tell)
        try:
            await asyncio.wait_for(done.wait(), limit_s)
        except TimeoutError:
            return

    def _reply(self, asked: Asked, index: int, limit_s: float) -> NodeReply:
        node = str(asked.nodes[index])
        failure = asked.job.failures.get(index)
        if failure is not None:
            return NodeReply(node, error=as_peer_error(failure))
        answer = asked.job.answers.get(index)
        if answer is None:
            if not asked.always or index in asked.job.excused:
                return NodeReply(node)
            return NodeReply(
                node,
                error=NoReply(
                    f"no reply from {node} within {limit_s:g} seconds",
                    hint="give it more time: header timeout",
                ),
            )
        if answer.error:
            return NodeReply(node, error=remote_error(answer))
        return NodeReply(node, answer.text.replace("\r\n", "\n").strip("\n"), data_of(answer))


def _listed(destination: str) -> str:
    """Return a destination in parentheses."""
    if destination == "network":
        return _NETWORK
    return destination if destination.startswith("(") else f"({destination})"
