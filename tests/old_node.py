"""An existing node of the network, played from the specification and from recorded traffic.

It does on the wire what existing nodes do: a connection per message and a fixed
number of workers that block; each block is executed as it comes; the answer is
built in the buffer that held the request, on a new connection; nothing is ever
written to a connection it accepted. What it does not set in a header, and the
bytes behind the used part of a block, are left over from what the buffer held
before, whoever that was from.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

BLOCK = 2048
HEADER = 207
WORKERS = 6
PATIENCE_S = 15.0


def _number(block: bytes | bytearray, offset: int, size: int) -> int:
    return int.from_bytes(block[offset : offset + size], "big")


def _put(block: bytearray, offset: int, size: int, value: int) -> None:
    block[offset : offset + size] = value.to_bytes(size, "big")


def command_of(block: bytes | bytearray) -> str:
    """Return the command segment of a block."""
    return bytes(block[HEADER : HEADER + _number(block, 39, 2)]).decode()


def data_of(block: bytes | bytearray) -> bytes:
    """Return the data segment of a block."""
    begin = HEADER + _number(block, 39, 2) + _number(block, 41, 2)
    return bytes(block[begin : HEADER + _number(block, 43, 4)])


def source_of(block: bytes | bytearray) -> tuple[str, int]:
    """Return the address that a header names."""
    return bytes(block[73 : 73 + block[72]]).decode(), _number(block, 201, 4)


def announces(block: bytes | bytearray) -> bool:
    """Return whether a block carries anything where offers of a session are."""
    return any(block[0:26])


@dataclass
class Heard:
    """What one accepted connection brought."""

    blocks: list[bytes] = field(default_factory=list)

    @property
    def command(self) -> str:
        """Command of the first block."""
        return command_of(self.blocks[0])

    @property
    def data(self) -> bytes:
        """Data of all blocks."""
        return b"".join(map(data_of, self.blocks))


class OldNode:
    """Listens on a loopback address, and answers as existing nodes do.

    Parameters
    ----------
    host : str
        Address in 127/8.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._listener = socket.create_server((host, 0), backlog=5)
        self.host, self.port = self._listener.getsockname()
        self.address = f"{self.host}:{self.port}"
        self.variables: dict[str, str] = {}
        self.ledger = b"\n"
        self.heard: list[Heard] = []
        self.notices: list[str] = []
        self.errors: list[tuple[int, str]] = []
        self.executed: list[str] = []
        self.files: dict[str, bytes] = {}
        self.answers: dict[int, str] = {}
        self._console = bytearray(BLOCK)
        self._counter = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"old-{n}", daemon=True)
            for n in range(WORKERS)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop listening, and wait for the workers."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    # ------------------------------------------------------------- console

    def run_client(self, address: str, command: str, job_id: int = 0) -> None:
        """Send a command; its answer comes as a message of its own."""
        self.say(self._console, address, command, job_id=job_id)

    def say(
        self, buffer: bytearray, address: str, command: str, data: bytes = b"", job_id: int = 0
    ) -> None:
        """Send a request from a buffer that may have held anything before."""
        _put(buffer, 50, 2, 0)
        _put(buffer, 52, 4, job_id)
        _put(buffer, 56, 2, 1)
        _put(buffer, 58, 2, 0)
        _put(buffer, 60, 2, 1)
        self._send(buffer, address, command.replace("  ", "\t\t"), data, info_type=6)

    def left_over(self, command: str) -> bytearray:
        """Return a buffer as it was after a message with that command came."""
        return bytearray(next(h.blocks[0] for h in self.heard if h.command == command))

    # -------------------------------------------------------------- workers

    def _work(self) -> None:
        buffer = bytearray(BLOCK)  # for the life of the worker
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE_S)
                self._read(connection, peer[0], buffer)

    def _read(self, connection: socket.socket, peer: str, buffer: bytearray) -> None:
        heard = Heard()
        expected = 1
        while True:
            view, got = memoryview(buffer), 0
            while got < BLOCK:
                try:
                    part = connection.recv_into(view[got:])
                except OSError:
                    part = 0
                if not part:
                    return
                got += part
            if _number(buffer, 30, 4) != expected:
                return
            heard.blocks.append(bytes(buffer))
            last = buffer[35] == 1
            if last:
                self.heard.append(heard)
            host, port = source_of(buffer)
            self._execute(buffer, f"{peer if host == '0.0.0.0' else host or peer}:{port}", heard)
            if last:
                connection.shutdown(socket.SHUT_WR)
                return
            expected += 1

    def _execute(self, buffer: bytearray, asker: str, heard: Heard) -> None:
        """Run the command of one block; answers leave from the very buffer."""
        command = command_of(buffer)
        words = command.replace("\t", " ").split(" ")
        last, job_id, error = buffer[35] == 1, _number(buffer, 52, 4), _number(buffer, 37, 2)
        if words[0] in ("print", "echo"):
            if last:
                text = (command[len(words[0]) + 1 :].replace("\t", " ") or "") + heard.data.decode()
                if error:
                    self.errors.append((error, text))
                elif job_id:
                    self.answers[job_id] = text
                else:
                    self.notices.append(text)
        elif words[:2] == ["file", "write"]:
            if last:
                flag = _number(buffer, 205, 2)
                if flag == 3:
                    self.executed.append(heard.data.decode())  # as if typed here: no answer
                else:
                    self._store(" ".join(words[2:]), flag, heard.data)
        elif words[:2] == ["file", "get"]:
            # Blanks separate words, and a TAB is a blank inside one.
            self._give(buffer, asker, *(w.replace("\t", " ") for w in command.split(" ")[2:]))
        elif words[0] == "get":
            self._get(buffer, asker, words)
        elif words[:2] == ["event", "metadata_ping"]:
            self._send(buffer, asker, "event metadata_pong", info_type=6)
        elif words[:2] == ["event", "metadata_pong"]:
            self.notices.append("metadata_pong")
        elif words[:2] == ["event", "get_blockchain"]:
            self._serve_ledger(buffer, asker, words)
        elif words[0] == "sql":
            self._rows(buffer, asker)
        elif words[0] == "blockchain":
            self._change(buffer, asker, command)
        elif words[0] not in ("event", "job"):
            self._send(buffer, asker, f"echo Command '{command}' not recoginzed", error=1)

    def _store(self, name: str, flag: int, data: bytes) -> None:
        """Keep a file that came."""
        self.files[name] = data

    def _change(self, buffer: bytearray, asker: str, command: str) -> None:
        """Do as told with the ledger; success is silent."""
        self.executed.append(command)

    def _get(self, buffer: bytearray, asker: str, words: list[str]) -> None:
        if words[1] == "status":
            self._print(buffer, asker, f"AnyLog@{self.address} running")
        elif words[1].startswith("!"):
            self._print(buffer, asker, self.variables.get(words[1][1:], ""))
        else:
            self._send(buffer, asker, "echo", b"Failed to execute command", error=2)

    def _give(self, buffer: bytearray, asker: str, source: str, target: str) -> None:
        """Send files by a name, or by one that ends in ``*``."""
        found = [n for n in self.files if n == source or n.startswith(source.partition("*")[0])]
        found = found if source.endswith("*") else [n for n in found if n == source]
        if not found:
            text = f"echo 'File get' operation failed: <Input file does not exists: {source}>"
            self._send(buffer, asker, text, error=12)
        for offset, size in ((50, 2), (52, 4), (56, 2), (58, 2), (60, 2), (205, 2)):
            _put(buffer, offset, size, 0)
        for name in found:
            ending = name.rpartition("/")[2] if target.endswith("/") else ""
            command = "file write " + f"{target}{ending}".replace(" ", "\t")
            self._send(buffer, asker, command, self.files[name], info_type=0)

    def _print(self, buffer: bytearray, asker: str, text: str) -> None:
        _put(buffer, 205, 2, 1)
        self._send(buffer, asker, "print", text.encode())

    def _serve_ledger(self, buffer: bytearray, asker: str, words: list[str]) -> None:
        if words[3] == hashlib.md5(self.ledger).hexdigest():
            return
        self._counter = self._counter % 9 + 1
        stem, _, kind = words[2].rpartition(".")
        for offset, size in ((50, 2), (52, 4), (56, 2), (58, 2), (60, 2)):
            _put(buffer, offset, size, 0)
        _put(buffer, 205, 2, 2)
        name = f"file write {stem}.master_id_{self._counter}.{kind}"
        self._send(buffer, asker, name, self.ledger, info_type=0)

    def _rows(self, buffer: bytearray, asker: str) -> None:
        """Answer a query: such blocks keep source address and port of the request."""
        row = b'{"Query":[{"1":"2"}]}'
        buffer[34] = 2
        _put(buffer, 47, 2, 1)
        data = len(row).to_bytes(2, "big") + b"\0" + row
        self._send(buffer, asker, "job reply", data, info_type=1, own_source=False)

    # --------------------------------------------------------------- sending

    def _send(
        self,
        buffer: bytearray,
        to: str,
        command: str,
        data: bytes = b"",
        *,
        info_type: int = 4,
        error: int = 0,
        own_source: bool = True,
    ) -> None:
        """Send a message from a buffer; only what existing nodes set is set."""
        host, _, port = to.rpartition(":")
        encoded = command.encode()
        room = BLOCK - HEADER - len(encoded)
        pieces = [data[at : at + room] for at in range(0, len(data), room)] or [b""]
        if encoded.startswith(b"file write") and len(pieces[-1]) == room:
            pieces.append(b"")
        buffer[36] = info_type
        _put(buffer, 37, 2, error)
        _put(buffer, 39, 2, len(encoded))
        _put(buffer, 41, 2, 0)
        if own_source:
            buffer[72] = len(self.host)
            buffer[73 : 73 + len(self.host)] = self.host.encode()
            _put(buffer, 201, 4, self.port)
        try:
            with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
                for number, piece in enumerate(pieces, 1):
                    _put(buffer, 30, 4, number)
                    buffer[35] = number == len(pieces)
                    _put(buffer, 43, 4, len(encoded) + len(piece))
                    body = encoded + piece
                    buffer[HEADER : HEADER + len(body)] = body
                    connection.sendall(buffer)
        except (OSError, OverflowError):
            return


@contextmanager
def old_node(host: str = "127.0.0.1") -> Iterator[OldNode]:
    """Have an existing node for a while."""
    node = OldNode(host)
    try:
        yield node
    finally:
        node.close()
