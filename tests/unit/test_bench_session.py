"""The session client of the load generator, against a small stand-in for a server."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bench.build import FLAGS, NATIVE_DIR, compiler
from bench.load import Hold, holding
from edgelake.limits import BLOCK_BYTES
from tests.unit.bench_programs import load, programs, receive_block, serving

MESSAGE, OFFER, ACCEPT, ACKNOWLEDGE, LEAVE = range(5)
MASK = 2**64 - 1


def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4, written from its paper, slow and plain."""

    def rotate(word: int, bits: int) -> int:
        return (word << bits | word >> (64 - bits)) & MASK

    def rounds(count: int) -> None:
        a, b, c, d = state
        for _ in range(count):
            a, c = (a + b) & MASK, (c + d) & MASK
            b, d = rotate(b, 13) ^ a, rotate(d, 16) ^ c
            a = rotate(a, 32)
            c, a = (c + b) & MASK, (a + d) & MASK
            b, d = rotate(b, 17) ^ c, rotate(d, 21) ^ a
            c = rotate(c, 32)
        state[:] = a, b, c, d

    low, high = struct.unpack("<QQ", key)
    text = b"somepseudorandomlygeneratedbytes"
    state = [
        word ^ int.from_bytes(text[8 * n : 8 * n + 8], "big")
        for n, word in enumerate((low, high, low, high))
    ]
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        state[3] ^= word
        rounds(2)
        state[0] ^= word
    state[2] ^= 255
    rounds(4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


KEY, TEXT = bytes(range(16)), bytes(range(15))


def test_siphash_of_the_tests_gives_the_vector_of_its_paper() -> None:
    assert siphash(KEY, TEXT) == 0xA129CA6149BE45E5


def test_siphash_in_c_is_the_same(tmp_path: Path) -> None:
    source = tmp_path / "check.c"
    source.write_text(
        '#include "siphash.h"\n'
        "#include <stdio.h>\n"
        "int main(void)\n"
        "{\n"
        "    unsigned char bytes[64];\n"
        "    for (int i = 0; i < 64; i++)\n"
        "        bytes[i] = (unsigned char)i;\n"
        "    for (size_t count = 0; count <= 64; count++)\n"
        '        printf("%016llx\\n", (unsigned long long)siphash(bytes, bytes, count));\n'
        "    return 0;\n"
        "}\n"
    )
    program = tmp_path / "check"
    command = [*compiler(), *FLAGS, f"-I{NATIVE_DIR}", "-o", str(program), str(source)]
    subprocess.run(command, check=True, timeout=60.0)
    found = subprocess.run([program], capture_output=True, check=True, timeout=10.0, text=True)
    expected = [f"{siphash(KEY, bytes(range(count))):016x}" for count in range(65)]
    assert found.stdout.split() == expected


def tag(block: bytes, kind: int, port: int) -> bytes:
    """The tag that fits the source in a block and a destination on 127.0.0.1."""
    length = block[72]
    source = block[72 : 73 + length] + block[201:205]
    bound = bytes([kind]) + source + socket.inet_aton("127.0.0.1") + port.to_bytes(2, "big")
    return siphash(block[:8] + b"EdgeLake", bound).to_bytes(8, "little")


def control(kind: int, received: int, announcement: bytes = bytes(16)) -> bytes:
    block = bytearray(BLOCK_BYTES)
    block[:16] = announcement
    block[16:18] = kind.to_bytes(2, "big")
    block[18:26] = received.to_bytes(8, "big")
    block[33], block[35], block[40], block[46] = 1, 1, 7, 7
    block[207:214] = b"session"
    return bytes(block)


class StandIn:
    """A server of sessions: checks what it gets, answers every request with one block.

    Parameters
    ----------
    blocks : int
        Of a request.
    batch : int
        So many requests are collected, and answered from the last to the first.
    """

    def __init__(self, blocks: int = 1, batch: int = 1) -> None:
        self.blocks = blocks
        self.batch = batch
        self.requests = 0
        self.left = 0
        self.acknowledged = 0
        self._alone = threading.Lock()

    def __call__(self, peer: socket.socket) -> None:
        # A client that was left connects again, at once: what is kept here is of one connection.
        with self._alone:
            self._serve(peer)

    def _serve(self, peer: socket.socket) -> None:
        port = peer.getsockname()[1]
        self.peer, self.received, self.sent = peer, 0, 0
        first = self.read_message()
        assert first[16:18] == OFFER.to_bytes(2, "big")
        assert first[:8] != bytes(8)
        assert first[8:16] == tag(first, OFFER, port)
        assert 1 <= int.from_bytes(first[201:205], "big") <= 65535
        self.accept(first, port)
        self.answer([first])
        waiting: list[bytes] = []
        while block := self.read_message():
            kind = int.from_bytes(block[16:18], "big")
            assert block[:16] == bytes(16)
            assert int.from_bytes(block[18:26], "big") <= self.sent
            self.acknowledged = int.from_bytes(block[18:26], "big")
            if kind == LEAVE:
                self.left += 1
                return
            if kind == MESSAGE:
                waiting.append(block)
            if len(waiting) == self.batch:
                self.answer(waiting[::-1])
                waiting.clear()

    def accept(self, offer: bytes, port: int) -> None:
        self.peer.sendall(control(ACCEPT, 1, offer[:8] + tag(offer, ACCEPT, port)))

    def read_message(self) -> bytes:
        """The first block of the next message."""
        first = receive_block(self.peer)
        if first and first[207:214] != b"session":
            blocks = [first, *(receive_block(self.peer) for _ in range(self.blocks - 1))]
            counters = [int.from_bytes(block[30:34], "big") for block in blocks]
            assert counters == list(range(1, self.blocks + 1))
            assert [block[35] for block in blocks] == [0] * (self.blocks - 1) + [1]
            assert len({block[18:26] for block in blocks}) == 1
            self.received += 1
            self.requests += 1
        return first

    def answer(self, requests: list[bytes]) -> None:
        for request in requests:
            block = bytearray(control(MESSAGE, self.received))
            block[50:56] = request[50:56]  # job location and job id
            block[207:214] = b"print\0\0"
            self.sent += 1
            # An acknowledge in between is no reply.
            self.peer.sendall(control(ACKNOWLEDGE, self.received) + block)


@pytest.mark.parametrize(
    ("blocks", "batch", "arguments"),
    [
        (1, 1, ["--messages=50"]),
        (4, 1, ["--messages=20", "--depth=3"]),
        (1, 4, ["--messages=41", "--depth=4"]),  # the first one alone, then fours
    ],
)
def test_every_request_is_answered_and_the_session_is_left(
    blocks: int, batch: int, arguments: list[str]
) -> None:
    server = StandIn(blocks, batch)
    with serving(server) as port:
        found = load(port, "--session", "--command=get status", f"--blocks={blocks}", *arguments)
    assert (found["errors"], found["first_error"]) == (0, None)
    assert found["messages"] == server.requests == int(arguments[0].partition("=")[2])
    assert (server.left, server.acknowledged) == (1, server.requests)


def test_a_quiet_client_acknowledges() -> None:
    server = StandIn()
    with serving(server) as port:
        # A reply every 100 ms: the count must not wait for the next request.
        found = load(port, "--session", "--rate=10", "--messages=4")
    assert (found["messages"], found["errors"]) == (4, 0)


def refuse(peer: socket.socket) -> None:
    receive_block(peer)


def accept_somebody_else(peer: socket.socket) -> None:
    offer = receive_block(peer)
    peer.sendall(control(ACCEPT, 1, offer[:8] + bytes(8)))
    receive_block(peer)


def echo(peer: socket.socket) -> None:
    peer.sendall(receive_block(peer))
    receive_block(peer)


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (refuse, "no session: the server closed"),
        (accept_somebody_else, "receive: the offer was not accepted"),
        (echo, "receive: the offer was not accepted"),
    ],
)
def test_an_offer_that_is_not_accepted_is_an_error(
    handle: Callable[[socket.socket], None], error: str
) -> None:
    with serving(handle) as port:
        found = load(port, "--session", "--messages=1")
    assert (found["messages"], found["errors"], found["first_error"]) == (0, 1, error)


def test_a_reply_to_nobody_is_an_error() -> None:
    class Wrong(StandIn):
        def answer(self, requests: list[bytes]) -> None:
            super().answer([bytes(50) + b"\0\0\0\0\7\7" + bytes(1992) for _ in requests])

        def read_message(self) -> bytes:
            try:
                return super().read_message()
            except ConnectionResetError:  # the client has seen it
                return b""

    with serving(Wrong()) as port:
        found = load(port, "--session", "--messages=1")
    assert (found["errors"], found["first_error"]) == (
        1,
        "receive: a reply that nobody waits for",
    )


def test_a_server_that_leaves_gets_no_more_requests() -> None:
    class Leaving(StandIn):
        def answer(self, requests: list[bytes]) -> None:
            super().answer(requests)
            self.peer.sendall(control(LEAVE, self.received))

    server = Leaving()
    with serving(server) as port:
        found = load(port, "--session", "--messages=1000", "--seconds=0.2")
    assert found["messages"] == server.requests > 0
    assert found["first_error"] == "receive: the server ended the session"


def test_a_slow_reader_stops_what_the_server_sends() -> None:
    stuck = threading.Event()

    class Impatient(StandIn):
        def answer(self, requests: list[bytes]) -> None:
            self.peer.settimeout(0.2)
            super().answer(requests)
            self.peer.settimeout(30.0)

    def handle(peer: socket.socket) -> None:
        with suppress(ConnectionResetError):  # how a held connection ends
            try:
                Impatient()(peer)
            except TimeoutError:
                stuck.set()
                peer.settimeout(30.0)
                while peer.recv(65536):
                    pass

    with serving(handle) as port, holding(port, Hold("slow", 2), programs()["hold"]):
        assert stuck.wait(30.0)
