"""Executes commands: parses, checks who asks, runs the handler, hands on the answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edgelake.commands.assigned import elsewhere
from edgelake.commands.assignments import assign
from edgelake.commands.context import Context, NodeParts, Origin
from edgelake.commands.frames import Frame
from edgelake.errors import NotPermitted
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
    bind_and_learn,
    expand_text,
    parse,
    read_remote,
    recall,
)

__all__ = ["Interpreter"]

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
            self._run_all(elsewhere(text, context.frame.assigned, self.registry), context)
            return
        call = recall(text, self.registry, self.node.variables)
        if call is not None:
            context.emit(call.command.handler(context, call))
            return
        self._run_all(parse(text, self.registry), context)

    def execute_line(self, line: ScriptLine, context: Context) -> None:
        """Run a line of a script; it is parsed once, however often it runs.

        Raises
        ------
        EdgeLakeError
            A statement failed; those after it did not run.
        """
        if line.statements is None:
            call = recall(line.text, self.registry, self.node.variables)
            if call is not None:
                context.emit(call.command.handler(context, call))
                return
            line.statements = parse(line.text, self.registry)
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

    def call(self, statement: CommandStatement, context: Context) -> Result:
        """Run a command and return its last answer; those before it go to ``context.emit``.

        Raises
        ------
        EdgeLakeError
            It failed.
        """
        call = bind_and_learn(statement, self.registry, self.node.variables)
        return call.command.handler(context, call)

    def shown(self, text: str) -> str:
        """Return a command as logs and people may see it."""
        return text

    def execute_remote(self, text: str, origin: Origin, emit: Emit) -> Call:
        """Run the one command that a peer sent; return it as it was understood.

        Raises
        ------
        UnknownCommand
            The text is not exactly one known command.
        NotPermitted
            A peer may not call it at the node's present level.
        EdgeLakeError
            The command failed.
        """
        variables = self.node.variables.for_peers()
        call = read_remote(text, self.registry, variables, check=self._permit)
        emit(call.command.handler(Context(self.node, self, origin, emit), call))
        return call

    # ------------------------------------------------------------------- parts

    def _run_all(self, statements: Sequence[Statement], context: Context) -> None:
        for number, statement in enumerate(statements):
            if number and (self.node.stopping.is_set() or context.frame.moved):
                return
            self.run(statement, context)

    def _root(self) -> Frame:
        """Return the frame of what this thread was given to run, command by command."""
        frame: Frame | None = getattr(self._threads, "frame", None)
        if frame is None:
            frame = self._threads.frame = Frame()
        return frame

    def _permit(self, command: Command) -> None:
        """Refuse a command above the node's level."""
        if command.permission > self.node.permission or command.permission is Permission.NEVER:
            raise NotPermitted(
                f"'{command.name}' is not permitted from remote",
                hint="the node's administrator sets the level: set remote permission = …",
            )
