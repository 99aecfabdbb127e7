"""``run client (…) file copy``: files of this node go to others."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import wait

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.parcels import content_of, failing, files_named, is_pattern, name_in
from edgelake.commands.reach import reach_of
from edgelake.commands.replies import as_peer_error, remote_error
from edgelake.errors import CommandSyntaxError, EdgeLakeError, NoReply
from edgelake.interfaces import Result
from edgelake.services.jobs import PendingJob
from edgelake.wire import Endpoint, FileFlag

__all__ = ["send"]

_FLAGS = {"watch_dir": FileFlag.WATCH}
_USAGE = "write file copy <source> <target> [watch_dir]"


def send(
    context: Context,
    words: Sequence[str],
    destinations: Sequence[Endpoint],
    *,
    subset: bool,
    timeout_s: float | None,
) -> Result:
    """Send files of this node, one after the other, to all destinations at once."""
    if not 2 <= len(words) <= 3:
        raise CommandSyntaxError("'file copy' takes a source here and a target", hint=_USAGE)
    source, target = os.path.expanduser(words[0]), words[1]
    if len(words) == 3 and words[2] not in _FLAGS:
        # Whoever takes a ledger from anybody can lose his own by it.
        raise CommandSyntaxError(f"unknown word '{words[2]}'", hint=_USAGE)
    flag = _FLAGS[words[2]] if len(words) == 3 else FileFlag.PATH
    reach = reach_of(context)
    several = is_pattern(source)
    paths = files_named(source, reach)
    if several and not target.endswith("/"):
        raise CommandSyntaxError(
            "several files need a folder as target", hint="end the target with '/'"
        )
    sent: list[dict[str, object]] = []
    for path in paths:
        name = name_in(target, path) if target.endswith("/") else target
        content = content_of(path, reach)
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
            result.add_done_callback(failing(job, index))
        deadline = time.monotonic() + (timeout_s or limits.TRANSFER_WAIT_S)
        while wait(results, limits.WATCH_S).not_done and time.monotonic() < deadline:
            context.watch()
        # Nodes that keep connections say when the file is written; of others only a failure
        # is heard, and soon.
        job.wait(limits.SILENT_REPLY_WAIT_S, context.watch)
        for index, result in enumerate(results):
            if result.done() and result.exception() is None and not result.result():
                job.excuse(index)
        job.wait(timeout_s or limits.REPLY_TIMEOUT_S, context.watch)
        return [_fault(job, index, to) for index, to in enumerate(destinations)]


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
