"""Commands that print: ``print``, ``echo``, ``help``."""

from __future__ import annotations

from edgelake.commands.context import Context
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, Form, Words, help_page, page_text

__all__ = ["commands"]

commands = CommandSet(group="output")


@commands.command(
    "print",
    summary="print words, with references replaced by their values",
    arguments=(Argument("text", Words(), help="what to print"),),
    form=Form.FREE,
    permission=Permission.READ,
    details="Sent to a peer, the words appear at the peer's console; nothing is expanded there.",
    examples=("print harbour gate open", "print !blockchain_file"),
    related=("echo",),
)
def _print(context: Context, call: Call) -> Result:
    return Result(call.text, call.text)


@commands.command(
    "echo",
    summary="print words; sent to a peer, they appear at the peer's console",
    arguments=(Argument("text", Words(), help="what to print"),),
    form=Form.FREE,
    permission=Permission.READ,
    details="While the echo queue is on, they wait there until 'get echo queue' shows them.",
    examples=("echo loading complete",),
    related=("print", "set echo queue"),
)
def _echo(context: Context, call: Call) -> Result:
    if not context.stored and context.node.echoes.add(call.text, context.origin.ip):
        return Result()
    return Result(call.text, call.text)


@commands.command(
    "help",
    summary="list the commands, explain some, or list those of a topic",
    arguments=(Argument("command", Words(), required=False, help="words of a command"),),
    form=Form.FREE,
    permission=Permission.READ,
    details=(
        "'help index' lists the topics, 'help index <topic>' the commands of one. Words that\n"
        "name no command give suggestions."
    ),
    examples=("help", "help run tcp server", "help get", "help index", "help index ledger"),
)
def _help(context: Context, call: Call) -> Result:
    registry = context.interpreter.registry
    page = help_page(registry, call.text.split())
    text = page_text(page)
    return Result(text, text, shown=page)
