"""Files that peers ask for, and files that they send: ``file get`` and ``file write``."""

from __future__ import annotations

import os
import time

from edgelake import limits
from edgelake.commands.context import Context, NodeParts
from edgelake.commands.parcels import content_of, files_named, is_pattern, name_in
from edgelake.commands.reach import reach_of
from edgelake.errors import (
    CommandSyntaxError,
    FileNotPermitted,
    NotPermitted,
    Overloaded,
    UndefinedVariable,
)
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, PathType, is_secret_name
from edgelake.storage import store_file
from edgelake.wire import Endpoint, FileFlag

__all__ = ["commands", "take_file"]

commands = CommandSet(group="files")

_STEP_S = 0.1
_USAGE = "write run client (ip:port) file get !!dir/file <target>"


@commands.command(
    "file get",
    summary="fetch a file from another node; only behind 'run client'",
    arguments=(
        Argument("source", PathType(), help="path at the other node; * in its name for any text"),
        Argument("target", PathType(), required=False, help="path here, or a folder"),
    ),
    permission=Permission.READ,
    slow=True,
    details=(
        "'!!x' in the source is a variable of the other node. Its level decides what it gives:\n"
        "below admin only the ledger, at admin the files of its work folders."
    ),
    examples=("run client (10.0.0.7:32048) file get !!blockchain_file /backup/ledger.json",),
    related=("run client", "file copy"),
)
def _file_get(context: Context, call: Call) -> Result:
    """Send the files that a peer asks for under the name it wants."""
    origin = context.origin
    if origin.local:
        raise CommandSyntaxError("'file get' fetches files of another node", hint=_USAGE)
    source: str = call.arguments["source"]
    several = is_pattern(source)
    target: str = call.arguments.get("target") or (os.path.dirname(source) if several else source)
    if origin.peer is None:
        raise NotPermitted("'file get' sends its file to a node, and no node asks", hint=_USAGE)
    reach = reach_of(context)
    try:
        paths = files_named(source, reach)
        for path in paths:
            name = name_in(target, path) if several or target.endswith("/") else target
            _give(context, origin.peer, name, content_of(path, reach), patient=several)
    except FileNotPermitted as exc:
        if context.node.permission < Permission.ADMIN:
            exc.hint = "below the level admin only the ledger may"
        raise
    # The asker of several does not know how many will come.
    return Result(len(paths), f"{len(paths)} files") if several else Result()


def _give(context: Context, to: Endpoint, name: str, content: bytes, *, patient: bool) -> None:
    """Answer with a file.

    For the next of several, which only peers of the level admin get, room is waited for:
    who asks for one and takes none must hold no thread.
    """
    origin, tcp = context.origin, context.node.tcp()
    deadline = time.monotonic() + limits.TRANSFER_WAIT_S
    while True:
        try:
            tcp.answer_file(to, name, content, FileFlag.PATH, origin.ip, origin.session)
            return
        except Overloaded:
            if not patient or time.monotonic() > deadline:
                raise
        context.pause(_STEP_S)


def take_file(node: NodeParts, name: str, flag: int, content: bytes) -> str:
    """Keep a file that a peer sent without being asked; return what to answer.

    Raises
    ------
    NotPermitted
        The node's level is not admin, or the file is of a kind that must be asked for.
    FileNotPermitted
        The name leads out of the node's work folders.
    UndefinedVariable, FolderMissing, FileWriteFailed, StorageError
    """
    if node.permission < Permission.ADMIN:
        raise NotPermitted(
            "not permitted: files are taken only when this node asked for them",
            hint="the node's administrator sets the level: set remote permission = admin",
        )
    if flag == FileFlag.WATCH:
        if "/" in name:
            raise FileNotPermitted(f"'{name}' is no name of a file in the watch folder")
        path = os.path.join(_value(node, "watch_dir"), name)
    elif flag == FileFlag.PATH:
        path = name
        if name.startswith("!"):
            variable, slash, rest = name[1:].partition("/")
            path = _value(node, variable) + slash + rest
    else:
        raise NotPermitted("not permitted: this node did not ask for a ledger")
    store_file(path, content, node.home.reach_of_peers())
    return f"{len(content):,} bytes written"


def _value(node: NodeParts, variable: str) -> str:
    found = None if is_secret_name(variable) else node.variables.get(variable)
    if not found:
        raise UndefinedVariable(f"'!{variable}' has no value", hint="write a full path")
    return found
