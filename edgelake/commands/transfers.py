"""Files between nodes, as they are commanded: ``run client (…) file copy`` and ``file get``.

A file travels as ``file write`` with its bytes as data (``docs/protocol.md``, "Files").
"""

from __future__ import annotations

from collections.abc import Sequence

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.fetching import fetch
from edgelake.commands.sending import send
from edgelake.interfaces import Result
from edgelake.wire import Endpoint

__all__ = ["carries_files", "carry"]


def carries_files(request: str) -> bool:
    """Return whether a command for another node stands for files that go there or come here."""
    return request.split(" ", 2)[:2] in (["file", "copy"], ["file", "get"])


def carry(
    context: Context,
    request: str,
    destinations: Sequence[Endpoint],
    *,
    subset: bool,
    timeout_s: float | None,
) -> Result | None:
    """Carry files to or from nodes; return ``None`` if the request is of another kind.

    Parameters
    ----------
    request : str
        The command as it would travel.

    Raises
    ------
    CommandSyntaxError
    FileMissing, FileTooLarge, FolderMissing, StorageError
    PeerError
        A peer could not be reached, did not answer, or refused.
    """
    if not carries_files(request):
        return None
    _, kind, *words = (word.replace("\t", " ") for word in request.split(" "))
    if kind == "copy":
        return send(context, words, destinations, subset=subset, timeout_s=timeout_s)
    return fetch(context, words, destinations, timeout_s or limits.TRANSFER_WAIT_S)
