"""The synchronizer against a master whose every answer the test decides, and against its table."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgelake import MessageServer, Node, limits
from edgelake.errors import LedgerInvalid, PolicyInvalid, PolicyMissing, TcpNotRunning
from edgelake.wire import Endpoint, FileFlag, Message, MessageSender, Reply, file_blocks
from tests.waiting import eventually

GONE = Reply("echo Blockchain message 'drop' failed", " no row", error=101)


def line(policy_id: str) -> str:
    """Return a policy of the master as a line."""
    body = {"name": policy_id, "id": policy_id, "date": "2026-01-01T00:00:00.000000Z"}
    return json.dumps({"device": body}) + "\n"


class FakeMaster:
    """Takes every message and answers only what it is told to."""

    def __init__(self) -> None:
        self._seen: list[Message] = []
        self._lock = threading.Lock()
        self.server = MessageServer("127.0.0.1", 0, handler=self._take)
        self.sender = MessageSender()
        self.refuse: Callable[[str], Reply | None] = lambda command: None

    def start(self) -> None:
        self.server.start()
        self.sender.start()
        self.address = f"127.0.0.1:{self.server.address[1]}"

    def stop(self) -> None:
        self.sender.stop(5)
        self.server.stop(5)

    def _take(self, message: Message) -> Reply | None:
        with self._lock:
            self._seen.append(message)
        return self.refuse(message.command.decode().replace("\t", " "))

    def commands(self) -> list[str]:
        """Return what came so far."""
        with self._lock:
            return [message.command.decode().replace("\t", " ") for message in self._seen]

    def clear(self) -> None:
        with self._lock:
            self._seen.clear()

    def next(self, words: str) -> Message:
        """Return, and forget, the first message that holds the words."""
        found: list[Message] = []

        def there() -> bool:
            with self._lock:
                for message in self._seen:
                    if words in message.command.decode().replace("\t", " "):
                        self._seen.remove(message)
                        found.append(message)
                        return True
            return False

        eventually(there, words)
        return found[0]

    def send(self, request: Message, ledger: str, to: Endpoint) -> None:
        """Answer a ledger request with a ledger."""
        name = request.command.decode().split()[2].replace("\t", " ")
        port = int(self.address.rpartition(":")[2])
        blocks = file_blocks(name, ledger.encode(), FileFlag.LEDGER, "127.0.0.1", port)
        self.sender.send(to, blocks).result(10)


@pytest.fixture
def master() -> Iterator[FakeMaster]:
    fake = FakeMaster()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "node") as node:
        yield node


def listen(node: Node) -> Endpoint:
    node.run(
        "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        " and threads = 1"
    )
    ip, _, port = node.run("get connections").data["TCP"]["external"].rpartition(":")
    return Endpoint(ip, int(port))


def follow(node: Node, address: str, dest: str = "file") -> None:
    node.run(
        f"run blockchain sync where source = master and time = 1 second and dest = {dest}"
        f" and connection = {address}"
    )


def make_table(node: Node) -> None:
    node.run("connect dbms blockchain where type = sqlite")
    node.run("create table ledger where dbms = blockchain")


def figures(node: Node) -> dict[str, object]:
    return node.run("get synchronizer").data


def names(node: Node) -> list[str]:
    return [next(iter(p.values()))["name"] for p in node.run("blockchain get *").data or []]


def rows(node: Node) -> list[str]:
    """Return the names in the node's table."""
    table = node._parts.master_ledger().rows.read()
    return sorted(next(iter(json.loads(text).values()))["name"] for text in table)


class TestDeletes:
    def test_a_ledger_asked_for_before_a_delete_does_not_end_it(self, node, master):
        me = listen(node)
        follow(node, master.address)
        master.send(master.next("get_blockchain"), line("m"), me)
        eventually(lambda: names(node) == ["m"], "first ledger")
        node.run(
            'blockchain insert where policy = {"device": {"name": "P", "id": "P"}}'
            f" and master = {master.address}"
        )
        master.next("push")
        master.clear()
        older = master.next("get_blockchain")
        node.run(f"blockchain delete policy where id = P and master = {master.address}")
        # The master made this one before it stored the push.
        master.send(older, line("m") + line("q"), me)
        eventually(lambda: names(node) == ["m", "q"], "older ledger")
        assert figures(node)["pending_deletes"] == 1
        master.next("drop policy where id = P")
        master.clear()
        master.send(master.next("get_blockchain"), line("m") + line("q") + line("P"), me)
        eventually(lambda: node._parts.ledger.master_count == 3, "ledger with the push")
        assert names(node) == ["m", "q"]
        assert figures(node)["pending_deletes"] == 1
        master.next("drop policy where id = P")
        master.clear()
        master.send(master.next("get_blockchain"), line("m"), me)
        eventually(lambda: figures(node)["pending_deletes"] == 0, "the end of the delete")
        assert names(node) == ["m"]

    def test_a_delete_the_master_knows_nothing_of_ends_with_its_answer(self, node, master):
        listen(node)
        node.run('blockchain insert where policy = {"device": {"id": "P"}} and local = true')
        node.run(f"blockchain delete policy where id = P and master = {master.address}")
        master.refuse = lambda command: GONE if " drop " in command else None
        follow(node, master.address)
        master.next("drop policy")
        # The first answer may have overtaken a push; the delete is sent once more.
        master.next("drop policy")
        eventually(lambda: figures(node)["pending_deletes"] == 0, "the end of the delete")
        assert figures(node)["last_error"] is None

    def test_neither_deletes_nor_any_policy_starve(self, node, master, monkeypatch):
        monkeypatch.setattr(limits, "MAX_CHANGES_PER_CYCLE", 10)
        me = listen(node)
        follow(node, master.address)
        ledger = "".join(line(f"m{number}") for number in range(8))
        master.send(master.next("get_blockchain"), ledger, me)
        eventually(lambda: len(names(node)) == 8, "first ledger")
        refused = Reply("echo failed", " not taken", error=87)
        master.refuse = lambda command: refused if " push " in command else None
        for number in range(25):
            node.run(
                f'blockchain insert where policy = {{"device": {{"id": "r{number}"}}}}'
                " and local = true"
            )
        for number in range(8):
            node.run(f"blockchain delete policy where id = m{number} and master = {master.address}")
        master.clear()

        def sent(word: str) -> int:
            return len({command for command in master.commands() if word in command})

        eventually(lambda: sent(" drop ") == 8, "every delete sent")
        eventually(lambda: sent(" push ") == 25, "every policy sent")


class TestTableOfAFollower:
    def test_a_table_is_left_alone_until_a_master_was_heard(self, node, master):
        make_table(node)
        for name in ("a", "b"):
            node.run(f'blockchain push {{"device": {{"name": "{name}"}}}}')
        me = listen(node)
        follow(node, master.address, "dbms")
        master.next("get_blockchain")
        second = master.next("get_blockchain")
        assert rows(node) == ["a", "b"]
        # A master without policies is no reason to empty it either.
        master.send(second, "\n", me)
        eventually(lambda: node._parts.ledger.master_hash() != "0", "empty ledger")
        master.next("get_blockchain")
        assert rows(node) == ["a", "b"]
        master.send(master.next("get_blockchain"), line("m"), me)
        eventually(lambda: rows(node) == ["m"], "the master's ledger in the table")

    def test_a_database_that_comes_back_is_filled_again(self, node, master):
        make_table(node)
        me = listen(node)
        follow(node, master.address, "dbms")
        master.send(master.next("get_blockchain"), line("m"), me)
        eventually(lambda: rows(node) == ["m"], "first ledger")
        node.run("disconnect dbms blockchain")
        eventually(
            lambda: "no database 'blockchain'" in str(figures(node)["last_error"]), "the error"
        )
        node.run("connect dbms blockchain where type = sqlite and memory = true")
        node.run("create table ledger where dbms = blockchain")
        eventually(lambda: rows(node) == ["m"], "the new table filled")


class TestTableOfAMaster:
    def start(self, node: Node) -> None:
        node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")

    def test_a_new_table_does_not_empty_a_good_ledger(self, node):
        node._parts.ledger.adopt(line("m").encode())
        make_table(node)
        self.start(node)
        eventually(
            lambda: (
                "without policies from table blockchain.ledger" in str(figures(node)["last_error"])
            ),
            "the refusal",
        )
        assert names(node) == ["m"]
        assert "was not taken" in node.run("get synchronizer").text
        node.run('blockchain push {"device": {"name": "n", "id": "n"}}')
        eventually(lambda: names(node) == ["n"], "the table's first policy")
        node.run("blockchain drop policy where id = n")
        eventually(lambda: names(node) == [], "the delete of the last policy")

    def test_a_database_connected_anew_is_followed(self, node):
        make_table(node)
        self.start(node)
        node.run('blockchain push {"device": {"name": "a"}}')
        eventually(lambda: names(node) == ["a"], "first policy")
        node.run("disconnect dbms blockchain")
        eventually(
            lambda: "no database 'blockchain'" in str(figures(node)["last_error"]), "the error"
        )
        assert names(node) == ["a"]
        node.run("connect dbms blockchain where type = sqlite")
        node.run('blockchain push {"device": {"name": "b"}}')
        eventually(lambda: names(node) == ["a", "b"], "policy after the connection")
        eventually(lambda: figures(node)["failures_in_a_row"] == 0, "recovery")

    def test_another_empty_database_does_not_empty_the_ledger(self, node):
        make_table(node)
        self.start(node)
        node.run('blockchain push {"device": {"name": "a"}}')
        eventually(lambda: names(node) == ["a"], "first policy")
        node.run("disconnect dbms blockchain")
        node.run("connect dbms blockchain where type = sqlite and memory = true")
        node.run("create table ledger where dbms = blockchain")
        eventually(lambda: "was not taken" in str(figures(node)["last_error"]), "the refusal")
        assert names(node) == ["a"]

    def test_a_policy_that_is_too_long_is_not_acknowledged(self, node):
        make_table(node)
        wide = json.dumps({"device": {"name": "é" * 250_000}}, ensure_ascii=False)
        for command in (f"blockchain push {wide}", f"blockchain push ignore {wide}"):
            with pytest.raises(PolicyInvalid, match=f"exceeds {limits.MAX_POLICY_BYTES}"):
                node.run(command)
        with pytest.raises(PolicyInvalid, match=f"exceeds {limits.MAX_POLICY_BYTES}"):
            node.run(f"blockchain insert where policy = {wide} and local = true")
        assert rows(node) == []
        assert names(node) == []


class TestCommands:
    def test_without_a_way_to_send_nothing_is_stored(self, node):
        node._parts.ledger.adopt(line("m").encode())
        insert = 'blockchain insert where policy = {"device": {"id": "x", "name": "x"}}'
        for place in (" and master = 127.0.0.1:9", " and local = true and master = 127.0.0.1:9"):
            with pytest.raises(TcpNotRunning):
                node.run(insert + place)
            with pytest.raises(TcpNotRunning):
                node.run("blockchain delete policy where id = m" + place)
        assert names(node) == ["m"]
        assert node._parts.ledger.pending() == ((), ())
        with pytest.raises(PolicyMissing):
            node.run("blockchain delete policy where id = x and local = true")
        node.run(insert + " and local = true")
        assert names(node) == ["m", "x"]

    def test_a_policy_that_the_synchronizer_shares_too_is_no_conflict(self, node, master):
        make_table(node)
        listen(node)

        def insert(name: str, place: str = "") -> None:
            node.run(
                f'blockchain insert where policy = {{"device": {{"id": "{name}"}}}}'
                f" and master = {master.address}{place}"
            )

        insert("a")
        assert b"ignore" not in master.next("push").command
        node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
        insert("b")
        master.next("push ignore")
        insert("c", " and local = false")
        assert b"ignore" not in master.next("push").command

    def test_damage_of_the_ledger_file_is_told_and_set_aside(self, node):
        path = node.home.ledger_file
        path.parent.mkdir(parents=True)
        path.write_text(line("m") + '{"torn\n' + '{"again\n')
        shown = node.run("get synchronizer")
        assert shown.data["damage"] == 2
        assert str(shown.data["damage_reason"]).startswith("line 2: the policy is not JSON")
        assert "Damaged lines of the ledger file: 2, line 2: " in shown.text
        assert "torn" in path.read_text()
        node.run('blockchain insert where policy = {"device": {"id": "x"}} and local = true')
        (notice,) = node.notices()
        assert notice.text.startswith(
            "error 69: the ledger file was damaged: 2 lines were set aside in blockchain.damaged;"
            " line 2: "
        )
        assert path.with_suffix(".damaged").read_text() == '{"torn\n{"again\n'
        assert "torn" not in path.read_text()
        node.run('blockchain insert where policy = {"device": {"id": "y"}} and local = true')
        assert node.notices() == []
        assert figures(node)["damage"] == 2

    def test_a_synchronizer_tells_damage_when_it_starts(self, node):
        make_table(node)
        path = node.home.ledger_file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"torn\n')
        node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
        (notice,) = node.notices()
        assert "1 line was set aside" in notice.text
        assert path.with_suffix(".damaged").read_text() == '{"torn\n'


def test_a_delete_that_is_answered_is_forgotten_unless_the_ledger_shows_its_policy(node):
    ledger = node._parts.ledger
    ledger.adopt((line("m") + line("n")).encode())
    ledger.delete_local("m", "10.0.0.7:32048")
    ledger.delete_local("n")
    assert not ledger.finish_delete("m")
    ledger.adopt(line("x").encode(), dropped=())
    assert [marker.id for marker in ledger.pending()[1]] == ["m"]
    with pytest.raises(LedgerInvalid):
        ledger.adopt(b"\n", dropped=("m",))
    assert ledger.finish_delete("m")
    assert not ledger.finish_delete("m")
    assert ledger.pending() == ((), ())
