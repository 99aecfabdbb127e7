"""How a change of the ledger gets from a command to its masters."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import wait
from typing import Any

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.errors import (
    EdgeLakeError,
    NoReply,
    PeerError,
    PolicyRowMissing,
    RemoteError,
    is_temporary,
)
from edgelake.ledger import Policy
from edgelake.services.courier import confirmed_drop, drop_command, place_dropped, place_stored
from edgelake.services.jobs import Answer, PendingJob
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint, wire_code

__all__ = ["change_on", "pass_on", "wake"]


def pass_on(
    context: Context, tcp: TcpService, masters: Sequence[Endpoint], change: Policy | str
) -> None:
    """Send a change that is kept here to masters, without waiting.

    One that the synchronizer follows gets it from there alone: at once, and until it has it.

    Parameters
    ----------
    change : Policy or str
        What is inserted, or the id of what is deleted.
    """
    sync = context.node.services.find(Synchronizer)
    for to in masters:
        if sync is not None and sync.source.follows((to,)):
            continue
        # A running synchronizer may bring the policy to the same master first.
        command = _plain(change, ignore=sync is not None)
        try:
            sent = tcp.request(to, command, retry_pause_s=limits.CLIENT_RETRY_PAUSE_S)
        except EdgeLakeError as exc:
            _warn(context, exc)
            continue
        sent.add_done_callback(lambda done: _warn(context, done.exception()))


def change_on(
    context: Context, tcp: TcpService, masters: Sequence[Endpoint], change: Policy | str
) -> list[dict[str, Any]]:
    """Have masters carry out a change that is kept nowhere else, and wait for their word.

    Returns
    -------
    list of dict
        For each master its address and the number of its log; ``None`` of one that keeps no
        log: it has taken the message, and says no more.

    Raises
    ------
    PolicyRowMissing
        There is nothing to delete.
    RemoteError
        A master refused.
    NoReply
        It is not known what became of the change.
    PeerError
        A master did not take the message.
    """
    done: list[dict[str, Any]] = []
    for to in masters:
        try:
            number = _confirmed(context, tcp, to, change) if _keeps_log(context, tcp, to) else None
            if number is None:
                _told(context, tcp, to, change)
        except EdgeLakeError as exc:
            if done:
                exc.message += f"; done by {', '.join(one['master'] for one in done)}"
            raise
        done.append({"master": str(to), "sequence": number})
    return done


def wake(context: Context) -> None:
    """Let the synchronizer take up a change at once."""
    sync = context.node.services.find(Synchronizer)
    if sync is not None:
        sync.trigger()


# ------------------------------------------------------------------- parts


def _plain(change: Policy | str, *, ignore: bool) -> str:
    """Return the command that masters of any kind understand."""
    if isinstance(change, str):
        return drop_command(change)
    verb = "blockchain push\tignore" if ignore else "blockchain push"
    return f"{verb} {change.with_ledger('global').to_line()}"


def _keeps_log(context: Context, tcp: TcpService, to: Endpoint) -> bool:
    """Return whether a master keeps a log and so can say what is stored; old ones say nothing."""
    token = secrets.token_hex(12)
    with context.node.jobs.open() as job:
        command = f"event get_ledger_head {token}"
        answer = _answer(context, tcp, to, command, job, limits.LEDGER_NEWS_WAIT_S, probe=True)
    return answer is not None and (answer.error != 0 or token in answer.text)


def _confirmed(context: Context, tcp: TcpService, to: Endpoint, change: Policy | str) -> int:
    """Return the number in the log of a master that says it has carried out a change."""
    if isinstance(change, str):
        what, command = f"the delete of {change}", confirmed_drop(change)
    else:
        change = change.with_ledger("global")
        what, command = f"policy {change.id}", f"blockchain push confirm {change.to_line()}"
    with context.node.jobs.open() as job:
        answer = _answer(context, tcp, to, command, job, limits.STORED_WAIT_S)
    if answer is None:
        raise NoReply(
            f"master {to} took {what} and did not say within {limits.STORED_WAIT_S:g} s"
            " whether it is stored",
            hint="repeat it: a policy that is there already is not stored twice",
        )
    _check(answer, to, what)
    if isinstance(change, str):
        place = place_dropped(answer, change)
        if answer.text.startswith("absent "):
            raise PolicyRowMissing(f"master {to} has no policy with id '{change}'")
    else:
        place = place_stored(answer, change)
    if place is None:
        raise NoReply(f"master {to} did not answer for {what}: {answer.text[:80]!r}")
    return place.seq


def _told(context: Context, tcp: TcpService, to: Endpoint, change: Policy | str) -> None:
    """Have a master of any kind take a change; it says something only if it refuses."""
    what = f"the delete of {change}" if isinstance(change, str) else f"policy {change.id}"
    with context.node.jobs.open() as job:
        command = _plain(change, ignore=False)
        answer = _answer(context, tcp, to, command, job, limits.SILENT_REPLY_WAIT_S)
    if answer is not None:
        _check(answer, to, what)


def _check(answer: Answer, to: Endpoint, what: str) -> None:
    if answer.error == 0:
        return
    reason = " ".join(answer.text.split())
    if is_temporary(answer.error):
        raise RemoteError(
            f"master {to} cannot take {what} now, and it is kept nowhere: {reason}",
            answer.error,
            hint="repeat it later, or write local = true to have it kept here until then",
        )
    raise RemoteError(f"master {to} refused {what}: {reason}", answer.error)


def _answer(
    context: Context,
    tcp: TcpService,
    to: Endpoint,
    command: str,
    job: PendingJob,
    patience_s: float,
    *,
    probe: bool = False,
) -> Answer | None:
    """Send a command and return its answer, ``None`` if there is none in time.

    Raises
    ------
    PeerError
        The command was not taken.
    """
    sent = tcp.request(
        to, command, job.header(0), retry_pause_s=limits.CLIENT_RETRY_PAUSE_S, asks=probe
    )
    while not wait([sent], limits.WATCH_S).done:
        context.watch()
    if not sent.result() and probe:
        return None
    job.wait(patience_s, context.watch)
    return job.answers.get(0)


def _warn(context: Context, error: BaseException | None) -> None:
    """Tell the console that a master did not get a change that is kept here."""
    if error is not None:
        told = PeerError(f"the change is kept here but did not reach the master: {error}")
        told.code = wire_code(error)
        context.node.report("blockchain insert", told)
