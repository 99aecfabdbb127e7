"""Commands that are given secrets, for tests that look for them where they must not be."""

from __future__ import annotations

import functools
from typing import Any

from edgelake.commands import build_registry
from edgelake.errors import ServiceError
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Argument,
    Call,
    CommandRegistry,
    CommandSet,
    Integer,
    Name,
    Option,
    Text,
    Where,
)

__all__ = ["PASSWORD", "secretive_registry"]

PASSWORD = "hunter2zz"

commands = CommandSet(group="vault")


@commands.command(
    "connect vault",
    summary="connect a vault",
    arguments=(Argument("name", Name()),),
    where=Where.REQUIRED,
    options=(
        Option("user", Text()),
        Option("phrase", Text(), secret=True, repeatable=True),
        Option("pin", Integer(1000, 9999), secret=True),
        Option("fail", Text()),
    ),
    permission=Permission.ADMIN,
)
def _connect(context: Any, call: Call) -> Result:
    if call.options["fail"]:
        # As drivers do: their errors quote what they were given.
        raise ServiceError(f"vault refused {call.options}", hint=f"not {call.options['phrase']}")
    return Result("connected", "connected")


@commands.command(
    "set vault code",
    summary="set the code",
    value=Argument("code", Text(), secret=True),
    permission=Permission.ADMIN,
)
def _set_code(context: Any, call: Call) -> Result:
    return Result("set", "set")


@commands.command(
    "open vault",
    summary="open it",
    arguments=(Argument("code", Integer(), secret=True),),
    permission=Permission.ADMIN,
)
def _open(context: Any, call: Call) -> Result:
    raise RuntimeError(f"code {call.arguments['code']} does not fit")


@functools.cache
def secretive_registry() -> CommandRegistry:
    """Return the registry of a node with these commands besides its own."""
    return CommandRegistry([build_registry(), commands])  # type: ignore[list-item]
