"""The environment of the node's process, as commands change it."""

from __future__ import annotations

import os

from edgelake.commands.context import Context
from edgelake.errors import NotPermitted, WrongValue

__all__ = ["set_environment"]


def set_environment(context: Context, name: str, value: str) -> None:
    """Give a name of the environment a value; an empty one removes it.

    Raises
    ------
    NotPermitted
        A peer asks.
    WrongValue
        The system takes no such name or value.
    """
    if not context.origin.local:
        # The environment steers the process itself: libraries, paths, proxies.
        raise NotPermitted(
            f"'${name}' is not set from remote", hint="set it at the node's own console"
        )
    try:
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
    except ValueError as exc:
        raise WrongValue(f"'${name}' cannot have this value: {exc}") from exc
