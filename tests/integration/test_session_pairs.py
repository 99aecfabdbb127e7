"""All pairings of existing nodes and ours: what either asks, the other answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgelake import Client, Node
from edgelake.errors import NoReply, RemoteError
from tests.old_node import OldNode, announces, old_node
from tests.sessions import siphash
from tests.waiting import eventually

LEDGER = b'{"device": {"name": "d1", "id": "d1", "date": "2026-01-01T00:00:00.000000Z"}}\n'


class NewSide:
    """A node of ours, as the pairings use it."""

    def __init__(self, home: Path) -> None:
        self.node = Node(home)
        self.node.run("create work directories")
        self.node.run("connect dbms blockchain where type = sqlite")
        self.node.run("create table ledger where dbms = blockchain")
        self.node.run(
            "run tcp server where external_ip = 127.0.0.1 and external_port = 0"
            " and bind = true and threads = 2"
        )
        self.address = self.node.run("get connections").data["TCP"]["external"]
        self.seen: list[str] = []

    def ask(self, address: str, command: str) -> str:
        command = command.replace("!", "!!")  # the other one's variable
        return str(self.node.run(f"run client ({address}) {command}").data[0]["reply"])

    def fails(self, address: str, command: str) -> str:
        with pytest.raises(RemoteError) as caught:
            self.ask(address, command)
        assert caught.value.remote_code == 1
        return str(caught.value)

    def say(self, address: str, command: str) -> None:
        self.node.run(f"run client ({address}) {command}")

    def notices(self) -> str:
        self.seen += [f"{notice.text} {notice.source}" for notice in self.node.notices()]
        return "\n".join(self.seen)

    def keep(self, name: str, value: str) -> None:
        self.node.run(f"{name} = {value}")

    def publish(self) -> None:
        self.node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
        self.node.run(f"blockchain push {LEDGER.decode().strip()}")

    def fetch(self, address: str) -> None:
        self.node.run(
            "run blockchain sync where source = master and time = 1 second and dest = file"
            f" and connection = {address}"
        )

    def has_ledger(self) -> bool:
        path = Path(self.node.home.ledger_file)
        return path.exists() and b'"d1"' in path.read_bytes()

    def sessions(self) -> tuple[int, int]:
        found = self.node.run("get tcp pool where format = json").data["server"]
        return found["sessions_opened"], found["sessions_accepted"]


class OldSide:
    """An existing node, as the pairings use it."""

    def __init__(self, node: OldNode) -> None:
        self.node = node
        self.address = node.address
        self.jobs = 0

    def ask(self, address: str, command: str) -> str:
        self.jobs += 1
        number = self.jobs
        self.node.run_client(address, command, job_id=number)
        eventually(lambda: number in self.node.answers, "the answer")
        return self.node.answers[number]

    def fails(self, address: str, command: str) -> str:
        before = len(self.node.errors)
        self.node.run_client(address, command, job_id=77)
        eventually(lambda: len(self.node.errors) > before, "the error")
        code, text = self.node.errors[-1]
        assert code == 1
        return text

    def say(self, address: str, command: str) -> None:
        self.node.run_client(address, command)

    def notices(self) -> str:
        return "\n".join(self.node.notices)

    def keep(self, name: str, value: str) -> None:
        self.node.variables[name] = value

    def publish(self) -> None:
        self.node.ledger = LEDGER

    def fetch(self, address: str) -> None:
        self.node.run_client(address, "event get_blockchain /old/blockchain.new 0 0")

    def has_ledger(self) -> bool:
        return any(
            b'"d1"' in content and ".master_id_" in name
            for name, content in self.node.files.items()
        )


@pytest.fixture(params=["new asks new", "new asks old", "old asks new", "old asks old"])
def pair(request, tmp_path) -> Iterator[tuple]:
    """Return who asks, who answers, and whether both are ours."""
    kinds = request.param.split(" asks ")
    with ExitStack() as stack:
        sides = []
        for number, kind in enumerate(kinds):
            if kind == "old":
                sides.append(OldSide(stack.enter_context(old_node())))
            else:
                side = NewSide(tmp_path / str(number))
                stack.callback(side.node.close)
                sides.append(side)
        yield (*sides, kinds == ["new", "new"])
        for side in sides:
            if isinstance(side, NewSide) and kinds != ["new", "new"]:
                assert side.sessions() == (0, 0)


def test_the_hash_of_the_marks_is_the_published_one():
    assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


def test_request_and_reply(pair):
    asker, answerer, _ = pair
    for _ in range(3):
        assert asker.ask(answerer.address, "get status").strip('"').endswith(" running")


def test_an_answer_that_python_makes(pair):
    asker, answerer, _ = pair
    answerer.keep("colour", "green")
    assert asker.ask(answerer.address, "get !colour").strip('"') == "green"
    answerer.keep("colour", "blue")
    assert asker.ask(answerer.address, "get !colour").strip('"') == "blue"


def test_an_unknown_command(pair):
    asker, answerer, _ = pair
    assert "Command 'nosuch word' not recoginzed" in asker.fails(answerer.address, "nosuch word")


@pytest.mark.parametrize("word", ["print", "echo"])
def test_a_notice(pair, word):
    asker, answerer, _ = pair
    asker.say(answerer.address, f"{word} hello there")
    eventually(lambda: "hello there" in answerer.notices(), "the notice")


def test_a_ping(pair):
    asker, answerer, _ = pair
    asker.say(answerer.address, "event metadata_ping")

    def told() -> bool:
        notices = asker.notices()
        return "metadata_pong" in notices or f"alive {answerer.address}" in notices

    eventually(told, "the answer to a ping")


def test_the_ledger(pair):
    asker, answerer, _ = pair
    answerer.publish()
    asker.fetch(answerer.address)
    eventually(asker.has_ledger, "the ledger at the asker")


def test_what_old_nodes_are_sent_carries_one_offer_in_ten_minutes(tmp_path):
    with old_node() as old:
        side = NewSide(tmp_path / "node")
        with side.node:
            for _ in range(3):
                side.ask(old.address, "get status")
            old.run_client(side.address, "get status", job_id=5)
            eventually(lambda: 5 in old.answers, "the answer to the old node")
        sent = [block for heard in old.heard for block in heard.blocks]
        assert [announces(block) for block in sent] == [True, False, False, False]


def test_a_large_request_of_ours(tmp_path):
    long = "get dictionary " + " ".join(["and"] * 1500)
    new, other = NewSide(tmp_path / "1"), NewSide(tmp_path / "2")
    with new.node, other.node, old_node() as old:
        # One of ours answers it, an old one carries it out and nobody waits.
        with pytest.raises(RemoteError, match="and"):
            new.ask(other.address, long)
        for _ in range(2):
            shown = new.node.run(f"run client ({old.address}) {long}").text
            assert "running" not in shown
        eventually(lambda: old.executed == [long] * 2, "the commands at the old node")
        with Client(old.address) as client, pytest.raises(NoReply, match="answers none of more"):
            client.request(long)
        eventually(lambda: len(old.executed) == 3, "the command of the program")


def test_two_of_ours_use_one_connection_for_everything(tmp_path):
    one, two = NewSide(tmp_path / "1"), NewSide(tmp_path / "2")
    with one.node, two.node:
        two.keep("colour", "green")
        for command in ("get status", "get !colour", "get status", "get !colour"):
            one.ask(two.address, command)
        one.fails(two.address, "nosuch word")
        one.say(two.address, "print hello there")
        eventually(lambda: "hello there" in two.notices(), "the notice")
        pool = two.node.run("get tcp pool where format = json").data["server"]
        assert (pool["accepted"], pool["sessions"], pool["sessions_accepted"]) == (1, 1, 1)
        assert one.node.run("get tcp pool where format = json").data["server"]["accepted"] == 0


@pytest.mark.parametrize("poller", ["old", "new"])
def test_an_unchanged_ledger_is_silence_for_both(tmp_path, poller):
    master = NewSide(tmp_path / "master")
    with master.node, ExitStack() as stack:
        master.publish()
        eventually(master.has_ledger, "the master's own ledger")
        digest = hashlib.md5(Path(master.node.home.ledger_file).read_bytes()).hexdigest()
        asker: OldSide | NewSide
        if poller == "old":
            asker = OldSide(stack.enter_context(old_node()))
        else:
            asker = NewSide(tmp_path / "asker")
            stack.callback(asker.node.close)
        asker.say(master.address, f"event get_blockchain /x/b.new {digest} 0")
        asker.say(master.address, "print later")
        eventually(lambda: "later" in master.notices(), "what was sent after it")
        assert not asker.has_ledger()
