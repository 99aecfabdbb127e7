"""Conditions and pauses: ``if``, ``do``, ``else``, ``wait``."""

from __future__ import annotations

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.errors import SynchronizerNotRunning
from edgelake.interfaces import Result
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Condition,
    Form,
    Number,
    Test,
    Word,
    holds,
)
from edgelake.services.synchronizer import Synchronizer

__all__ = ["commands"]

commands = CommandSet(group="flow", topics=("automation",))

_CONDITION = (
    "A condition is a value, which holds if it is not empty, or a comparison with ==, !=, <, <=,\n"
    ">, >=, contains, startswith, endswith or childfrom. Tests are joined by not, and, or, which\n"
    "bind in this order, and grouped by parentheses. Case does not matter; numbers are compared\n"
    "as numbers by <, <=, >, >= and where a side has .int, .float or .len."
)


@commands.command(
    "if",
    summary="run a command if a condition holds",
    form=Form.IF,
    details=(
        _CONDITION + "\nWithout a command behind 'then', the lines that begin with 'do' are the\n"
        "commands; without 'then', True or False is shown."
    ),
    examples=(
        "if !berth == 8 then print eight",
        "if (!a == 1 and !b.int > 5) or not !c then process !dir/start.al",
        "same = if !owner startswith north",
    ),
    related=("do", "else", "wait"),
)
def _if(context: Context, call: Call) -> Result:
    condition = call.condition
    assert condition is not None
    outcome = holds(condition, context.variables)
    context.frame.outcome = outcome
    if call.statement.link is None:
        return Result(outcome, str(outcome))
    if outcome and call.body is not None:
        context.interpreter.run_inside(call.body, context)
    return Result()


@commands.command(
    "do",
    summary="run a command if the condition of the last 'if' held",
    form=Form.BRANCH,
    examples=("do print first", "do goto ready"),
    related=("if", "else"),
)
def _do(context: Context, call: Call) -> Result:
    if context.frame.outcome is True and call.body is not None:
        context.interpreter.run_inside(call.body, context)
    return Result()


@commands.command(
    "else",
    summary="run a command if the condition of the last 'if' did not hold",
    form=Form.BRANCH,
    examples=("else print it was not", "else if !b then print b"),
    related=("if", "do"),
)
def _else(context: Context, call: Call) -> Result:
    if context.frame.outcome is False and call.body is not None:
        context.interpreter.run_inside(call.body, context)
    return Result()


@commands.command(
    "wait",
    summary="pause, or wait until a condition holds",
    form=Form.WAIT,
    arguments=(Argument("seconds", Number(0, limits.MAX_WAIT_S), help="at most that long"),),
    details=(
        "Assigned to a variable it gives True, or False if the time passed first.\n"
        "'wait 10 for sync' waits until the ledger was synchronized once more. "
        "Conditions are those of 'if'."
    ),
    examples=("wait 5", "wait 0.5", "ready = wait 10 for !replies.diff == 0", "wait 30 for sync"),
    related=("if", "run client"),
)
def _wait(context: Context, call: Call) -> Result:
    condition = call.condition
    seconds: float = call.arguments["seconds"]
    if condition is None:
        context.pause(seconds)
        return Result()
    if _is_sync(condition):
        return Result(_synchronized(context, seconds))
    return Result(context.pause(seconds, lambda: holds(condition, context.variables)))


def _is_sync(condition: Condition) -> bool:
    return (
        isinstance(condition, Test)
        and not condition.operator
        and isinstance(condition.left[0], Word)
        and condition.left[0].literal == "sync"
    )


def _synchronized(context: Context, seconds: float) -> bool:
    sync = context.node.services.find(Synchronizer)
    if sync is None:
        raise SynchronizerNotRunning(
            "the synchronizer is not running", hint="start it with: run blockchain sync where …"
        )
    before = sync.succeeded
    sync.trigger()
    return context.pause(seconds, lambda: sync.succeeded > before)
