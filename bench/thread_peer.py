"""A peer of the server under test: a model of a node that serves with a pool of threads.

``python -m bench.thread_peer`` prints its port and serves until its standard
input closes. One thread accepts and puts connections into a queue; six threads
take them, receive a block, read its header in Python, split the command into
words, and close. It is a model: a real node of this kind also parses the command
by its language, runs it, writes its log, and answers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import socket
import struct
import sys
import threading
from contextlib import suppress

from edgelake.limits import BLOCK_BYTES, HEADER_BYTES

_THREADS = 6
_BACKLOG = 4096
_HEADER = struct.Struct(">16sHQIIBBBHHHIHBHIHHHHIIB128sIH")
"""The header of ``docs/protocol.md``, field by field."""

assert _HEADER.size == HEADER_BYTES


def _receive_block(peer: socket.socket) -> bytes:
    block = b""
    while len(block) < BLOCK_BYTES:
        received = peer.recv(BLOCK_BYTES - len(block))
        if not received:
            break
        block += received
    return block


def _words(block: bytes) -> list[str]:
    """Return the words of the command in a block."""
    fields = _HEADER.unpack_from(block)
    command_length, address_length, address = fields[9], fields[22], fields[23]
    address[:address_length].decode()
    return block[HEADER_BYTES : HEADER_BYTES + command_length].decode().split()


def main() -> int:
    """Serve until standard input ends; the exit status of the process."""
    argparse.ArgumentParser(prog="bench.thread_peer", description=__doc__).parse_args()
    handled = itertools.count()  # next() is atomic
    connections: queue.SimpleQueue[socket.socket | None] = queue.SimpleQueue()

    def work() -> None:
        while (peer := connections.get()) is not None:
            with peer:
                block = _receive_block(peer)
                if len(block) == BLOCK_BYTES and _words(block):
                    next(handled)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                connections.put(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        threads = [threading.Thread(target=work) for _ in range(_THREADS)]
        acceptor = threading.Thread(target=accept, args=(listener,))
        for thread in [*threads, acceptor]:
            thread.start()
        print(listener.getsockname()[1], flush=True)
        sys.stdin.buffer.read()
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
    for _ in threads:
        connections.put(None)
    for thread in threads:
        thread.join()
    print(json.dumps({"messages": next(handled)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
