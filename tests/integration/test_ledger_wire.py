"""What nodes say about the ledger is late, twice, out of order, cut or lost: no state goes wrong.

Part of it by hand, message by message (`tests/wire_by_hand.py`), and part over real
connections that a proxy spoils.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edgelake import Node, limits
from edgelake.errors import EdgeLakeError, PeerClosed
from edgelake.services.master import MasterLedger
from edgelake.wire import Endpoint
from tests.integration.test_ledger_log import figures, follow, make_master, push
from tests.proxy import Faults, Proxy
from tests.waiting import eventually
from tests.wire_by_hand import Followed, Letter, Wire


def device(name: str) -> str:
    """Return a policy."""
    return json.dumps({"device": {"name": name, "id": name, "date": "2026-01-01"}})


class Network:
    """Masters, and a follower of one of them, whose messages wait to be delivered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wire = Wire()
        self.nodes: list[Node] = []

    def master(self, name: str, port: int) -> tuple[Node, Endpoint]:
        node = Node(self.folder / name)
        self.nodes.append(node)
        node.run("connect dbms blockchain where type = sqlite")
        with suppress(EdgeLakeError):
            node.run("blockchain create table")
        return node, self.wire.join(node, port)

    def follower(self, master: Endpoint) -> Followed:
        made = Followed(self.folder / "follower", self.wire, 1100, master)
        self.nodes.append(made.node)
        return made

    def deliver_all(self, *, keep: bool = False) -> None:
        """Deliver what is under way, and the answers; with ``keep`` all of it stays, too."""
        kept = list(self.wire.letters)
        while self.wire.letters:
            self.wire.deliver(0)
        if keep:
            self.wire.letters += kept


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    for name in ("RESEND_PAUSE_S", "SESSION_ASK_PAUSE_S", "LEDGER_ANSWER_WAIT_S"):
        monkeypatch.setattr(limits, name, 0.0)
    made = Network(tmp_path)
    yield made
    for node in made.nodes:
        node.close()


def stored(node: Node) -> MasterLedger:
    return node._parts.master_ledger()


def shown(node: Node) -> list[str]:
    return [next(iter(p.values()))["id"] for p in node.run("blockchain get *").data or []]


def table(node: Node) -> list[str]:
    lines = stored(node).snapshot().data.splitlines()
    return [next(iter(json.loads(line).values()))["id"] for line in lines if line]


def insert(node: Node, name: str) -> None:
    node.run(f"blockchain insert where policy = {device(name)} and local = true")


def test_messages_of_the_master_before_change_nothing_after_a_switch(network: Network) -> None:
    first, one = network.master("first", 1001)
    second, two = network.master("second", 1002)
    for name in ("a", "b"):
        first.run(f"blockchain push {device(name)}")
    second.run(f"blockchain push {device('z')}")
    follower = network.follower(one)
    follower.source.cycle()
    assert shown(follower.node) == ["a", "b"]
    insert(follower.node, "mine")
    late: list[Letter] = []

    def answer_later(question: Letter) -> None:
        late.extend(network.wire.hand_over(question))
        network.wire.lose(question)

    # Asked and not yet answered: about the log, for the whole ledger, about a push.
    first.run(f"blockchain push {device('c')}")
    network.wire.ask = answer_later
    with suppress(EdgeLakeError):
        follower.source.cycle()

    def as_an_old_one(question: Letter) -> None:
        assert question.sent is not None
        question.sent.set_result(False)

    network.wire.ask = as_an_old_one
    for _ in range(limits.MAX_MUTE_LEDGER_ANSWERS - 1):
        with pytest.raises(PeerClosed):
            follower.source.cycle()
    follower.source.cycle()
    for letter in [*network.wire.letters]:
        late += network.wire.hand_over(letter)
    # Answers of a file go by a message of their own.
    late += [letter for letter in network.wire.letters if letter.to == follower.place]
    assert any(letter.text.startswith("file write") for letter in late)
    assert any(letter.text.startswith("print") for letter in late)
    network.wire.letters.clear()
    network.wire.ask = network.wire.answer
    follower.follow(two)
    for _ in range(2):
        follower.source.cycle()
        assert shown(follower.node) == ["z", "mine"]
        for letter in late:
            network.wire.handlers[letter.to](letter.message)
            assert shown(follower.node) == ["z", "mine"]
    network.deliver_all()
    follower.source.cycle()
    assert sorted(table(second)) == ["mine", "z"]
    assert follower.pending() == ((), ())
    assert shown(follower.node) == table(second)


@pytest.mark.parametrize("newer", ["log", "file"])
def test_a_ledger_that_comes_late_takes_nobody_back(network: Network, newer: str) -> None:
    master, one = network.master("first", 1001)
    master.run(f"blockchain push {device('a')}")
    follower = network.follower(one)

    def as_an_old_one(question: Letter) -> None:
        assert question.sent is not None
        question.sent.set_result(False)

    network.wire.ask = as_an_old_one
    follower.source.cycle()
    network.wire.deliver(0)
    late = network.wire.letters.pop()
    assert late.text.startswith("file write")
    master.run(f"blockchain push {device('b')}")
    if newer == "log":
        network.wire.ask = network.wire.answer
    follower.source.cycle()
    network.deliver_all()
    assert shown(follower.node) == ["a", "b"]
    network.wire.letters.append(late)
    network.deliver_all()
    assert shown(follower.node) == ["a", "b"]


@pytest.mark.parametrize("emptied", [False, True])
def test_a_master_restored_from_a_backup_has_another_chain(network: Network, emptied: bool) -> None:
    first, one = network.master("first", 1001)
    first.run(f"blockchain push {device('a')}")
    if emptied:
        first.run("blockchain drop policy where id = a")
    follower = network.follower(one)
    path = first.home.databases_dir / "blockchain.dbms"
    backup = network.folder / "backup"
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(backup)) as copy:
        database.backup(copy)
    for name in ("b", "c"):
        first.run(f"blockchain push {device(name)}")
    follower.source.cycle()
    insert(follower.node, "mine")
    first.close()
    with suppress(EdgeLakeError):
        follower.source.cycle()
    assert [policy.id for policy in follower.pending()[0]] == ["mine"]
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    shutil.copy(backup, path)
    again, _ = network.master("first", 1001)
    for name in ("d", "e", "f"):
        # As many changes as before, and more: the numbers are the same, the chain is not.
        again.run(f"blockchain push {device(name)}")
        follower.source.cycle()
        left = [] if emptied else ["a"]
        assert shown(follower.node)[: len(left) + 1] == [*left, "d"]
        network.deliver_all()
    for _ in range(2):
        follower.source.cycle()
        network.deliver_all()
    assert "mine" in table(again)
    assert shown(follower.node) == table(again)
    assert follower.pending() == ((), ())


def test_messages_that_come_twice_and_out_of_order_change_nothing(network: Network) -> None:
    master, one = network.master("first", 1001)
    follower = network.follower(one)
    follower.source.cycle()
    for name in ("a", "b", "c"):
        insert(follower.node, name)
        follower.source.cycle()
    network.wire.letters.reverse()
    network.deliver_all(keep=True)
    assert sorted(table(master)) == ["a", "b", "c"]
    follower.source.cycle()
    follower.node.run(f"blockchain delete policy where id = b and local = true and master = {one}")
    follower.source.cycle()
    network.deliver_all(keep=True)
    follower.source.cycle()
    assert follower.pending() == ((), ())
    assert sorted(table(master)) == ["a", "c"]
    # All of it once more: pushes of b, and the delete of it.
    network.deliver_all()
    assert sorted(table(master)) == ["a", "c"]
    follower.source.cycle()
    assert shown(follower.node) == table(master)
    assert stored(master).position().seq == 4


@pytest.mark.parametrize("dropped", [True, False])
def test_a_policy_in_whose_place_the_master_had_another_is_stored_or_refused(
    network: Network, dropped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves by an acknowledgement or a refusal that stays visible, not because an id came."""
    monkeypatch.setattr(limits, "MAX_LEDGER_ENTRIES_PER_ANSWER", 1)
    master, one = network.master("first", 1001)
    master.run(f"blockchain push {device('a')}")
    follower = network.follower(one)
    follower.source.cycle()
    other = json.dumps({"device": {"name": "other", "id": "p", "date": "2026-01-01"}})
    master.run(f"blockchain push {other}")
    if dropped:
        master.run("blockchain drop policy where id = p")
    insert(follower.node, "p")
    for _ in range(4):
        follower.source.cycle()
        network.deliver_all()
    refused = [found["id"] for found in follower.source.figures()["refused"]]
    if dropped:
        assert table(master) == shown(follower.node) == ["a", "p"]
    else:
        assert [policy.id for policy in follower.pending()[0]] == refused == ["p"]


def states(node: Node) -> Iterator[str]:
    """Yield the hash of each state that a master's ledger had, by its log."""
    path = node.home.databases_dir / "blockchain.dbms"
    with closing(sqlite3.connect(path)) as database:
        log = database.execute("SELECT policy_id, after_id, policy FROM ledger_log ORDER BY seq")
        yield hashlib.md5(b"\n").hexdigest()
        lines: dict[str, str] = {}
        for policy_id, after_id, policy in log:
            order = list(lines.items())
            at = [key for key, _ in order].index(after_id) + 1 if after_id else 0
            lines = dict([*order[:at], (policy_id, policy), *order[at:]])
            yield hashlib.md5("".join(f"{x}\n" for x in lines.values()).encode()).hexdigest()


SPOILED: dict[str, Callable[[], Faults]] = {
    "cut": lambda: Faults(cut_after=3000),
    "reset": lambda: Faults(cut_after=5000, reset=True),
    "late": lambda: Faults(delay_s=0.02, piece=1500),
    "swapped": lambda: Faults(swap=True),
    "drops": lambda: Faults(piece=700),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_bad_line_between_two_nodes_loses_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("SYNC_BACKOFF_MAX_S", 1.0),
        ("LEDGER_ANSWER_WAIT_S", 0.3),
        ("SESSION_ASK_PAUSE_S", 0.3),
    ):
        monkeypatch.setattr(limits, name, value)
    master, address = make_master(tmp_path / "master")
    host, _, port = address.rpartition(":")
    with master, Node(tmp_path / "follower") as follower, Proxy((host, int(port))) as line:
        seen = {"0"}
        line.faults = SPOILED[kind]()
        follow(follower, "{}:{}".format(*line.address), "1 second")
        for number in range(12):
            insert(follower, f"f{number}")
            follower.run("run blockchain sync")
            push(master, f"m{number}")
            seen.add(follower._parts.ledger.master_hash())
            line.cut(reset=bool(number % 2))
        assert {p["id"] for p in figures(follower)["outbox"]} | set(table(master)) >= {
            f"f{number}" for number in range(12)
        }
        line.faults = Faults()
        line.cut(reset=True)
        wanted = sorted(f"{who}{number}" for who in "fm" for number in range(12))
        eventually(lambda: sorted(table(master)) == wanted, "all on the master", 30)

        def settled() -> bool:
            seen.add(follower._parts.ledger.master_hash())
            return figures(follower)["pending_policies"] == 0

        eventually(settled, "an empty outbox", 30)
        eventually(lambda: shown(follower) == table(master), "one ledger", 30)
        assert stored(master).position().seq == 24
        assert seen <= {"0", *states(master)}
