"""Replies of other nodes as people and programs read them."""

from __future__ import annotations

import ast
import json
from typing import Any

from edgelake import limits
from edgelake.commands.rendering import json_text
from edgelake.errors import EdgeLakeError, PeerError, RemoteError
from edgelake.interfaces import Notice
from edgelake.services.jobs import Answer
from edgelake.wire import Endpoint, error_from_peer

__all__ = ["as_peer_error", "data_of", "from_node", "notice_text", "remote_error", "unreached"]


def notice_text(notice: Notice) -> str:
    """Return a notice as the console shows it."""
    if notice.source is None:
        return notice.text
    return from_node(Answer(notice.source, notice.text, notice.error))


def from_node(answer: Answer) -> str:
    """Return a reply under the name of its node: data indented, a line of text in quotes."""
    data = data_of(answer)
    if data is not None:
        return f"[From Node {answer.source}]\n\n{json_text(data)}\n"
    lines = answer.text.replace("\r\n", "\n").strip("\n")
    if "\n" not in lines and not answer.error:
        return f'[From Node {answer.source}]\n\n"{lines.strip()}"\n'
    return f"[From Node {answer.source}]\n\n{lines}\n"


def unreached(to: Endpoint, failure: BaseException) -> str:
    """Return the line that says why a node got no command."""
    return f"[Message to Node {to}] [Connection Failed] {failure}"


def data_of(answer: Answer) -> Any:
    """Return the list or object that a reply is, ``None`` if it is text.

    Policies come in Python's notation (``docs/protocol.md``, "Replies").
    """
    text = answer.text.strip()
    if answer.error or text[:1] not in ("{", "[") or len(text) > limits.MAX_SHOWN_DATA_CHARS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def remote_error(answer: Answer) -> RemoteError:
    """Return the error that a reply tells of."""
    error = error_from_peer(answer.error, answer.text.replace("\r\n", " "))
    error.message = f"[From Node {answer.source}] {error.message}"
    return error


def as_peer_error(failure: BaseException) -> EdgeLakeError:
    """Return what kept a node from getting a command as an error of the tree."""
    return failure if isinstance(failure, EdgeLakeError) else PeerError(str(failure))
