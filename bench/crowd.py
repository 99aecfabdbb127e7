"""Followers in numbers: sessions with a master, all played by one loop in this process.

A thousand nodes do not fit on the machine that measures them. To the master the difference
cannot be seen: each has an address and a session of its own, asks as a node asks, and
is told of changes as a node is. What a node does with an answer is not played.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.child import DEADLINE_S, allow_descriptors
from edgelake.wire import Job, request_blocks
from tests.sessions import ACCEPT, BLOCK, MESSAGE, OFFER, TRACKED, kind_of, marked, offering

__all__ = ["Arrival", "Crowd", "Member", "running_crowd"]

_RECEIVE_BYTES = 256 * 1024
_PER_NETWORK = 250
"""Members with the first three numbers of an IP address in common; each has its own address,
as nodes have: a server bounds what one address causes."""
_PORT = 10_000
_HEADER_BYTES = 207
_LAST_FLAG = 35


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message that a member received.

    Attributes
    ----------
    at_s : float
        Of the clock `time.perf_counter`.
    text : bytes
        Command and data of its first block.
    text_bytes : int
        Command and data of all of its blocks; the command counts once.
    blocks : int
        2,048 bytes each.
    """

    at_s: float
    text: bytes
    text_bytes: int
    blocks: int


@dataclass(slots=True, eq=False)
class Member:
    """One session."""

    line: socket.socket
    source: tuple[str, int]
    part: bytearray = field(default_factory=bytearray)
    first: bytes = b""
    size: int = 0
    blocks: int = 0

    def ask(self, command: str) -> int:
        """Send a request; return the bytes of its text."""
        self.line.sendall(marked(request_blocks(command, *self.source, Job(1, 1))))
        return len(command.encode())


class Crowd:
    """Sessions with one master. Not thread-safe.

    Parameters
    ----------
    port : int
        Of the master, on 127.0.0.1.
    count : int
        How many, at least 1.
    first : str
        What each asks when it opens its session; its answers are thrown away.
    """

    def __init__(self, port: int, count: int, first: str) -> None:
        allow_descriptors()
        self.members: list[Member] = []
        self._poll = select.epoll()
        self._by_number: dict[int, Member] = {}
        try:
            for number in range(count):
                member = _open(("127.0.0.1", port), number, first)
                self.members.append(member)
                self._by_number[member.line.fileno()] = member
                self._poll.register(member.line, select.EPOLLIN)
        except BaseException:
            self.close()
            raise
        done = set[Member]()
        self.receive(lambda member, _arrival: done.add(member), lambda: len(done) == count)

    def close(self) -> None:
        """End all sessions."""
        for member in self.members:
            member.line.close()
        self._poll.close()

    def receive(
        self,
        take: Callable[[Member, Arrival], object],
        done: Callable[[], bool],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Take messages as they come until ``done``.

        Raises
        ------
        RuntimeError
            Not in time, or the master ended a session.
        """
        end = time.monotonic() + deadline_s
        while not done():
            ready = self._poll.poll(1.0)
            for number, _ in ready:
                member = self._by_number[number]
                for arrival in _arrivals(member):
                    take(member, arrival)
            if not ready and time.monotonic() > end:
                raise RuntimeError(f"no answer of the master in {deadline_s:g} s")

    def ask_all(
        self, command: str, members: Sequence[Member] | None = None, deadline_s: float = DEADLINE_S
    ) -> dict[Member, Arrival]:
        """Ask the same from all at once; return the answer that each got."""
        asking = self.members if members is None else members
        found: dict[Member, Arrival] = {}

        def take(member: Member, arrival: Arrival) -> None:
            if arrival.text.startswith((b"print", b"echo")):
                found[member] = arrival

        for member in asking:
            member.ask(command)
        self.receive(take, lambda: len(found) == len(asking), deadline_s)
        return found


@contextmanager
def running_crowd(port: int, count: int, first: str = "event metadata_ping") -> Iterator[Crowd]:
    """Keep sessions with a master for the time of the block."""
    crowd = Crowd(port, count, first)
    try:
        yield crowd
    finally:
        crowd.close()


def _open(to: tuple[str, int], number: int, first: str) -> Member:
    host = f"127.0.{1 + number // _PER_NETWORK}.{1 + number % _PER_NETWORK}"
    source = (host, _PORT)
    line = socket.socket()
    try:
        line.settimeout(DEADLINE_S)
        line.bind((host, 0))
        line.connect(to)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(offering(request_blocks(first, *source, Job(1, 1)), to))
        block = line.recv(BLOCK, socket.MSG_WAITALL)
        if len(block) != BLOCK or kind_of(block) != ACCEPT:
            raise RuntimeError("the master accepted no session")
    except BaseException:
        line.close()
        raise
    return Member(line, source)


def _arrivals(member: Member) -> Iterator[Arrival]:
    """Read once, and give the messages that are whole now."""
    data = member.line.recv(_RECEIVE_BYTES)
    if not data:
        raise RuntimeError("the master ended a session")
    if member.part:
        member.part += data
        data = bytes(member.part)
        member.part.clear()
    whole = len(data) - len(data) % BLOCK
    for at in range(0, whole, BLOCK):
        if not member.blocks and kind_of(data[at : at + 18]) not in (MESSAGE, OFFER, TRACKED):
            continue
        command = int.from_bytes(data[at + 39 : at + 41], "big")
        size = int.from_bytes(data[at + 43 : at + 47], "big")
        if member.blocks:
            size -= command
        else:
            member.first = data[at + _HEADER_BYTES : at + _HEADER_BYTES + size]
        member.size += size
        member.blocks += 1
        if data[at + _LAST_FLAG] == 1:
            yield Arrival(time.perf_counter(), member.first, member.size, member.blocks)
            member.first, member.size, member.blocks = b"", 0, 0
    member.part += data[whole:]
