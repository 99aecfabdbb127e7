"""Sessions from outside: their marks computed anew, and one side played by hand.

Source: ``docs/protocol.md``, "Sessions".
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgelake.wire import Job, request_blocks

HOST = "127.0.0.1"
BLOCK = 2048
PATIENCE_S = 15.0
MESSAGE, OFFER, ACCEPT, ACKNOWLEDGE, LEAVE, TRACKED = range(6)
Place = tuple[str, int]
_WORD = 2**64 - 1


def siphash(key: bytes, text: bytes) -> int:
    """Return SipHash-2-4 of a text under a key of 16 bytes."""
    low, high = (int.from_bytes(key[at : at + 8], "little") for at in (0, 8))
    begin = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    a, b, c, d = (word ^ part for word, part in zip(begin, (low, high) * 2, strict=True))

    def turn(word: int, bits: int) -> int:
        return (word << bits | word >> 64 - bits) & _WORD

    def rounds(number: int) -> None:
        nonlocal a, b, c, d
        for _ in range(number):
            a, c = (a + b) & _WORD, (c + d) & _WORD
            b, d = turn(b, 13) ^ a, turn(d, 16) ^ c
            a = turn(a, 32)
            c, a = (c + b) & _WORD, (a + d) & _WORD
            b, d = turn(b, 17) ^ c, turn(d, 21) ^ a
            c = turn(c, 32)

    padded = text + bytes(-(len(text) + 1) % 8) + bytes([len(text) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        d ^= word
        rounds(2)
        a ^= word
    c ^= 0xFF
    rounds(4)
    return a ^ b ^ c ^ d


def tag(kind: int, nonce: bytes, block: bytes, to: Place) -> bytes:
    """Return the tag of an announcement for a block's source and a destination."""
    text = bytes([kind]) + block[72:73] + block[73 : 73 + block[72]] + block[201:205]
    text += socket.inet_aton(to[0]) + to[1].to_bytes(2, "big")
    return siphash(nonce + b"EdgeLake", text).to_bytes(8, "little")


def offering(blocks: bytes, to: Place, nonce: bytes = b"\x01" * 8) -> bytes:
    """Return a message with the offer of a session in its first block."""
    return nonce + tag(OFFER, nonce, blocks, to) + OFFER.to_bytes(2, "big") + blocks[18:]


def control(kind: int, told: int = 0, mark: bytes = bytes(16)) -> bytes:
    """Return a control block."""
    block = bytearray(BLOCK)
    block[0:26] = mark + kind.to_bytes(2, "big") + told.to_bytes(8, "big")
    block[30:34] = (1).to_bytes(4, "big")
    block[35] = 1
    block[39:41] = (7).to_bytes(2, "big")
    block[43:47] = (7).to_bytes(4, "big")
    block[207:214] = b"session"
    return bytes(block)


def accepting(offer: bytes, to: Place, told: int = 0) -> bytes:
    """Return the block that accepts an offer."""
    return control(ACCEPT, told, offer[:8] + tag(ACCEPT, offer[:8], offer, to))


def kind_of(block: bytes) -> int:
    """Return the header field by which blocks of a session differ."""
    return int.from_bytes(block[16:18], "big")


def told_by(block: bytes) -> int:
    """Return how many messages the sender of a block had received."""
    return int.from_bytes(block[18:26], "big")


def marked(blocks: bytes, kind: int = MESSAGE, told: int = 0) -> bytes:
    """Return a message as it travels inside a session."""
    return bytes(16) + kind.to_bytes(2, "big") + told.to_bytes(8, "big") + blocks[26:]


def request(command: str, job: int = 0, source: Place = (HOST, 9)) -> bytes:
    """Return a request; nothing listens at its usual source address."""
    return request_blocks(command, *source, Job(number=job))


class Line:
    """One end of a connection, played by hand."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = 0

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def block(self) -> bytes:
        """Return the next block; empty when the other side has closed."""
        found = b""
        while len(found) < BLOCK:
            try:
                piece = self.socket.recv(BLOCK - len(found))
            except ConnectionResetError:
                piece = b""
            if not piece:
                assert not found, "the connection ended inside a block"
                return b""
            found += piece
        return found

    def message(self) -> bytes:
        """Return the next message, empty at the end; control blocks are left out."""
        found = b""
        while block := self.block():
            if found or kind_of(block) in (MESSAGE, OFFER, TRACKED):
                found += block
                if block[35] == 1:
                    self.received += 1
                    return found
        assert not found, "the connection ended inside a message"
        return b""

    def control(self, kind: int) -> bytes:
        """Return the next block, which must be of that kind."""
        block = self.block()
        assert block, "the connection ended"
        assert kind_of(block) == kind
        return block

    def reset(self) -> None:
        """Close so that the other side gets a reset."""
        linger = (1).to_bytes(4, "little") + bytes(4)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()


def open_session(
    to: Place, first: bytes | None = None, *, host: str = HOST, receive_bytes: int = 0
) -> Line:
    """Open a session to a server and return it, accepted; the first message is a request."""
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.bind((host, 0))
    connection.settimeout(PATIENCE_S)
    connection.connect(to)
    line = Line(connection)
    offer = offering(first or request("print first"), to)
    line.send(offer)
    accept = line.control(ACCEPT)
    assert accept[:16] == offer[:8] + tag(ACCEPT, offer[:8], offer, to)
    assert told_by(accept) == 0
    return line


@contextmanager
def listening() -> Iterator[tuple[Place, Callable[[], Line]]]:
    """Listen; gives the address and a function that accepts the next connection."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE_S)
        yield listener.getsockname(), lambda: Line(listener.accept()[0])


def pattern(length: int) -> bytes:
    """Return bytes that differ from place to place."""
    return (bytes(range(32, 127)) * (length // 95 + 1))[:length]


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
