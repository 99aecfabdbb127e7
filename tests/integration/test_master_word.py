"""What a master says of a change, and what a node makes of it: stored, refused, or not now."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgelake import Client, Node, limits
from edgelake.errors import (
    LedgerFull,
    NoReply,
    PeerRefused,
    PolicyInvalid,
    PolicyRowMissing,
    RemoteError,
)
from tests.asking import Asker, device
from tests.old_node import old_node
from tests.waiting import eventually

from .test_group_commit import locked, written
from .test_ledger_log import figures, follow, listen, make_master, names, node_ledger, push, same

__all__: list[str] = []


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Callable[[str], Node]]:
    made: list[Node] = []

    def make(name: str) -> Node:
        made.append(Node(tmp_path / name))
        return made[-1]

    yield make
    for node in reversed(made):
        node.close()


@pytest.fixture
def master(tmp_path: Path) -> Iterator[tuple[Node, str]]:
    node, address = make_master(tmp_path / "master")
    with node:
        yield node, address


@pytest.fixture
def sender(nodes) -> Node:
    """Return a node that keeps no ledger of its own."""
    node = nodes("sender")
    listen(node)
    return node


def insert(node: Node, policy: str, address: str, *, local: bool):
    where = f"and local = {str(local).lower()} and master = {address}"
    return node.run(f"blockchain insert where policy = {policy} {where}")


class TestKeptNowhere:
    """``local = false``: success means that the master has stored it."""

    def test_an_insert_returns_when_it_is_stored(self, master, sender):
        node, address = master
        for number in range(1, 4):
            found = insert(sender, device(f"p{number}"), address, local=False)
            # Nobody waits here: it is there when the command has returned.
            assert written(node)[-1] == (number, "put", f"p{number}")
            assert found.data["masters"] == [{"master": address, "sequence": number}]
            assert found.text == ""
        assert sender.run("blockchain get *").data == []
        # Once more is no fault: it is there.
        assert insert(sender, device("p1"), address, local=False).data["id"] == "p1"
        assert len(written(node)) == 3

    def test_a_refusal_is_the_answer(self, master, sender):
        node, address = master
        push(node, "x")
        with pytest.raises(RemoteError, match=r"refused policy x: .* with other content") as caught:
            insert(sender, device("x", kind="other"), address, local=False)
        assert caught.value.code == 30

    def test_a_busy_master_stores_nothing_and_that_is_said(self, master, sender, monkeypatch):
        node, address = master
        push(node, "x")
        monkeypatch.setattr(limits, "SQLITE_BUSY_TIMEOUT_S", 0.2)
        with locked(node):
            with pytest.raises(RemoteError, match="now, and it is kept nowhere") as caught:
                insert(sender, device("p"), address, local=False)
            assert caught.value.code == 24
            assert "local = true" in str(caught.value.hint)
        assert len(written(node)) == 1

    def test_no_word_in_time_is_said(self, master, sender, monkeypatch):
        node, address = master
        push(node, "x")
        monkeypatch.setattr(limits, "STORED_WAIT_S", 0.3)
        said = pytest.raises(NoReply, match=r"did not say within 0\.3 s whether it is stored")
        with locked(node), said:
            insert(sender, device("p"), address, local=False)
        eventually(lambda: len(written(node)) == 2, "the policy after all")

    def test_a_master_that_is_not_there(self, sender):
        with pytest.raises(PeerRefused):
            insert(sender, device("p"), "127.0.0.1:9", local=False)

    def test_an_old_master_has_taken_it_and_says_no_more(self, sender):
        with old_node() as old:
            found = insert(sender, device("p"), old.address, local=False)
            assert found.data["masters"] == [{"master": old.address, "sequence": None}]
            assert (
                found.text == f"{old.address} has taken it, and does not say whether it is stored"
            )
            eventually(lambda: len(old.executed) == 1, "the message")
            assert old.executed[0].startswith("blockchain push {")

    def test_a_delete_returns_when_it_is_done(self, master, sender):
        node, address = master
        ids = ["plain", "with ' and \" and , and \n"]
        for policy_id in ids:
            node.run(f"blockchain push {device(policy_id)}")
        asker = Asker(sender, address)
        for number, policy_id in enumerate(ids, 3):
            command = f"blockchain drop confirm {json.dumps({'id': policy_id})}"
            answer = asker.ask(command).text
            assert re.fullmatch(rf"dropped {number} [0-9a-f]+ (?s:.*)", answer)
            assert answer.endswith(policy_id)
            assert asker.ask(command).text == answer.replace("dropped", "absent")
        node.run(f"blockchain push {device('p')}")
        delete = f"blockchain delete policy where id = p and local = false and master = {address}"
        assert sender.run(delete).data["masters"] == [{"master": address, "sequence": 6}]
        with pytest.raises(PolicyRowMissing, match="has no policy with id 'p'"):
            sender.run(delete)

    @pytest.mark.parametrize("given", ["{}", '{"id": ""}', '{"id": 7}', '{"id": "a", "b": 1}'])
    def test_a_delete_without_an_id(self, master, given):
        with pytest.raises(Exception, match="no id to drop"):
            master[0].run(f"blockchain drop confirm {given}")


class TestOutbox:
    def test_a_busy_master_is_asked_again_round_after_round(self, master, nodes, monkeypatch):
        """Weakness 1: pushes fail while another program has the database, and none is lost."""
        monkeypatch.setattr(limits, "SQLITE_BUSY_TIMEOUT_S", 0.2)
        monkeypatch.setattr(limits, "POSTPONED_RETRY_MAX_S", 0.5)
        node, address = master
        push(node, "first")
        follower = nodes("follower")
        # The interval is far longer than this test: what is refused is sent again by itself.
        follow(follower, address)
        eventually(lambda: names(follower) == ["first"], "the first ledger")
        wanted = {"first"}
        for round_ in range(3):
            with locked(node):
                for number in range(3):
                    policy_id = f"r{round_}p{number}"
                    insert(follower, device(policy_id), address, local=True)
                    wanted.add(policy_id)
                follower.run(
                    f"blockchain delete policy where id = {min(wanted)} and master = {address}"
                )
                wanted.remove(min(wanted))
                eventually(lambda: len(figures(follower)["postponed"]) == 4, "four times: not now")
                assert figures(follower)["refused"] == []
                waiting = figures(follower)["outbox"]
                assert {"insert", "delete"} == {change["change"] for change in waiting}
                assert all("locked by another" in change["postponed"] for change in waiting)
            eventually(lambda: figures(follower)["outbox"] == [], "an empty outbox")
            assert set(names(node_ledger(node))) == wanted
        assert set(names(follower)) == wanted
        assert same(node, follower)
        assert figures(follower)["postponed"] == []

    def test_a_policy_waits_for_the_one_that_it_names(self, master, nodes, monkeypatch):
        """Number 113 is no refusal: another node may be about to insert what is missing."""
        monkeypatch.setattr(limits, "POSTPONED_RETRY_MAX_S", 0.5)
        node, address = master
        follower = nodes("follower")
        listen(follower)
        cluster = (
            '{"cluster": {"name": "c", "company": "x", "id": "c1", "date": "2026",'
            ' "status": "active"}}'
        )
        follower.run(f"blockchain insert where policy = {cluster} and local = true")
        body = {"company": "x", "name": "o", "ip": "10.0.0.1", "port": 7, "cluster": "c1"}
        operator = json.dumps({"operator": {**body, "id": "o1"}})
        follower.run(f"blockchain insert where policy = {operator} and local = true")
        # The master has another idea of the cluster: it is refused, and with it what needs it.
        node.run("blockchain push " + cluster.replace('"c"', '"other"').replace("cluster", "group"))
        follower.run(
            "run blockchain sync where source = master and time = 30 minutes and dest = file"
            f" and connection = {address}"
        )
        eventually(lambda: len(figures(follower)["postponed"]) == 1, "the operator: not now")
        assert figures(follower)["postponed"][0]["code"] == 113
        assert figures(follower)["postponed"][0]["id"] == "o1"
        node.run("blockchain drop policy where id = c1")
        node.run(f"blockchain push {cluster}")
        eventually(lambda: figures(follower)["outbox"] == [], "an empty outbox")
        assert {entry[2] for entry in written(node)} == {"c1", "o1"}

    def test_a_delete_waits_for_the_masters_word(self, master, nodes, monkeypatch):
        """Weakness 3: neither a ledger without the policy nor a message that was taken will do."""
        node, address = master
        push(node, "a")
        push(node, "b")
        follower = nodes("follower")
        follow(follower, address)
        eventually(lambda: names(follower) == ["a", "b"], "the first ledger")
        stored = node._parts.master_ledger()
        drop, swallowed = stored.drop_later, []

        def swallow(ids, **how):
            done = drop(ids, **how)
            if len(swallowed) < 2:
                swallowed.append(done.result(15))
                raise RemoteError("somebody stumbled over the cable", 24)
            return done

        monkeypatch.setattr(limits, "POSTPONED_RETRY_MAX_S", 0.5)
        stored.drop_later = swallow
        follower.run(f"blockchain delete policy where id = a and master = {address}")
        eventually(lambda: same(node, follower), "the ledger without the policy")
        eventually(lambda: len(swallowed) == 2, "the delete once more")
        assert [found.found for found in swallowed] == [True, False]
        eventually(lambda: figures(follower)["pending_deletes"] == 0, "the acknowledgement")
        assert names(follower) == ["b"]
        assert [entry[1:] for entry in written(node)][-1] == ("del", "a")

    def test_a_delete_that_may_not_be_is_refused_and_kept(self, master, nodes):
        node, address = master
        push(node, "a")
        follower = nodes("follower")
        follow(follower, address)
        eventually(lambda: names(follower) == ["a"], "the first ledger")
        node.run("set remote permission = read")
        follower.run(f"blockchain delete policy where id = a and master = {address}")
        eventually(lambda: len(figures(follower)["refused"]) == 1, "the refusal")
        (change,) = figures(follower)["outbox"]
        assert change["change"] == "delete"
        assert "not permitted" in change["refused"]
        assert names(follower) == []
        assert names(node_ledger(node)) == ["a"]


def test_the_masters_own_file_goes_on_after_its_database_was_busy(master, monkeypatch):
    """Weakness 15: the loop of the master survives a lock of any length."""
    node, _ = master
    monkeypatch.setattr(limits, "SQLITE_BUSY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(limits, "SYNC_BACKOFF_MAX_S", 0.3)
    node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
    push(node, "a")
    eventually(lambda: names(node) == ["a"], "the policy in the file")
    path = node._parts.databases.get("blockchain").path
    with locked(node) as other:
        # A change by somebody else, so that the log has to be brought up to date.
        other.execute("COMMIT")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("UPDATE ledger SET host = 'x'")
        other.execute("COMMIT")
        other.execute("BEGIN EXCLUSIVE")
        calls = figures(node)["calls"]
        eventually(lambda: figures(node)["calls"] > calls + 1, "cycles during the lock")
        assert figures(node)["status"] == "Running"
    assert path.exists()
    push(node, "b")
    eventually(lambda: names(node) == ["a", "b"], "the next policy in the file")
    assert figures(node)["status"] == "Running"


class TestBounds:
    @pytest.fixture(params=["sqlite", "postgres"])
    def keeper(self, request, tmp_path) -> Iterator[Node]:
        where = "type = sqlite"
        if request.param == "postgres":
            where = request.getfixturevalue("postgres").where
        with Node(tmp_path / "master") as node:
            node.run(f"connect dbms blockchain where {where}")
            node.run("create table ledger where dbms = blockchain")
            yield node
        if request.param == "postgres":
            request.getfixturevalue("postgres").drop("blockchain")

    def test_ids_fit_into_every_database(self, keeper, nodes):
        longest = "é" * (limits.MAX_POLICY_ID_BYTES // 2)
        line = keeper.run(f"blockchain push confirm {device(longest)}").text
        assert line.endswith(longest)
        with pytest.raises(PolicyInvalid, match=r"id of 'device' has 1001 bytes, more than 1000"):
            keeper.run(f"blockchain push {device(longest + 'x')}")
        with pytest.raises(PolicyInvalid, match="which databases do not store"):
            keeper.run(f"blockchain push {device(chr(0))}")
        # What has no index, and no column that must tell it, is stored as it is.
        text = device("nul", company="a\0b", note="\0", status="x" * 5000)
        keeper.run(f"blockchain push {text}")
        assert keeper._parts.master_ledger().rows.text_of("nul") == text
        other = nodes("other")
        with pytest.raises(PolicyInvalid, match="1001 bytes"):
            other.run(f"blockchain insert where policy = {device(longest + 'x')} and local = true")

    def test_a_ledger_from_elsewhere_keeps_such_a_policy_in_quarantine(self, nodes):
        node = nodes("follower")
        lines = [device("a"), device("x" * 1001), device("b")]
        adoption = node._parts.ledger.adopt("".join(f"{line}\n" for line in lines).encode())
        assert names(node) == ["a", "b"]
        assert "1001 bytes" in str(adoption.quarantine[0])

    def test_a_ledger_that_could_not_be_sent_is_not_made(self, keeper, monkeypatch):
        line = len(device("p1")) + 1
        monkeypatch.setattr(limits, "MAX_SHARED_LEDGER_BYTES", 3 * line)
        for number in range(1, 4):
            keeper.run(f"blockchain push {device(f'p{number}')}")
        with pytest.raises(LedgerFull, match=rf"would have {4 * line} bytes with policy 'p4'"):
            keeper.run(f"blockchain push {device('p4')}")
        with pytest.raises(LedgerFull):
            keeper.run(f"blockchain replace policy p1 with {device('p1', note=1)}")
        assert keeper._parts.master_ledger().snapshot().count == 3
        keeper.run("blockchain drop policy where id = p2")
        keeper.run(f"blockchain push {device('p4')}")
        # Another program does not ask. What it made is told, and can be mended.
        monkeypatch.setattr(limits, "MAX_SHARED_LEDGER_BYTES", 2 * line)
        with pytest.raises(Exception, match="can be sent"):
            keeper.run("event get_blockchain ledger 0 0")
        keeper.run("blockchain drop policy where id = p4")
        assert keeper.run("event get_blockchain ledger 0 0").data["hash"]


class _Clock(datetime):
    """A clock that is set back by a day whenever it is looked at."""

    day = 28

    @classmethod
    def now(cls, tz=None) -> datetime:
        cls.day -= 1
        return datetime(2026, 1, cls.day, tzinfo=UTC)


def test_no_clock_decides_the_order_of_the_log(master, nodes, monkeypatch):
    """Weakness 27: numbers follow the order of acceptance, on whatever day."""
    node, address = master
    followers = [nodes("one"), nodes("two")]
    for follower in followers:
        follow(follower, address, "1 second")
    for module in ("blockchain", "ledger_table"):
        monkeypatch.setattr(f"edgelake.commands.{module}.datetime", _Clock)
    wanted = [f"p{number}" for number in range(12)]
    for policy_id in wanted:
        policy = json.dumps({"device": {"name": policy_id, "id": policy_id}})
        node.run(f"blockchain push {policy}")
    assert [(number, key) for number, _, key in written(node)] == list(enumerate(wanted, 1))
    dates = [json.loads(text)["device"]["date"] for text in _texts(node)]
    assert len(set(dates)) == 12
    for follower in followers:
        eventually(lambda f=follower: figures(f)["sequence"] == 12, "all changes")
        assert same(node, follower)
        # The file is in the order of the dates, which existing nodes keep.
        assert names(follower) == wanted[::-1]


def _texts(node: Node) -> list[str]:
    rows = node._parts.databases.get("blockchain").query(
        "SELECT policy FROM ledger_log ORDER BY seq"
    )
    return [text for (text,) in rows]


def test_who_has_a_policy_replaced_is_told_when_it_is_stored(tmp_path: Path) -> None:
    node, address = make_master(tmp_path / "replacing")
    with node, Client(address) as client:
        node.run('blockchain push {"device": {"id": "a", "name": "first"}}')
        word = 'blockchain replace policy {} with {{"device": {{"name": "second"}}}}'
        said = client.request(word.format("a")).split()
        assert (said[0], said[1], said[3]) == ("replaced", "2", "a")
        with pytest.raises(RemoteError, match="nosuch"):
            client.request(word.format("nosuch"))
        # At the master itself nothing is said, as ever.
        assert node.run(word.format("a")).text == ""
