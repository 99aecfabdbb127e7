"""Carries a follower's changes to its master, and reads what became of them."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from edgelake import limits
from edgelake.errors import PolicyConflict, PolicyInvalid, PolicyRowMissing, is_temporary
from edgelake.interfaces import LogPosition
from edgelake.ledger import LocalLedger, Policy
from edgelake.services.jobs import Answer, Jobs, PendingJob
from edgelake.services.outbox import Outbox, Turn
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint, wire_code

__all__ = [
    "Courier",
    "confirmed_drop",
    "drop_command",
    "forward_drop_command",
    "forward_push_command",
    "place_dropped",
    "place_stored",
]

_STORED = re.compile(r"stored ([0-9]{1,18}) ([0-9a-f]{1,64}) ([0-9a-f]{64}) (.*)", re.DOTALL)
_DROPPED = re.compile(r"(?:dropped|absent) ([0-9]{1,18}) ([0-9a-f]{1,64}) (.*)", re.DOTALL)
_STORED_SINCE = wire_code(PolicyConflict(""))
_PLAIN = re.compile(r"[\w.:-]+")


def drop_command(policy_id: str) -> str:
    """Return the command that removes a policy from a master; the id stays one word."""
    if _PLAIN.fullmatch(policy_id):
        return f"blockchain drop policy where id = {policy_id}"
    quote = "'" if '"' in policy_id else '"'
    return f"blockchain drop policy where id = {quote}{policy_id}{quote}"


def confirmed_drop(policy_id: str, seen: tuple[str, int] | None = None) -> str:
    """Return the command that removes any id from a master of our kind, which says so.

    With ``seen``, a place in its log, it keeps what was stored later: the command may come
    late, or twice, when somebody has inserted a policy of that id again.
    """
    return f"blockchain drop confirm {json.dumps({'id': policy_id, **_place(seen)})}"


def forward_push_command(host: str, relays: int, line: str) -> str:
    """Return the command that has a relay store a policy's line for the node at ``host``.

    Parameters
    ----------
    relays : int
        How many relays may pass it on.
    """
    return f"blockchain forward push {host} {relays} {line}"


def forward_drop_command(
    host: str, relays: int, ids: str | Sequence[str], seen: tuple[str, int] | None = None
) -> str:
    """Return the command that has a relay remove an id, or all of several or none of them.

    Parameters
    ----------
    seen : tuple of str and int or None
        As in `confirmed_drop`.
    """
    return f"blockchain forward drop {host} {relays} {json.dumps({'id': ids, **_place(seen)})}"


def _place(seen: tuple[str, int] | None) -> dict[str, str | int]:
    return {} if seen is None else {"epoch": seen[0], "sequence": seen[1]}


def place_stored(answer: Answer, policy: Policy) -> LogPosition | None:
    """Return the place in the log at which an answer says that a policy is stored."""
    told = _STORED.fullmatch(answer.text) if answer.error == 0 else None
    # Who names the hash has read the policy, and is not guessing at jobs.
    if told is None or told[4] != policy.id or told[3] != _hash(policy):
        return None
    return LogPosition(told[2], int(told[1]), "")


def place_dropped(answer: Answer, policy_id: str) -> LogPosition | None:
    """Return the place in the log at which an answer says that an id is gone."""
    told = _DROPPED.fullmatch(answer.text) if answer.error == 0 else None
    if told is None or told[3] != policy_id:
        return None
    return LogPosition(told[2], int(told[1]), "")


class Courier:
    """Sends what waits in a follower's outbox; used by the synchronizer's thread.

    Parameters
    ----------
    ledger : LocalLedger
    master : Endpoint
    jobs : Jobs
        Through which the master's refusals come back.
    refused : callable
        Told the reason and the number of what the master will not have.

    Attributes
    ----------
    outbox : Outbox
    """

    def __init__(
        self,
        ledger: LocalLedger,
        master: Endpoint,
        jobs: Jobs,
        refused: Callable[[str, int], None],
    ) -> None:
        self.outbox = Outbox()
        self._ledger = ledger
        self._master = master
        self._jobs = jobs
        self._refused = refused
        self._lock = threading.Lock()
        self._asked: list[_Asked] = []

    def close(self) -> None:
        """Await no answer any more."""
        with self._lock:
            asked, self._asked = self._asked, []
        for entry in asked:
            self._jobs.close(entry.job)

    def ask(
        self,
        tcp: TcpService,
        request: str,
        what: str,
        dropped: str = "",
        change: Policy | str | None = None,
    ) -> Future[bool]:
        """Send a request whose answer the next cycle reads.

        ``dropped`` is the id of a delete that the answer of an old master can finish,
        ``change`` the policy, or the id of the delete, that the answer can acknowledge or refuse.
        """
        job = self._jobs.open()
        with self._lock:
            until_s = time.monotonic() + limits.LEDGER_ANSWER_WAIT_S
            self._asked.append(_Asked(job, what, dropped, change, until_s))
        return tcp.request(self._master, request, job.header(0), attempts=1)

    def read_answers(self) -> None:
        """Report what the master refused since the last cycle, and take what it acknowledged."""
        now_s = time.monotonic()
        with self._lock:
            asked: list[_Asked] = []
            kept: list[_Asked] = []
            for entry in self._asked:
                (kept if entry.awaited(now_s) else asked).append(entry)
            while len(kept) > limits.MAX_AWAITED_ACKNOWLEDGEMENTS:
                asked.append(kept.pop(0))
            self._asked = kept
        for entry in asked:
            self._jobs.close(entry.job)
        for entry in asked:
            answer = entry.job.answers.get(0)
            if answer is None or self._answered(entry, answer) or answer.error == 0:
                continue
            if answer.error == PolicyRowMissing.code:
                # A policy that the master no longer has is as good as dropped.
                if entry.dropped:
                    self._ledger.finish_delete(entry.dropped)
                continue
            self._refused(
                f"master {self._master} refused {entry.what}, error {answer.error}: "
                + " ".join(answer.text.split()),
                answer.error,
            )

    def _answered(self, entry: _Asked, answer: Answer) -> bool:
        """Take the acknowledgement or refusal of a change; return whether it was one."""
        change = entry.change
        if change is None:
            return False
        if answer.error == 0:
            if isinstance(change, str):
                place = place_dropped(answer, change)
            else:
                place = place_stored(answer, change)
            if place is not None:
                carried = answer.text.startswith("dropped ")
                self.outbox.acknowledge(change, place, carried=carried)
            return place is not None
        if isinstance(change, str) and answer.error == _STORED_SINCE:
            return True  # stored since: sent again, and taken when the ledger here shows it
        reason = " ".join(answer.text.split())
        if self.outbox.refuse(change, reason, answer.error):
            verb = "cannot take" if is_temporary(answer.error) else "refused"
            self._refused(
                f"master {self._master} {verb} {entry.what}, error {answer.error}: {reason}",
                answer.error,
            )
        return True

    def pause_s(self) -> float | None:
        """Return after which time to go on because the master has not answered for all changes."""
        pause_s = self.outbox.pause_s()
        return None if pause_s is None else max(pause_s, limits.SYNC_FOLLOW_UP_S)

    def send(
        self,
        tcp: TcpService,
        turn: Turn,
        *,
        confirm: bool,
        relayed: bool = False,
        seen: tuple[str, int] | None = None,
    ) -> None:
        """Send local changes, again and again, until the master's ledger shows them.

        The master ignores what it has. A delete waits until nothing is known to be under way
        that could bring its policy back.

        Parameters
        ----------
        confirm : bool
            The master acknowledges what it has done.
        relayed : bool
            It does so over a relay.
        seen : tuple of str and int or None
            Epoch and number in its log of the ledger here.
        """
        host, relays = tcp.source_for(self._master.host).host, limits.MAX_RELAYS
        with self._lock:
            awaited = {entry.key for entry in self._asked}
        for policy in turn.policies:
            if policy.id in awaited:
                continue
            try:
                line = policy.with_ledger("global").to_line()
            except PolicyInvalid as exc:
                self._refused(f"policy {policy.id} not sent: {exc}", exc.code)
                continue
            what = f"policy {policy.id}"
            if confirm:
                request = f"blockchain push confirm {line}"
                if relayed:
                    request = forward_push_command(host, relays, line)
                sent = self.ask(tcp, request, what, change=policy)
            else:
                sent = self.ask(tcp, f"blockchain push\tignore {line}", what)
            self.outbox.sent(policy, sent)
        # A delete that this cycle has ended could hit what somebody inserted since.
        waiting = {marker.id for marker in self._ledger.pending()[1]} if turn.deletes else set()
        for policy_id in turn.deletes:
            if policy_id not in waiting:
                continue
            what = f"the delete of {policy_id}"
            if not confirm:
                last = policy_id if policy_id in turn.delivered else ""
                sent = self.ask(tcp, drop_command(policy_id), what, last)
            elif policy_id in awaited:
                continue
            else:
                request = confirmed_drop(policy_id, seen)
                if relayed:
                    request = forward_drop_command(host, relays, policy_id, seen)
                sent = self.ask(tcp, request, what, change=policy_id)
            self.outbox.sent(policy_id, sent)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A message whose refusal is awaited; ``dropped`` names the delete it can finish."""

    job: PendingJob
    what: str
    dropped: str
    change: Policy | str | None
    until_s: float

    @property
    def key(self) -> str:
        """The id of what is awaited, empty if nothing is."""
        return self.change.id if isinstance(self.change, Policy) else self.change or ""

    def awaited(self, now_s: float) -> bool:
        """Return whether an acknowledgement may still come; an old master sends none."""
        return self.change is not None and now_s < self.until_s and not self.job.answers


def _hash(policy: Policy) -> str:
    return hashlib.sha256(policy.with_ledger("global").text.encode()).hexdigest()
