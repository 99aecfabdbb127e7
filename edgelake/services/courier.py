"""Carries a follower's changes to its master, and reads what became of them."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from edgelake import limits
from edgelake.errors import (
    DatabaseError,
    DatabaseUnknown,
    DatabaseUnreachable,
    Overloaded,
    PeerClosed,
    PeerError,
    PeerRefused,
    PeerTimeout,
    PolicyConflict,
    PolicyInvalid,
    PolicyRowMissing,
    TableMissing,
)
from edgelake.interfaces import LogPosition
from edgelake.ledger import LocalLedger, Policy
from edgelake.services.jobs import Answer, Jobs, PendingJob
from edgelake.services.outbox import Outbox, Turn
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint, wire_code

__all__ = ["Courier", "drop_command", "forward_drop_command", "forward_push_command"]

_BUSY = {
    kind.code
    for kind in (
        *(DatabaseError, DatabaseUnknown, DatabaseUnreachable, TableMissing, Overloaded),
        # What a relay says that does not reach its master.
        *(PeerError, PeerTimeout, PeerRefused, PeerClosed),
    )
}
_STORED_SINCE = wire_code(PolicyConflict(""))
_ACKNOWLEDGED = re.compile(r"stored ([0-9]{1,18}) ([0-9a-f]{1,64}) ([0-9a-f]{64}) (.*)", re.DOTALL)
_DROPPED = re.compile(r"dropped [0-9]{1,18} [0-9a-f]{1,64} (.*)", re.DOTALL)
_PLAIN = re.compile(r"[\w.:-]+")


def drop_command(policy_id: str, seen: tuple[str, int] | None = None) -> str:
    """Return the command that removes a policy from a master; the id stays one word.

    With ``seen``, a place in its log, a master of our kind keeps what was stored later: the
    command may come late, or twice, when somebody has inserted a policy of that id again.
    """
    return f"blockchain drop policy where id = {_word(policy_id)}{_place(seen)}"


def forward_drop_command(
    host: str, relays: int, policy_id: str, seen: tuple[str, int] | None = None
) -> str:
    """Return the command that has a relay remove a policy for the node at ``host``.

    Parameters
    ----------
    relays : int
        How many relays may pass it on.
    seen : tuple of str and int or None
        As in `drop_command`.
    """
    return f"blockchain forward drop {host} {relays} where id = {_word(policy_id)}{_place(seen)}"


def forward_push_command(host: str, relays: int, line: str) -> str:
    """Return the command that has a relay store a policy's line; see `forward_drop_command`."""
    return f"blockchain forward push {host} {relays} {line}"


def _word(policy_id: str) -> str:
    if _PLAIN.fullmatch(policy_id):
        return policy_id
    quote = "'" if '"' in policy_id else '"'
    return f"{quote}{policy_id}{quote}"


def _place(seen: tuple[str, int] | None) -> str:
    return f" and epoch = {seen[0]} and sequence = {seen[1]}" if seen is not None else ""


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
        self._held = 0

    def close(self) -> None:
        """Await no answer any more."""
        with self._lock:
            asked, self._asked = self._asked, []
        for entry in asked:
            self._jobs.close(entry.job)
            entry.prove(done=False)

    def ask(
        self,
        tcp: TcpService,
        request: str,
        what: str,
        dropped: str | None = None,
        pushed: Policy | None = None,
        key: str = "",
    ) -> Future[bool]:
        """Send a request whose answer the next cycle reads.

        ``dropped`` is the id of a delete that the answer can finish, empty for another
        delete, ``pushed`` the policy that it can acknowledge or refuse. With ``key``, the
        id of the change, the returned future is done when the master has answered; else
        when the next node has taken the request.
        """
        job = self._jobs.open()
        proof: Future[bool] | None = Future() if key else None
        with self._lock:
            until_s = time.monotonic() + limits.LEDGER_ANSWER_WAIT_S
            self._asked.append(_Asked(job, what, dropped, pushed, until_s, key, proof))
        sent = tcp.request(self._master, request, job.header(0), attempts=1)
        if proof is None:
            return sent
        sent.add_done_callback(partial(_note_failure, job))
        return proof

    def pause_s(self) -> float | None:
        """Return after how many seconds to look again, ``None`` if nothing is under way.

        Longer and longer while the master, or a relay before it, takes nothing.
        """
        with self._lock:
            if any(entry.proof is not None for entry in self._asked):
                return limits.SYNC_FOLLOW_UP_S
        if not self._held:
            return None
        return min(limits.SYNC_FOLLOW_UP_S * 2.0 ** min(self._held, 16), limits.SYNC_BACKOFF_MAX_S)

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
        ends = [entry.job.answers.get(0) for entry in asked if entry.proof is not None]
        if ends:
            held = all(answer is None or answer.error in _BUSY for answer in ends)
            self._held = self._held + 1 if held else 0
        for entry in asked:
            answer = entry.job.answers.get(0)
            if entry.proof is not None:
                entry.prove(done=answer is not None and _proves(answer, entry))
            if answer is None or self._pushed(entry.pushed, answer) or answer.error == 0:
                continue
            if entry.dropped is not None and answer.error == _STORED_SINCE:
                continue  # stored since: sent again when the ledger here shows it
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

    def _pushed(self, policy: Policy | None, answer: Answer) -> bool:
        """Take the acknowledgement or refusal of a policy; return whether it was one."""
        if policy is None:
            return False
        reason = " ".join(answer.text.split())
        if answer.error == 0:
            told = _ACKNOWLEDGED.fullmatch(answer.text)
            # Who names the hash has read the policy, and is not guessing at jobs.
            if told is None or told[4] != policy.id or told[3] != _hash(policy):
                return False
            self.outbox.acknowledge(policy.id, LogPosition(told[2], int(told[1]), ""))
            return True
        if answer.error in _BUSY:
            return False
        if self.outbox.refuse(policy, reason, answer.error):
            self._refused(
                f"master {self._master} refused policy {policy.id}, error {answer.error}: {reason}",
                answer.error,
            )
        return True

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

        The master ignores what it has.

        Parameters
        ----------
        confirm : bool
            The master acknowledges what it has stored.
        relayed : bool
            What is sent reaches it over relays: that one of them has taken it says nothing.
        seen : tuple of str and int or None
            Epoch and number in its log of the ledger here.
        """
        host = tcp.source_for(self._master.host).host
        with self._lock:
            awaited = {entry.pushed.id for entry in self._asked if entry.pushed is not None}
            under_way = {entry.key for entry in self._asked if entry.key and not entry.pushed}
        for policy in turn.policies:
            if policy.id in awaited:
                continue
            try:
                line = policy.with_ledger("global").to_line()
            except PolicyInvalid as exc:
                self._refused(f"policy {policy.id} not sent: {exc}", exc.code)
                continue
            what = f"policy {policy.id}"
            if relayed:
                request = forward_push_command(host, limits.MAX_RELAYS, line)
                sent = self.ask(tcp, request, what, pushed=policy, key=policy.id)
            elif confirm:
                request = f"blockchain push confirm {line}"
                sent = self.ask(tcp, request, what, pushed=policy)
            else:
                sent = self.ask(tcp, f"blockchain push\tignore {line}", what)
            self.outbox.sent(policy, sent)
        # A delete that this cycle has ended could hit what somebody inserted since.
        waiting = {marker.id for marker in self._ledger.pending()[1]}
        for policy_id in turn.deletes:
            if policy_id not in waiting:
                continue
            last = policy_id if policy_id in turn.delivered else ""
            what = f"the delete of {policy_id}"
            if not relayed:
                request = drop_command(policy_id, seen if confirm else None)
                self.outbox.sent(policy_id, self.ask(tcp, request, what, last))
            elif policy_id not in under_way:
                request = forward_drop_command(host, limits.MAX_RELAYS, policy_id, seen)
                self.outbox.sent(policy_id, self.ask(tcp, request, what, last, key=policy_id))

    # ------------------------------------------------------------- taking


@dataclass(frozen=True, slots=True)
class _Asked:
    """A message whose refusal is awaited; ``dropped`` names the delete it can finish, if any."""

    job: PendingJob
    what: str
    dropped: str | None
    pushed: Policy | None
    until_s: float
    key: str
    proof: Future[bool] | None

    def awaited(self, now_s: float) -> bool:
        """Return whether an acknowledgement may still come; an old master sends none."""
        wanted = self.pushed is not None or self.proof is not None
        ended = self.job.answers or (self.proof is not None and self.job.failures)
        return wanted and now_s < self.until_s and not ended

    def prove(self, *, done: bool) -> None:
        """Say whether the master has done it, as far as will ever be known."""
        if self.proof is None or self.proof.done():
            return
        if done:
            self.proof.set_result(True)
        else:
            self.proof.set_exception(PeerTimeout(f"the master did not answer for {self.what}"))


def _note_failure(job: PendingJob, sent: Future[bool]) -> None:
    error = sent.exception()
    if error is not None:
        job.fail(0, error)


def _proves(answer: Answer, entry: _Asked) -> bool:
    """Return whether an answer shows that the master has done what it was asked for."""
    if entry.pushed is not None:
        return answer.error == 0 and _ACKNOWLEDGED.fullmatch(answer.text) is not None
    if answer.error:
        return answer.error == PolicyRowMissing.code
    told = _DROPPED.fullmatch(answer.text)
    return told is not None and told[1] == entry.key


def _hash(policy: Policy) -> str:
    return hashlib.sha256(policy.with_ledger("global").text.encode()).hexdigest()
