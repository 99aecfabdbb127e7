"""Polls of an unchanged ledger, answered by the I/O threads with nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgelake import Node, limits
from tests.old_node import OldNode, data_of, old_node
from tests.sessions import TRACKED, marked, open_session, request
from tests.stations import echo, station
from tests.waiting import eventually

POLL = "event get_blockchain /x/b.new {} {}"


def test_a_poll_with_the_known_hash_is_answered_with_nothing() -> None:
    digest, other = "0123456789abcdef" * 2, "f" * 32
    with station(echo) as server, open_session(server.place, request("event x")) as line:
        line.message()

        def native(command: str) -> bool:
            """Tell whether no answer to a command comes before that to a later one."""
            line.send(marked(request(command), TRACKED) + marked(request("get end"), TRACKED))
            first = data_of(line.message()).decode()
            return first == "get end" or line.message() == b""

        assert not native(POLL.format(digest, 0))
        server.server.ledger_unchanged(digest, 3600)
        assert native(POLL.format(digest, 0))
        for command in (
            POLL.format(digest, 2),
            POLL.format(digest, 1),
            POLL.format(other, 0),
            POLL.format("0", 0),
            POLL.format(digest, 0) + " ",
            f"event get_blockchain  {digest} 0",
            f"event get_blockchain {digest} 0",
            f"event get_blockchain /x y/b.new {digest} 0",
        ):
            assert not native(command), command
        assert server.figures()["native"] == 1
        server.server.ledger_unchanged(digest, 0)
        assert not native(POLL.format(digest, 0))
        server.server.ledger_unchanged(digest, 3600)
        server.server.ledger_unchanged("", 3600)
        assert not native(POLL.format(digest, 0))
        assert server.figures()["native"] == 1


class Master:
    """A master of ours with its table on disk, polled as old nodes do."""

    def __init__(self, home: Path, follower: OldNode) -> None:
        self.node = Node(home)
        self.node.run("create work directories")
        self.node.run("connect dbms blockchain where type = sqlite")
        self.node.run("create table ledger where dbms = blockchain")
        self.node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        )
        self.address = self.node.run("get connections").data["TCP"]["external"]
        self.follower = follower

    def push(self, name: str) -> None:
        self.node.run(f'blockchain push {{"device": {{"name": "{name}", "id": "{name}"}}}}')

    def poll(self, digest: str, trace: int = 0) -> None:
        self.follower.run_client(self.address, POLL.format(digest, trace))

    def fetch(self) -> str:
        """Ask for the whole ledger; return the hash of what came."""
        self.follower.files.clear()
        self.poll("0")
        eventually(lambda: bool(self.follower.files), "the ledger")
        return hashlib.md5(next(iter(self.follower.files.values()))).hexdigest()

    def native(self) -> int:
        return int(self.node.run("get tcp pool where format = json").data["server"]["native"])


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Master]:
    with old_node() as follower:
        made = Master(tmp_path / "master", follower)
        with made.node:
            made.push("one")
            yield made


def test_polls_of_an_unchanged_ledger_are_native(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEDGER_LEASE_S", 3600)
    digest = master.fetch()
    before = master.native()
    for number in range(1, 6):
        master.poll(digest)
        eventually(lambda at=before + number: master.native() == at, "a native answer")
    assert len(master.follower.files) == 1


def test_a_change_by_this_node_ends_it_at_once(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEDGER_LEASE_S", 3600)
    for name in ("two", "three", "four"):
        digest = master.fetch()
        master.poll(digest)
        master.push(name)
        master.follower.files.clear()
        before = master.native()
        master.poll(digest)
        eventually(lambda: bool(master.follower.files), "the new ledger")
        assert f'"{name}"'.encode() in next(iter(master.follower.files.values()))
        assert master.native() == before


def test_a_change_by_another_program_is_seen_when_the_lease_is_over(master: Master) -> None:
    digest = master.fetch()
    path = Path(master.node.home.databases_dir) / "blockchain.dbms"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("delete from ledger")
    master.follower.files.clear()

    def came() -> bool:
        master.poll(digest)
        return bool(master.follower.files)

    eventually(came, "the changed ledger")
    assert b'"one"' not in next(iter(master.follower.files.values()))


def test_a_poll_with_a_trace_is_answered_by_python(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEDGER_LEASE_S", 3600)
    digest = master.fetch()
    before = master.native()
    master.poll(digest, trace=2)
    eventually(lambda: any("not changed" in text for text in master.follower.notices), "the notice")
    assert master.native() == before
