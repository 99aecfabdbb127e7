"""``run client (…) file get``: files of another node come here, and only those."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Sequence

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.parcels import failing, is_pattern
from edgelake.commands.reach import reach_of
from edgelake.commands.replies import as_peer_error, remote_error
from edgelake.errors import CommandSyntaxError, EdgeLakeError, FolderMissing, NoReply
from edgelake.interfaces import Result
from edgelake.services.jobs import PendingJob
from edgelake.services.tcp import TcpService
from edgelake.storage import Reach, Use, landing, name_pattern, require_place, store_file
from edgelake.wire import Endpoint

__all__ = ["fetch"]

_STEP_S = 0.1
_USAGE = "write run client (ip:port) file get !!dir/file <target>"


def fetch(
    context: Context, words: Sequence[str], destinations: Sequence[Endpoint], timeout_s: float
) -> Result:
    """Ask one node for files, and keep what comes under the name that only it was told."""
    if len(words) != 2:
        raise CommandSyntaxError("'file get' takes a source there and a target", hint=_USAGE)
    if len(destinations) != 1:
        raise CommandSyntaxError("'file get' asks one node", hint=_USAGE)
    source, target = words[0], os.path.expanduser(words[1])
    reach = reach_of(context)
    name = os.path.basename(source)
    several = is_pattern(source)
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
    arrivals = _Arrivals(target, reach, named=name_pattern(name) if several else None)
    tcp, to = context.node.tcp(), destinations[0]
    place = context.node.transfers.expect(arrivals)
    try:
        with context.node.jobs.open() as job:
            asked = place + "/" if several else f"{place}/file"
            _ask(tcp, to, source, asked, job)
            arrivals.wait(job, to, timeout_s, context.watch)
    finally:
        context.node.transfers.forget(place)
    return Result({"node": str(to), "files": arrivals.paths, "bytes": arrivals.size})


def _ask(tcp: TcpService, to: Endpoint, source: str, asked: str, job: PendingJob) -> None:
    request = f"file get {source.replace(' ', chr(9))} {asked}"
    sent = tcp.request(to, request, job.header(0), retry_pause_s=limits.CLIENT_RETRY_PAUSE_S)
    sent.add_done_callback(failing(job, 0))


class _Arrivals:
    """Keeps the files of one request as they come, on the threads that received them.

    Parameters
    ----------
    target : str
        The file's path, or the folder of several.
    named : pattern or None
        What the names of several files are; ``None`` for one file.
    """

    def __init__(self, target: str, reach: Reach, *, named: re.Pattern[str] | None) -> None:
        self._target = target
        self._reach = reach
        self._named = named
        self._changed = threading.Condition()
        self._names: set[str] = set()
        self._fault: EdgeLakeError | None = None
        self._last_s = time.monotonic()
        self.paths: list[str] = []
        self.size = 0

    def __call__(self, name: str, content: bytes) -> bool:
        """Keep one file; return whether it was wanted. See `Transfers.expect`."""
        if self._named is not None:
            # Who is asked for *.json puts no program there.
            plain = name not in ("", ".", "..") and "\0" not in name
            wanted = plain and self._named.fullmatch(name) is not None
            path = os.path.join(self._target, name)
        else:
            wanted = name == "file"
            path = self._target
        with self._changed:
            if not wanted or name in self._names or len(self._names) >= limits.MAX_TRANSFER_FILES:
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

    def wait(
        self, job: PendingJob, to: Endpoint, timeout_s: float, watch: Callable[[], None]
    ) -> None:
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
        self._last_s = time.monotonic()
        wanted: int | None = 1 if self._named is None else None
        while True:
            watch()
            answer = job.answers.get(0)
            if answer is not None and answer.error:
                raise remote_error(answer)
            if answer is not None and self._named is not None:
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
                if now - self._last_s >= timeout_s:
                    break
                self._changed.wait(_STEP_S)
        some = f" more than {len(self.paths)} of {wanted} files" if self.paths else " the file"
        raise NoReply(f"{to} did not send{some} within {timeout_s:g} seconds")


def _count_in(answer: str) -> int | None:
    first = answer.strip().partition(" ")[0]
    return int(first) if first.isdecimal() and len(first) <= 6 else None
