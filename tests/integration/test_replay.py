"""Requests recorded from existing nodes are replayed; our answers follow the protocol."""

from __future__ import annotations

import ast
import hashlib
import json
import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from edgelake import Node
from edgelake.wire import Assembler, Block, decode_block
from tests.waiting import eventually

RECORDED = json.loads((Path(__file__).parents[1] / "data" / "replay.json").read_text())
DEADLINE_S = 15.0


class Received(NamedTuple):
    """One message that came back: its blocks, and its data joined."""

    blocks: list[Block]
    data: bytes

    @property
    def first(self) -> Block:
        """The first block."""
        return self.blocks[0]

    @property
    def command(self) -> str:
        """The command segment."""
        return self.first.command.decode()


class Peer:
    """A peer played from recorded blocks; it listens as the recorded node did."""

    def __init__(self, node_address: str) -> None:
        host, _, port = node_address.rpartition(":")
        self._to = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._inbox: queue.Queue[Received] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def replay(self, name: str, ending: str = "") -> None:
        """Send the recorded request, with our port as the address for the answer.

        ``ending`` takes the place of the recorded command's last bytes.
        """
        with socket.create_connection(self._to) as connection:
            for text in RECORDED[name]:
                block = bytearray.fromhex(text)
                block[201:205] = self.port.to_bytes(4, "big")
                if ending:
                    kept = decode_block(block).command.split(b" ")[:3]
                    command = b" ".join(kept) + ending.encode()
                    block[39:41] = len(command).to_bytes(2, "big")
                    block[43:47] = len(command).to_bytes(4, "big")
                    block[207 : 207 + len(command)] = command
                connection.sendall(block)

    def answer(self) -> Received:
        """Return the next message that the node sends us."""
        return self._inbox.get(timeout=DEADLINE_S)

    def silent(self) -> bool:
        """Return whether nothing has come although a later request was answered."""
        self.replay("get_status")
        return self.answer().data.endswith(b" running") and self._inbox.empty()

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                content = b""
                while piece := connection.recv(65536):
                    content += piece
            assert len(content) % 2048 == 0
            blocks = [decode_block(content[n : n + 2048]) for n in range(0, len(content), 2048)]
            for n, block in enumerate(blocks):
                used = 207 + block.data_length
                assert not any(content[2048 * n + used : 2048 * (n + 1)]), "padding is not zero"
                assert block.block_counter == n + 1
                assert block.last_flag == (n == len(blocks) - 1)
            (message,) = Assembler().feed(content)
            self._inbox.put(Received(blocks, message.data))


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Node]:
    """A master without policies."""
    with Node(tmp_path / "master") as node:
        node.run("create work directories")
        node.run("connect dbms blockchain where type = sqlite")
        node.run("create table ledger where dbms = blockchain")
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        )
        node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
        yield node


@pytest.fixture
def peer(master: Node) -> Iterator[Peer]:
    """A recorded peer of the master."""
    peer = Peer(master.run("get connections").data["TCP"]["bind"])
    yield peer
    peer.close()


def test_get_status(peer, master):
    peer.replay("get_status")
    reply = peer.answer()
    block = reply.first
    assert reply.command == "print"
    assert (block.info_type, block.error, block.generic_flag) == (4, 0, 1)
    assert (block.job_location, block.job_id, block.receivers, block.receiver_index) == (0, 0, 1, 0)
    assert block.source_ip == b"127.0.0.1"
    assert block.source_port == int(master.run("get connections").data["TCP"]["bind"].split(":")[1])
    assert reply.data.decode().endswith(" running")


def test_job_fields_come_back(peer):
    peer.replay("assignment_job_id")
    block = peer.answer().first
    assert (block.job_location, block.job_id, block.receivers, block.receiver_index) == (0, 1, 1, 0)


def test_reply_to_the_address_of_the_connection(peer):
    peer.replay("reply_ip_dynamic")
    assert peer.answer().data.endswith(b" running")


@pytest.mark.parametrize("name", ["get_status_json", "get_to_json_reply"])
def test_json_replies(peer, name):
    peer.replay(name)
    reply = peer.answer()
    assert reply.command == "print"
    assert reply.first.generic_flag == 2
    assert isinstance(json.loads(reply.data), dict)


def test_a_table(peer):
    peer.replay("get_processes_string")
    reply = peer.answer()
    lines = reply.data.decode().split("\r\n")
    assert lines[0] == ""
    assert lines[1].split() == ["Process", "Status", "Details"]
    assert set(lines[2].strip()) == {"-", "|"}
    assert lines[3].startswith("    TCP")
    assert reply.first.generic_flag == 1


def test_unknown_command(peer):
    peer.replay("unknown_command")
    reply = peer.answer()
    assert reply.command == "echo Command 'nosuch command here' not recoginzed"
    assert (reply.first.error, reply.data) == (1, b"")


def test_wrong_words_of_a_known_family(peer):
    peer.replay("get_error")
    reply = peer.answer()
    assert (reply.command, reply.first.error, reply.first.generic_flag) == ("echo", 2, 1)
    assert reply.data


def test_variable_of_the_receiver(peer, master):
    master.run("new_var = 17")
    peer.replay("get_variable_remote")
    assert peer.answer().data == b"17"


def test_insert_and_what_follows(peer, master):
    peer.replay("blockchain_insert_to_master")
    assert peer.silent()
    peer.replay("blockchain_push_duplicate")
    reply = peer.answer()
    assert reply.command == "echo Blockchain message 'push' failed"
    assert (reply.first.error, reply.first.info_type) == (30, 2)
    peer.replay("blockchain_push_ignore_duplicate")
    peer.replay("blockchain_push_ignore_duplicate")
    assert peer.silent()
    peer.replay("blockchain_push_bad")
    reply = peer.answer()
    assert reply.command == "echo Blockchain message 'push' failed"
    assert reply.first.error == 6
    peer.replay("blockchain_drop_missing")
    reply = peer.answer()
    assert reply.command == "echo Blockchain message 'drop' failed"
    assert reply.first.error == 101


def test_ledger_request(peer, master):
    shared = master._parts.master_ledger()
    peer.replay("ledger_sync_empty")
    reply = peer.answer()
    assert reply.command == "file write /srv/node-b/EdgeLake/blockchain/x.master_id_1.new"
    assert (reply.first.generic_flag, reply.first.info_type, reply.data) == (2, 0, b"\n")

    peer.replay("blockchain_insert_to_master")
    assert peer.silent()
    # Who asks meanwhile is answered before the commit.
    eventually(lambda: shared.snapshot().count == 1, "the policy in the table")
    peer.replay("ledger_sync_first_copy")
    reply = peer.answer()
    assert reply.command.startswith(
        "file write /srv/node-b/EdgeLake/blockchain/blockchain.master_id_"
    )
    assert reply.command.endswith(".new")
    (line,) = reply.data.splitlines(keepends=True)
    assert line.endswith(b"\n")
    assert json.loads(line)["device"]["id"] == "ecd08d244827f712918005b1a06f6519"


def test_an_unchanged_ledger_is_answered_with_silence(peer, master):
    """The hash in the recorded request is replaced by the present one, of the same length."""
    shared = master._parts.master_ledger()
    peer.replay("blockchain_insert_to_master")
    assert peer.silent()
    # Who asks meanwhile is answered before the commit.
    eventually(lambda: shared.snapshot().count == 1, "the policy in the table")
    peer.replay("ledger_sync_first_copy")
    ledger = peer.answer().data
    known = hashlib.md5(ledger).hexdigest()
    peer.replay("ledger_sync_unchanged", f" {known} 0")
    assert peer.silent()
    peer.replay("ledger_sync_unchanged", f" {known} 2")
    reply = peer.answer()
    assert reply.command == "print"
    assert known in reply.data.decode()
    assert "not changed" in reply.data.decode()


def test_a_ledger_request_to_a_node_without_a_table(tmp_path):
    with Node(tmp_path) as node:
        node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        )
        asking = Peer(node.run("get connections").data["TCP"]["bind"])
        asking.replay("ledger_sync_first_copy")
        reply = asking.answer()
        asking.close()
        assert (reply.command, reply.first.error) == ("echo", 68)


def test_ledger_request_with_missing_words(peer):
    peer.replay("ledger_request_missing_words")
    reply = peer.answer()
    assert (reply.command, reply.first.error) == ("echo", 64)


def test_policies_in_the_notation_of_existing_nodes(peer, master):
    peer.replay("blockchain_get_none")
    assert peer.silent()
    peer.replay("blockchain_insert_to_master")
    eventually(lambda: bool(master.run("blockchain get *").data), "the policy")
    peer.replay("blockchain_get_remote")
    reply = peer.answer()
    found = ast.literal_eval(reply.data.decode())
    assert found[0]["device"]["name"] == "d1"


def test_long_reply(peer, master):
    for number in range(120):
        master.run(f'blockchain push {{"device": {{"name": "device é number {number}"}}}}')
    master.run("run blockchain sync")
    eventually(lambda: len(master.run("blockchain get *").data) == 120, "120 policies")
    peer.replay("blockchain_get_remote")
    reply = peer.answer()
    assert len(reply.blocks) > 5
    assert all(block.command == b"print" for block in reply.blocks)
    for block in reply.blocks:
        block.data.decode()  # no character is cut
    assert len(ast.literal_eval(reply.data.decode())) == 120


def test_ping(peer):
    peer.replay("metadata_ping")
    reply = peer.answer()
    assert reply.command == "event metadata_pong"
    assert reply.first.info_type == 6


@pytest.mark.parametrize(
    ("name", "code"),
    [("system_reply", 212), ("no_reply_command", 212), ("file_copy_small", 212)],
)
def test_what_a_peer_may_not(peer, master, name, code, tmp_path):
    eventually(Path(master.home.ledger_file).exists, "the master's first ledger file")
    before = set(tmp_path.rglob("*.*"))
    variables = master.run("get dictionary").data
    peer.replay(name)
    reply = peer.answer()
    assert reply.command.startswith("echo")
    assert reply.first.error == code
    assert set(tmp_path.rglob("*.*")) == before
    assert not Path("/srv/node-a/copied/small.txt").exists()
    assert master.run("get dictionary").data == variables


def test_an_unknown_event_means_nothing(peer):
    peer.replay("event_unknown")
    assert peer.silent()


def test_a_command_too_long_for_a_block(peer, master):
    peer.replay("large_command")
    eventually(lambda: bool(master.run("blockchain get note").data), "the policy")
