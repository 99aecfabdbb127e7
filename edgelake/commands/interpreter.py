"""Executes commands: parses, checks who asks, runs the handler, hands on the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from edgelake.commands.context import Context, NodeParts, Origin
from edgelake.errors import (
    BadArgument,
    NotPermitted,
)
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Assignment,
    Call,
    Command,
    CommandRegistry,
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
        context = parent or self._context(Origin(), emit)
        call = recall(text, self.registry, self.node.variables)
        if call is not None:
            context.emit(call.command.handler(context, call))
            return
        for number, statement in enumerate(parse(text, self.registry)):
            if number and self.node.stopping.is_set():
                return
            self._run(statement, context)

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
        emit(call.command.handler(self._context(origin, emit), call))
        return call

    # ------------------------------------------------------------ statements

    def _run(self, statement: Statement, context: Context) -> None:
        if isinstance(statement, Assignment):
            self._assign(statement, context)
        elif isinstance(statement, Show):
            text = expand_text(statement.items, self.node.variables)
            context.emit(Result(text, text))
        else:
            context.emit(self._call(statement, context))

    def _call(self, statement: Statement, context: Context) -> Result:
        call = bind_and_learn(statement, self.registry, self.node.variables)
        return call.command.handler(context, call)

    def _assign(self, statement: Assignment, context: Context) -> None:
        """Store words, or the answer of a command; the old value stays if the command fails."""
        if not statement.plain_target:
            raise BadArgument(
                f"cannot assign to '{statement.target_text}'",
                hint="write a plain name before '='",
                column=statement.start + 1,
            )
        if statement.command is None:
            value = expand_text(statement.items, self.node.variables)
        else:
            answers: list[Result] = []
            quiet = replace(context, emit=answers.append)
            answers.append(self._call(statement.command, quiet))
            value = "\n".join(_stored(answer) for answer in answers if answer.text)
        if value:
            self.node.variables.set(statement.target_text, value)
        else:
            self.node.variables.delete(statement.target_text)

    # ------------------------------------------------------------- context

    def _context(self, origin: Origin, emit: Emit) -> Context:
        return Context(self.node, self, origin, emit)

    def _permit(self, command: Command) -> None:
        """Refuse a command above the node's level."""
        if command.permission > self.node.permission or command.permission is Permission.NEVER:
            raise NotPermitted(
                f"'{command.name}' is not permitted from remote",
                hint="the node's administrator sets the level: set remote permission = …",
            )


def _stored(answer: Result) -> str:
    """Return the text a variable keeps of an answer."""
    if answer.json:
        return json.dumps(answer.data, ensure_ascii=False)
    return answer.text.replace("\r\n", "\n").strip("\n")
