"""Replies that arrive in a variable: ``x[] = run client …`` and ``x{} = run client …``."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

from edgelake.commands.asking import Asked, ask
from edgelake.commands.context import Context
from edgelake.commands.destinations import destination_options, resolve
from edgelake.commands.frames import Frame
from edgelake.commands.replies import as_peer_error, data_of
from edgelake.errors import NotRunning
from edgelake.language import Call

__all__ = ["Collection", "collect"]


class Collection:
    """The replies to one command, as far as they are there. Thread-safe.

    Parameters
    ----------
    asked : Asked
    keyed : bool
        An object with a key for each node instead of a list of pairs.
    """

    def __init__(self, asked: Asked, *, keyed: bool) -> None:
        self._asked = asked
        self._keyed = keyed

    def text(self) -> str:
        """Return the replies as JSON: ``[[node, reply], …]`` or ``{node: reply, …}``."""
        asked = self._asked
        # A copy: answers arrive meanwhile.
        answers = sorted(asked.job.answers.copy().items())
        found: list[tuple[str, Any]] = []
        for index, answer in answers:
            data = data_of(answer)
            reply = answer.text.replace("\r\n", "\n").strip("\n ") if data is None else data
            found.append((str(asked.nodes[index]), reply))
        return json.dumps(dict(found) if self._keyed else found, ensure_ascii=False)

    def figure(self, name: str) -> int:
        """Return how many nodes answered (``replies``), or how many did not yet (``diff``)."""
        answered = len(self._asked.job.answers)
        return answered if name == "replies" else self._asked.job.receivers - answered


def collect(context: Context, call: Call, *, keyed: bool) -> Collection:
    """Send a command to nodes, and return at once what their replies arrive in.

    Replies are taken until all are there or the time for them has passed. Nodes that cannot
    be reached are told at the console.

    Raises
    ------
    EdgeLakeError
        Nothing was sent.
    """
    _, timeout_s = destination_options(call)
    asked = ask(context, resolve(context, call), call.arguments["command"], timeout_s)

    alone = replace(context, frame=Frame())

    def attend() -> None:
        with asked, suppress(NotRunning):
            for index in asked.job.arrivals(asked.timeout_s, alone.watch):
                failure = asked.job.failures.get(index)
                if failure is not None:
                    context.node.report("run client", as_peer_error(failure))

    threading.Thread(target=attend, name="replies", daemon=True).start()
    return Collection(asked, keyed=keyed)
