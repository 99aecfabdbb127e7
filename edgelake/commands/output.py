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
    examples=("echo loading complete",),
    related=("print",),
)
def _echo(context: Context, call: Call) -> Result:
    return Result(call.text, call.text)


@commands.command(
    "help",
    summary="list the commands, or explain one",
    arguments=(Argument("command", Words(), required=False, help="words of a command"),),
    form=Form.FREE,
    permission=Permission.READ,
    examples=("help", "help run tcp server"),
)
def _help(context: Context, call: Call) -> Result:
    registry = context.interpreter.registry
    page = help_page(registry, call.text.split())
    text = page_text(page)
    return Result(text, text, shown=page)
