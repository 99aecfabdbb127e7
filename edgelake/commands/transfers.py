"""Files between nodes: ``run client (…) file copy`` and ``file get``, and both seen from the peer.

A file travels as ``file write`` with its bytes as data (``docs/protocol.md``, "Files").
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait

from edgelake import limits
from edgelake.commands.context import Context, NodeParts
from edgelake.commands.reach import reach_of
from edgelake.commands.replies import as_peer_error, remote_error
from edgelake.errors import (
    BadArgument,
    CommandSyntaxError,
    EdgeLakeError,
    FileNotPermitted,
    FolderMissing,
    NoReply,
    NotPermitted,
    Overloaded,
    UndefinedVariable,
)
from edgelake.interfaces import Permission, Result
from edgelake.language import Argument, Call, CommandSet, PathType
from edgelake.services.jobs import PendingJob
from edgelake.services.tcp import TcpService
from edgelake.storage import (
    Reach,
    Use,
    fetch_file,
    landing,
    matching_files,
    require_place,
    store_file,
)
from edgelake.wire import Endpoint, FileFlag

__all__ = ["carries_files", "carry", "commands", "take_file"]

commands = CommandSet(group="files")

_STEP_S = 0.1
_FLAGS = {"watch_dir": FileFlag.WATCH}
_SEND_USAGE = "write file copy <source> <target> [watch_dir]"
_GET_USAGE = "write run client (ip:port) file get !!dir/file <target>"


# ------------------------------------------------------- what a peer does


@commands.command(
    "file get",
    summary="fetch a file from another node; only behind 'run client'",
    arguments=(
        Argument("source", PathType(), help="path at the other node; * in its name for any text"),
        Argument("target", PathType(), required=False, help="path here, or a folder"),
    ),
    permission=Permission.READ,
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
        raise CommandSyntaxError("'file get' fetches files of another node", hint=_GET_USAGE)
    source: str = call.arguments["source"]
    target: str = call.arguments.get("target") or source
    if origin.peer is None:
        return Result()
    reach = reach_of(context)
    try:
        several = "*" in os.path.basename(source)
        paths = _limited(matching_files(source, reach)) if several else [source]
        for path in paths:
            name = _beside(target, path) if several or target.endswith("/") else target
            _give(context, origin.peer, name, _content(path, reach), patient=several)
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
    found = node.variables.get(variable)
    if not found:
        raise UndefinedVariable(f"'!{variable}' has no value", hint="write a full path")
    return found


# -------------------------------------------------------- what we do to it


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
        return _send(context, words, destinations, subset=subset, timeout_s=timeout_s)
    return _fetch(context, words, destinations, timeout_s or limits.TRANSFER_WAIT_S)


def _send(
    context: Context,
    words: Sequence[str],
    destinations: Sequence[Endpoint],
    *,
    subset: bool,
    timeout_s: float | None,
) -> Result:
    """Send files of this node, one after the other, to all destinations at once."""
    if not 2 <= len(words) <= 3:
        raise CommandSyntaxError("'file copy' takes a source here and a target", hint=_SEND_USAGE)
    source, target = os.path.expanduser(words[0]), words[1]
    if len(words) == 3 and words[2] not in _FLAGS:
        # Whoever takes a ledger from anybody can lose his own by it.
        raise CommandSyntaxError(f"unknown word '{words[2]}'", hint=_SEND_USAGE)
    flag = _FLAGS[words[2]] if len(words) == 3 else FileFlag.PATH
    reach = reach_of(context)
    several = "*" in os.path.basename(source)
    paths = _limited(matching_files(source, reach)) if several else [source]
    if several and not target.endswith("/"):
        raise CommandSyntaxError(
            "several files need a folder as target", hint="end the target with '/'"
        )
    sent: list[dict[str, object]] = []
    for path in paths:
        name = _beside(target, path) if target.endswith("/") else target
        content = _content(path, reach)
        # All at once, as far as there is room for what is under way.
        step = max(1, limits.MAX_PENDING_SEND_BYTES // 2 // max(1, len(content)))
        faults = [
            fault
            for at in range(0, len(destinations), step)
            for fault in _deliver(
                context, name, content, flag, destinations[at : at + step], timeout_s
            )
        ]
        sent += [
            {
                "node": str(to),
                "file": name,
                "bytes": len(content),
                "failure": str(fault) if fault is not None else None,
            }
            for to, fault in zip(destinations, faults, strict=True)
        ]
        first = next((fault for fault in faults if fault is not None), None)
        if first is not None and not (subset and None in faults):
            if len(sent) > 1:
                context.emit(Result(sent, _told(sent)))
            raise first
    failed = [entry for entry in sent if entry["failure"]]
    return Result(sent, _told(failed))


def _deliver(
    context: Context,
    name: str,
    content: bytes,
    flag: FileFlag,
    destinations: Sequence[Endpoint],
    timeout_s: float | None,
) -> list[EdgeLakeError | None]:
    """Send one file to all; return why it failed for each, ``None`` where it did not."""
    tcp = context.node.tcp()
    with context.node.jobs.open(len(destinations)) as job:
        results = [
            tcp.send_file(to, name, content, flag, job.header(index))
            for index, to in enumerate(destinations)
        ]
        for index, result in enumerate(results):
            result.add_done_callback(_failing(job, index))
        wait(results, timeout_s or limits.TRANSFER_WAIT_S)
        # Nodes that keep connections say when the file is written; of others only a failure
        # is heard, and soon.
        job.wait(limits.SILENT_REPLY_WAIT_S)
        for index, result in enumerate(results):
            if result.done() and result.exception() is None and not result.result():
                job.excuse(index)
        job.wait(timeout_s or limits.REPLY_TIMEOUT_S)
        return [_fault(job, index, to) for index, to in enumerate(destinations)]


def _failing(job: PendingJob, index: int) -> Callable[[Future[bool]], None]:
    def check(sent: Future[bool]) -> None:
        error = sent.exception()
        if error is not None:
            job.fail(index, error)

    return check


def _fault(job: PendingJob, index: int, to: Endpoint) -> EdgeLakeError | None:
    answer = job.answers.get(index)
    if answer is not None:
        return remote_error(answer) if answer.error else None
    failure = job.failures.get(index)
    if failure is not None:
        return as_peer_error(failure)
    if index in job.excused:
        return None
    return NoReply(f"{to} did not say in time that it has the file")


def _told(sent: Sequence[dict[str, object]]) -> str:
    return "\n".join(
        f"[Message to Node {entry['node']}] {entry['file']}: {entry['failure'] or 'sent'}"
        for entry in sent
    )


# ---------------------------------------------------------------- fetching


def _fetch(
    context: Context, words: Sequence[str], destinations: Sequence[Endpoint], timeout_s: float
) -> Result:
    """Ask one node for files, and keep what comes under the name that only it was told."""
    if len(words) != 2:
        raise CommandSyntaxError("'file get' takes a source there and a target", hint=_GET_USAGE)
    if len(destinations) != 1:
        raise CommandSyntaxError("'file get' asks one node", hint=_GET_USAGE)
    source, target = words[0], os.path.expanduser(words[1])
    reach = reach_of(context)
    name = os.path.basename(source)
    several = "*" in name
    into_folder = reach.is_folder(target, Use.WRITE)
    if several and not into_folder:
        raise FolderMissing(
            f"'{target}' is no folder, and several files go there",
            hint="write the path of a folder that exists",
        )
    if into_folder and name.startswith("!"):
        raise CommandSyntaxError(
            f"the file that '{name}' names there cannot be named after it here",
            hint="write the file's name behind the folder",
        )
    if not several:
        target = landing(source, target, reach)
        require_place(target, reach)  # before the file comes and has none
    arrivals = _Arrivals(target, reach, several=several)
    tcp, to = context.node.tcp(), destinations[0]
    place = context.node.transfers.expect(arrivals)
    try:
        with context.node.jobs.open() as job:
            asked = place + "/" if several else f"{place}/file"
            _ask(tcp, to, source, asked, job)
            arrivals.wait(job, to, timeout_s)
    finally:
        context.node.transfers.forget(place)
    return Result({"node": str(to), "files": arrivals.paths, "bytes": arrivals.size})


def _ask(tcp: TcpService, to: Endpoint, source: str, asked: str, job: PendingJob) -> None:
    request = f"file get {source.replace(' ', chr(9))} {asked}"
    sent = tcp.request(to, request, job.header(0), retry_pause_s=limits.CLIENT_RETRY_PAUSE_S)
    sent.add_done_callback(_failing(job, 0))


class _Arrivals:
    """Keeps the files of one request as they come, on the threads that received them."""

    def __init__(self, target: str, reach: Reach, *, several: bool) -> None:
        self._target = target
        self._reach = reach
        self._several = several
        self._changed = threading.Condition()
        self._names: set[str] = set()
        self._fault: EdgeLakeError | None = None
        self._last_s = time.monotonic()
        self.paths: list[str] = []
        self.size = 0

    def __call__(self, name: str, content: bytes) -> bool:
        """Keep one file; return whether it was wanted. See `Transfers.expect`."""
        if self._several:
            plain = name not in ("", ".", "..") and "\0" not in name
            path = os.path.join(self._target, name)
        else:
            plain = name == "file"
            path = self._target
        with self._changed:
            if not plain or name in self._names or len(self._names) >= limits.MAX_TRANSFER_FILES:
                return False
            self._names.add(name)
        fault = None
        try:
            store_file(path, content, self._reach)
        except EdgeLakeError as exc:
            fault = exc
        with self._changed:
            self._fault = self._fault or fault
            if fault is None:
                self.paths.append(path)
                self.size += len(content)
            self._last_s = time.monotonic()
            self._changed.notify_all()
        return True

    def wait(self, job: PendingJob, to: Endpoint, timeout_s: float) -> None:
        """Wait for the file, or for all that a pattern names.

        Raises
        ------
        RemoteError
            The peer refused.
        NoReply
            It sent nothing in time.
        StorageError
            A file came and could not be written.
        """
        deadline = time.monotonic() + timeout_s
        wanted: int | None = None if self._several else 1
        while True:
            answer = job.answers.get(0)
            if answer is not None and answer.error:
                raise remote_error(answer)
            if answer is not None and self._several:
                wanted = _count_in(answer.text)
            failure = job.failures.get(0)
            if failure is not None:
                raise as_peer_error(failure)
            with self._changed:
                if self._fault is not None:
                    raise self._fault
                now, have = time.monotonic(), len(self.paths)
                if wanted is not None and have >= wanted:
                    return
                # Existing nodes do not say how many files come.
                quiet = now - self._last_s > limits.TRANSFER_QUIET_S
                if wanted is None and have and quiet:
                    return
                if now >= deadline:
                    break
                self._changed.wait(_STEP_S)
        some = f" more than {len(self.paths)} of {wanted} files" if self.paths else " the file"
        raise NoReply(f"{to} did not send{some} within {timeout_s:g} seconds")


def _count_in(answer: str) -> int | None:
    first = answer.strip().partition(" ")[0]
    return int(first) if first.isdecimal() and len(first) <= 6 else None


def _limited(paths: list[str]) -> list[str]:
    if len(paths) > limits.MAX_TRANSFER_FILES:
        raise BadArgument(
            f"the pattern names {len(paths):,} files, more than {limits.MAX_TRANSFER_FILES:,}",
            hint="write a pattern that names fewer",
        )
    return paths


def _content(path: str, reach: Reach) -> bytes:
    why = "the most that a message between nodes carries"
    return fetch_file(path, limits.MAX_TRANSFER_BYTES, reach, why=why)


def _beside(folder: str, path: str) -> str:
    return folder.rstrip("/") + "/" + os.path.basename(path)
