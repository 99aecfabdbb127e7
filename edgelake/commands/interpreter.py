"""Executes commands: parses, checks who asks, runs the handler, hands on the answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from time import perf_counter

from edgelake import limits
from edgelake.commands.assigned import elsewhere
from edgelake.commands.assignments import assign
from edgelake.commands.context import Context, NodeParts, Origin
from edgelake.commands.frames import Frame
from edgelake.commands.traces import traced
from edgelake.errors import CommandError, NotPermitted, Overloaded
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Assignment,
    Call,
    Command,
    CommandRegistry,
    CommandStatement,
    ScriptLine,
    Show,
    Statement,
    Variables,
    bind_and_learn,
    conceal,
    conceal_values,
    expand_text,
    masked,
    parse,
    read_remote,
    recall,
    redacted,
)

__all__ = ["Interpreter", "permit"]

Emit = Callable[[Result], None]


class Interpreter:
    """Runs text of the language on one node. Thread-safe.

    Parameters
    ----------
    registry : CommandRegistry
    node : NodeParts
    """

    def __init__(self, registry: CommandRegistry, node: NodeParts) -> None:
        self.registry = registry
        self.node = node
        self._threads = threading.local()
        self._slow_commands = threading.BoundedSemaphore(limits.MAX_SLOW_COMMANDS_OF_PEERS)

    @property
    def assigned(self) -> str:
        """Where commands of this thread go instead of running here, as written; or empty."""
        return self._root().assigned

    def execute(self, text: str, emit: Emit, *, parent: Context | None = None) -> None:
        """Run every statement of a text that comes from this node.

        Parameters
        ----------
        text : str
            One logical line; several commands are separated by ``&``.
        emit : callable
            Takes each `Result` when it is there.
        parent : Context or None
            The script's context the text belongs to.

        Raises
        ------
        EdgeLakeError
            A statement failed; those after it did not run.

        Notes
        -----
        Nothing runs after a statement that ended the node.
        """
        context = parent or Context(self.node, self, Origin(), emit, self._root())
        if parent is None and context.frame.assigned:
            self._run_all(self._parsed(text, context, context.frame.assigned), context)
        elif not self._recalled(text, context):
            self._run_all(self._parsed(text, context), context)

    def execute_line(self, line: ScriptLine, context: Context) -> None:
        """Run a line of a script; it is parsed once, however often it runs.

        Raises
        ------
        EdgeLakeError
            A statement failed; those after it did not run.
        """
        if line.statements is None:
            if self._recalled(line.text, context):
                return
            line.statements = self._parsed(line.text, context)
        self._run_all(line.statements, context)

    def run(self, statement: Statement, context: Context) -> None:
        """Run one statement.

        Raises
        ------
        EdgeLakeError
            It failed.
        """
        if isinstance(statement, Assignment):
            assign(statement, context)
        elif isinstance(statement, Show):
            text = expand_text(statement.items, self.node.variables)
            context.emit(Result(text, text))
        else:
            context.emit(self.call(statement, context))

    def run_inside(self, statement: Statement, context: Context) -> None:
        """Run the statement inside a command: behind ``then``, ``do`` or ``else``.

        Raises
        ------
        CommandError
            It stands inside more than `limits.MAX_NESTING` commands, those of the scripts
            that called this one included.
        EdgeLakeError
            It failed.
        """
        frame = context.frame
        if frame.inside >= limits.MAX_NESTING:
            raise CommandError(
                f"commands stand inside commands more than {limits.MAX_NESTING} deep",
                hint="write them on lines of their own, behind do",
            )
        frame.inside += 1
        try:
            self.run(statement, context)
        finally:
            frame.inside -= 1

    def call(self, statement: CommandStatement, context: Context) -> Result:
        """Run a command and return its last answer; those before it go to ``context.emit``.

        Raises
        ------
        EdgeLakeError
            It failed.
        """
        return self._handled(bind_and_learn(statement, self.registry, self.node.variables), context)

    def shown(self, text: str) -> str:
        """Return a command as logs and people may see it: without what is secret in it."""
        return redacted(text, self.registry)

    def masked(self, text: str) -> str:
        """Return a command as `shown` does, each character in its column."""
        return masked(text, self.registry)

    def execute_remote(
        self,
        text: str,
        origin: Origin,
        emit: Emit,
        given: Variables | None = None,
        *,
        defers: bool = False,
    ) -> Call:
        """Run the one command that somebody else sent; return it as it was understood.

        Parameters
        ----------
        given : Variables or None
            The variables that it may see; by default those that peers see.
        defers : bool
            Who takes the answer takes one that comes later, see `Context.when`.

        Raises
        ------
        UnknownCommand
            The text is not exactly one known command.
        NotPermitted
            A peer may not call it at the node's present level.
        EdgeLakeError
            The command failed.
        """
        variables = given or self.node.variables.for_peers()
        started = perf_counter()
        call = None
        try:
            call = read_remote(text, self.registry, variables, check=self._check_of(origin))
            context = Context(self.node, self, origin, emit, given=given)
            if call.command.slow:
                answer = self._slow(context, call)
            else:
                context.defers = defers
                run = traced if self.node.traces.active else call.command.handler
                answer = run(context, call)
            emit(answer)
        except BaseException as exc:
            if call is not None:
                conceal_values(exc, call.secret_values())
            self._failed(text, origin, exc, started)
            raise
        if answer.later is None:
            self.node.logs.events.add(text, origin.source, started)
        else:
            answer.later.add_done_callback(partial(self._ended, text, call, origin, started))
        return call

    # ------------------------------------------------------------------- parts

    def _ended(
        self, text: str, call: Call, origin: Origin, started: float, done: Future[Result]
    ) -> None:
        """Note the end of a command that answers later."""
        error = done.exception()
        if error is None:
            self.node.logs.events.add(text, origin.source, started)
        else:
            conceal_values(error, call.secret_values())
            self._failed(text, origin, error, started)

    def _slow(self, context: Context, call: Call) -> Result:
        """Run a peer's command that may take long, if threads are left for other messages."""
        if not self._slow_commands.acquire(blocking=False):
            raise Overloaded(
                f"{limits.MAX_SLOW_COMMANDS_OF_PEERS} commands of peers run that take long",
                hint="try again later; a script runs in the background by: thread <script>",
            )
        try:
            return traced(context, call)
        finally:
            self._slow_commands.release()

    def _run_all(self, statements: Sequence[Statement], context: Context) -> None:
        for number, statement in enumerate(statements):
            if number and (self.node.stopping.is_set() or context.frame.moved):
                return
            started = perf_counter()
            try:
                self.run(statement, context)
            except BaseException as exc:
                self._failed(statement.source, context.origin, exc, started)
                raise
            self.node.logs.events.add(statement.source, context.origin.source, started)

    def _parsed(self, text: str, context: Context, assigned: str = "") -> tuple[Statement, ...]:
        """Return the statements of a text, as they go to nodes if some are assigned."""
        started = perf_counter()
        try:
            if assigned:
                return tuple(elsewhere(text, assigned, self.registry))
            return parse(text, self.registry)
        except BaseException as exc:
            self._failed(text, context.origin, exc, started)
            raise

    def _recalled(self, text: str, context: Context) -> bool:
        """Run a command of a known shape; return whether it is one."""
        started = perf_counter()
        call = recall(text, self.registry, self.node.variables)
        if call is None:
            return False
        try:
            context.emit(self._handled(call, context))
        except BaseException as exc:
            self._failed(text, context.origin, exc, started)
            raise
        self.node.logs.events.add(text, context.origin.source, started)
        return True

    def _handled(self, call: Call, context: Context) -> Result:
        """Call the handler; its errors do not quote the secrets it was given."""
        try:
            if self.node.traces.active:
                return traced(context, call)
            return call.command.handler(context, call)
        except BaseException as exc:
            conceal_values(exc, call.secret_values())
            raise

    def _failed(self, text: str, origin: Origin, error: BaseException, started: float) -> None:
        """Note a failure in the logs, after what is secret in its command left its text."""
        conceal(error, text, self.registry)
        self.node.logs.failed(text, origin.source, error, started)

    def _root(self) -> Frame:
        """Return the frame of what this thread was given to run, command by command."""
        frame: Frame | None = getattr(self._threads, "frame", None)
        if frame is None:
            frame = self._threads.frame = Frame()
        return frame

    def _check_of(self, origin: Origin) -> Callable[[Command], None]:
        """Return what refuses commands above a caller's level."""
        return partial(permit, origin=origin, level=self.node.level_of(origin))


def permit(command: Command, origin: Origin, level: Permission) -> None:
    """Refuse a command above the level of who sent it.

    Raises
    ------
    NotPermitted
    """
    needed = command.permission
    if origin.user and command.user_permission is not None:
        needed = command.user_permission
    if needed > level or needed is Permission.NEVER:
        where = f"to '{origin.user}'" if origin.user else "from remote"
        how = "set user" if origin.user else "set remote permission = …"
        hint = f"the node's administrator sets the level: {how}"
        if needed is Permission.NEVER:
            hint = "it is only for the node's own console and scripts"
        raise NotPermitted(f"'{command.name}' is not permitted {where}", hint=hint)
