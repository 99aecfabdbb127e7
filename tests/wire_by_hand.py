"""A network whose messages wait until somebody delivers them: in any order, twice, late or never.

The nodes are whole ones, with their files and databases, and what they say are
the blocks that would be sent; only sockets and threads are left out, so that a
test can decide what arrives when, thousands of times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgelake import Node
from edgelake.commands.incoming import PeerMessages
from edgelake.errors import PeerRefused
from edgelake.ledger import DeleteMarker, Policy
from edgelake.services.master_source import MasterSource
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpOptions, TcpService
from edgelake.wire import (
    Assembler,
    Endpoint,
    Message,
    command_text,
    reply_blocks,
    reply_destination,
)

HOST = "127.0.0.1"
PATIENCE_S = 15.0


@dataclass
class Letter:
    """One message under way."""

    to: Endpoint
    blocks: bytes
    sent: Future[bool] | None = None

    @property
    def message(self) -> Message:
        """What its blocks say."""
        (found,) = Assembler().feed(self.blocks)
        return found

    @property
    def text(self) -> str:
        """Its command."""
        return command_text(self.message)


class Wire:
    """All nodes, by their addresses, and every message that is under way.

    Attributes
    ----------
    letters : list of Letter
        In the order in which they were written.
    ask : callable
        Decides about a question whose sender waits for the answer.
    """

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.handlers: dict[Endpoint, Callable[[Message], Any]] = {}
        self.ask: Callable[[Letter], None] = self.answer

    # ------------------------------------------------------------- nodes

    def join(self, node: Node, port: int) -> Endpoint:
        """Let a node listen at an address of this network."""
        place = Endpoint(HOST, port)
        handler = PeerMessages(node._parts, node._interpreter)
        node._parts.services.start(_Line(self, place, handler))
        self.handlers[place] = handler
        return place

    def leave(self, place: Endpoint) -> None:
        """Have nobody listen at an address."""
        self.handlers.pop(place, None)

    # ---------------------------------------------------------- delivery

    def post(self, letter: Letter, *, asks: bool) -> None:
        """Take a message; one whose sender waits is decided about at once."""
        if letter.to not in self.handlers:
            self.lose(letter)
        elif asks:
            self.ask(letter)
        else:
            self.letters.append(letter)
            # Who only wants it written waits for that, and for nothing else.
            if letter.sent is not None and letter.text.startswith("event"):
                letter.sent.set_result(True)

    def deliver(self, number: int, *, keep: bool = False) -> None:
        """Hand over one of the messages; ``keep`` it to be handed over again."""
        letter = self.letters[number] if keep else self.letters.pop(number)
        if letter.to not in self.handlers:
            self.lose(letter)
            return
        self.letters += self.hand_over(letter)
        if letter.sent is not None and not letter.sent.done():
            letter.sent.set_result(True)

    def hand_over(self, letter: Letter) -> list[Letter]:
        """Let the receiver act on a message; return its answer, if there is one."""
        message = letter.message
        reply = self.handlers[letter.to](message)
        back = reply_destination(message)
        if isinstance(reply, Future):
            reply = reply.result(PATIENCE_S)
        if reply is None or back is None:
            return []
        return [Letter(back, reply_blocks(message, reply, letter.to.host, letter.to.port))]

    def answer(self, letter: Letter) -> None:
        """Hand a question over, and its answer."""
        for answer in self.hand_over(letter):
            self.handlers[answer.to](answer.message)
        assert letter.sent is not None
        letter.sent.set_result(True)

    def lose(self, letter: Letter) -> None:
        """Forget a message; its sender may learn it."""
        if letter.sent is not None and not letter.sent.done():
            letter.sent.set_exception(PeerRefused(f"nobody is at {letter.to}"))


class _Sender:
    """Stands where a node has its `MessageSender`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def send(self, to: Endpoint, blocks: bytes, *, asks: bool = False, **_: object) -> Future[bool]:
        sent: Future[bool] = Future()
        self._wire.post(Letter(to, blocks, sent), asks=asks)
        return sent

    def reply(self, to: Endpoint, blocks: bytes, peer_ip: str, session: int = 0) -> None:
        self._wire.post(Letter(to, blocks), asks=False)

    def require_room(self, peer_ip: str, size: int) -> None:
        """There is always room."""

    def session_to(self, to: Endpoint) -> int:
        """Return a session that never ends: answers are late, and come."""
        return 1


class _Line(TcpService):
    """The TCP service of a node whose messages are carried by hand."""

    def __init__(self, wire: Wire, place: Endpoint, handler: PeerMessages) -> None:
        super().__init__(TcpOptions(place, place, True, 1), handler)
        self._wire = wire

    def _start(self) -> None:
        self._sender = _Sender(self._wire)  # type: ignore[assignment]

    def tell(self, command: str, peers: Iterable[tuple[Endpoint, str, int]]) -> int:
        """Tell nobody of changes: the test decides who asks when."""
        return 0

    def _stop(self, timeout_s: float) -> bool:
        self._wire.leave(self.options.external)
        self._sender = None
        return True


class _Cycles(Synchronizer):
    """A synchronizer whose cycles a test runs."""

    def _start(self) -> None:
        self.source.open(self)

    def _stop(self, timeout_s: float) -> bool:
        self.source.close()
        return True


class Followed:
    """A node that follows a master; its cycles are run by the test.

    Attributes
    ----------
    node : Node
    source : MasterSource
    """

    def __init__(self, home: Path, wire: Wire, port: int, master: Endpoint) -> None:
        self.node = Node(home)
        self.place = wire.join(self.node, port)
        self.follow(master)

    def follow(self, master: Endpoint) -> None:
        """Follow a master from now on, and no other."""
        parts = self.node._parts
        if parts.services.runs(Synchronizer.name):
            parts.services.stop(Synchronizer.name)
        self.source = MasterSource(parts.ledger, None, master, parts.tcp, parts.jobs, parts.relay)
        parts.services.start(_Cycles(self.source, 1.0))

    def pending(self) -> tuple[tuple[Policy, ...], tuple[DeleteMarker, ...]]:
        """Return what waits for the master."""
        return self.node._parts.ledger.pending()

    def close(self) -> None:
        """End the node."""
        self.node.close()
