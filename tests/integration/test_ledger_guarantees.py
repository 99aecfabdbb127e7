"""What broke networks, done again here: rules, poison, changed text, SQL from user text, …

Each test is named by the number of the finding that it repeats.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgelake import Client, Node, limits
from edgelake.errors import (
    CommandError,
    EdgeLakeError,
    PeerRefused,
    PolicyConflict,
    PolicyInvalid,
    PolicyNotUnique,
    PolicyRowMissing,
    RemoteError,
)
from edgelake.ledger import canonical_digest, parse_policy
from tests.integration.ledger_cases import rows_of
from tests.integration.test_node import listen
from tests.waiting import eventually


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node in an empty home."""
    with Node(tmp_path / "home") as made:
        made.run("create work directories")
        yield made


@pytest.fixture
def master(node: Node) -> Node:
    """The same with a table ledger."""
    node.run("connect dbms blockchain where type = sqlite")
    node.run("blockchain create table")
    return node


@pytest.fixture
def pair(master: Node, tmp_path: Path) -> Iterator[tuple[Node, Node, str]]:
    """A master, a node that follows it, and the master's address."""
    address = listen(master)
    master.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
    with Node(tmp_path / "follower") as follower:
        listen(follower)
        follower.run(
            "run blockchain sync where source = master and time = 1 second and dest = file"
            f" and connection = {address}"
        )
        yield master, follower, address


def insert(node: Node, policy: object, where: str = "local = true") -> None:
    """Insert a policy that is given as data."""
    node.run(f"blockchain insert where policy = {json.dumps(policy)} and {where}")


def ids(node: Node) -> list[str]:
    """Return the ids of all policies that a node shows."""
    return [next(iter(found.values()))["id"] for found in node.run("blockchain get *").data or ()]


def lines(node: Node) -> list[str]:
    """Return the lines of a node's ledger file."""
    node._parts.ledger.write_file()
    return node.home.ledger_file.read_text().splitlines()


# ------------------------------------------------- 4, 20, 21: texts stay texts

ODD = {
    "company": "O'Brien",
    "status": 'it\'s "odd"',
    "pipe": "a|b",
    "both": "a\\'b",
    "text": "x'or(1)or'",
    "uni": "café 中 😀",
}


def test_4_and_21_any_text_reaches_every_node_unchanged(pair) -> None:
    master, follower, address = pair
    insert(follower, {"device": {**ODD, "id": "o'1"}}, f"local = true and master = {address}")
    eventually(lambda: ids(master) == ["o'1"], "the policy on the master")
    eventually(lambda: '"global"' in "".join(lines(follower)), "the policy confirmed")
    (row,) = rows_of(master)
    assert row[1:3] == ["o'1", "O'Brien"]
    assert lines(follower) == [row[6]]
    body = follower.run("blockchain get device").data[0]["device"]
    assert {key: body[key] for key in ODD} == ODD


@pytest.mark.parametrize(
    "text", ["x'or(1)or'", "' OR '1'='1", "a'; DROP TABLE ledger; --", "%", "*"]
)
def test_20_an_id_is_never_sql(master: Node, text: str) -> None:
    for number in range(4):
        master.run(f'blockchain push {{"device": {{"name": "d{number}"}}}}')
    with pytest.raises((PolicyRowMissing, CommandError)):
        master.run(f'blockchain drop policy where id = "{text}"')
    with pytest.raises((PolicyRowMissing, CommandError)):
        master.run(f'blockchain drop by host "{text}"')
    assert len(rows_of(master)) == 4


def test_20_a_drop_of_several_ids_is_all_or_nothing(master: Node) -> None:
    for name in "ab":
        master.run(f'blockchain push {{"device": {{"name": "{name}", "id": "{name}"}}}}')
    with pytest.raises(PolicyRowMissing, match="'c'"):
        master.run("blockchain drop policy where id = a,c,b")
    assert [row[1] for row in rows_of(master)] == ["a", "b"]


def test_20_paths_are_walked_and_never_evaluated(node: Node, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    insert(node, {"device": {"name": "d1"}})
    for item in (
        f"[__import__('os').mkdir('{proof}')]",
        f"[*][name(open('{proof}','w'))]",
        "[*][__class__][__mro__]",
    ):
        for command in (f"bring {item}", f"where {item} == 1"):
            try:
                assert not node.run(f"blockchain get device {command}").data
            except EdgeLakeError:
                continue
    assert not proof.exists()


def test_statements_that_are_pulled_hold_any_text(master: Node, tmp_path: Path) -> None:
    master.run(f"blockchain push {json.dumps({'device': ODD})}")
    master.run("blockchain pull to sql")
    script = master.home.ledger_file.with_suffix(".sql").read_text()
    with sqlite3.connect(":memory:") as other:
        other.execute(
            "CREATE TABLE ledger (policy_type, policy_id, company_name, date, host, status, policy)"
        )
        for statement in script.splitlines():
            other.execute(statement)
        found = [list(row) for row in other.execute("SELECT * FROM ledger")]
    other.close()
    assert found == rows_of(master)


# ------------------------------------------------------- 7: one odd policy


def test_7_an_incomplete_table_is_refused_at_the_node(node: Node) -> None:
    with pytest.raises(PolicyInvalid, match="policy 'table' without 'create'"):
        insert(node, {"table": {"name": "t1", "dbms": "d1"}})
    assert ids(node) == []


def test_7_the_master_refuses_what_a_message_brings_with_code_and_reason(master: Node) -> None:
    with Client(listen(master)) as client:
        for policy, code, reason in (
            ({"table": {"name": "t", "dbms": "d"}}, 87, "without 'create'"),
            ({"operator": {"name": "o", "ledger": "global"}}, 87, "without 'company'"),
            ({"bucket": {"name": "b", "operator": "o2"}}, 180, "name 'b' of policy 'bucket'"),
        ):
            if code == 180:
                master.run('blockchain push {"bucket": {"name": "b", "operator": "o"}}')
            with pytest.raises(RemoteError) as found:
                client.request(f"blockchain push {json.dumps(policy)}")
            assert found.value.remote_code == code
            assert reason in str(found.value)
    assert [row[0] for row in rows_of(master)] == ["bucket"]


def test_7_a_bad_row_is_set_aside_and_stops_nobody(pair) -> None:
    master, follower, address = pair
    with sqlite3.connect(master.home.databases_dir / "blockchain.dbms") as other:
        other.execute(
            "INSERT INTO ledger (policy_type, policy_id, host, policy) VALUES (?, ?, ?, ?)",
            ("table", "bad", "x", '{"table": {"name": "t", "dbms": "d", "id": "bad"}}'),
        )
    other.close()
    insert(follower, {"device": {"id": "good"}}, f"local = true and master = {address}")
    eventually(lambda: ids(master) == ["good"], "the policy on the master")
    eventually(lambda: '"global"' in "".join(lines(follower)), "the policy confirmed")
    assert ids(follower) == ["good"]


def test_7_two_tables_of_one_name_meet_at_the_master(master: Node) -> None:
    master.run('blockchain push {"table": {"name": "t", "dbms": "d", "create": "c"}}')
    with pytest.raises(PolicyNotUnique):
        master.run(
            'blockchain push {"table": {"name": "t", "dbms": "d", "create": "c", "company": "x"}}'
        )
    assert len(rows_of(master)) == 1


# ------------------------------------------------------------ 8: poison


@pytest.mark.parametrize(
    "changes", ["text", None, 5, ["x"], {"id": "other"}, {"tags": {"deep": [1]}}, {}]
)
def test_8_an_odd_anmp_policy_concerns_nobody_else(node: Node, changes: object) -> None:
    insert(node, {"device": {"name": "d1", "id": "dev-1"}})
    insert(node, {"anmp": {"dev-1": changes, "unknown": changes, "id": "a-1"}})
    insert(node, {"device": {"name": "d2", "id": "dev-2"}})
    node.run("blockchain reload metadata")
    assert ids(node) == ["dev-1", "a-1", "dev-2"]
    assert node.run("blockchain get device where name = d1").data
    if not isinstance(changes, dict):
        with pytest.raises(EdgeLakeError, match="holds no object"):
            node.run("blockchain test")


def test_8_anmp_changes_what_is_shown_and_no_line(node: Node) -> None:
    insert(node, {"device": {"name": "d1", "tags": ["a"], "id": "dev-1"}})
    before = lines(node)[0]
    for date, tags in (("2026-03", ["c"]), ("2026-02", ["b"])):
        insert(node, {"anmp": {"dev-1": {"tags": tags}, "date": date}})
    shown = node.run("blockchain get device").data[0]["device"]
    assert (shown["tags"], shown["anmp"]) == (["c"], {"tags": "2026-03"})
    assert node.run("blockchain get device where tags = c").data
    assert node.run("blockchain read device").data[0]["device"]["tags"] == ["a"]
    assert lines(node)[0] == before


# ----------------------------------------- 17: commands that end a process


@pytest.mark.parametrize(
    "command",
    [
        'blockchain insert where policy = {"a": {"b": 1}} and local = false and blockchain = x',
        'blockchain insert where policy = {"a": {"b": 1}} and local = false',
        "blockchain add 5",
        "blockchain add [1, 2]",
        'blockchain add [{"a": {}}, {"a": 1}]',
        "blockchain replace policy x with 5",
        'blockchain drop policy {"a": 1}',
        "blockchain drop policy",
        "blockchain update file /none",
        "blockchain pull to json",
        "blockchain wait where id = a and command = b",
        'blockchain wait where command = "get status"',
        "blockchain seed from 127.0.0.1:1",
        "blockchain switch network where master = 127.0.0.1:1",
        "blockchain prepare policy !nothing",
        "config from policy where id = none",
        "blockchain get device where name = a join ( get status )",
        "blockchain get device where name = a join ( blockchain get )",
    ],
)
def test_17_no_command_ends_the_node(node: Node, command: str) -> None:
    with pytest.raises(EdgeLakeError):
        node.run(command)
    assert node.run("get status").text == "edgelake running"
    assert ids(node) == []


# ----------------------------------------------- 19: memory against file


def test_19_a_delete_stays_done_across_restarts(node: Node, tmp_path: Path) -> None:
    for name in "abc":
        insert(node, {"device": {"id": name}})
    node.run("blockchain delete policy where id = b and local = true")
    assert ids(node) == ["a", "c"]
    node.run("blockchain reload metadata")
    assert ids(node) == ["a", "c"]
    node.close()
    with Node(tmp_path / "home") as again:
        with pytest.raises(PolicyConflict):
            insert(again, {"device": {"id": "a"}})
        assert ids(again) == ["a", "c"]
        for name in "ac":
            again.run(f"blockchain delete policy where id = {name} and local = true")
        assert ids(again) == []


def test_19_trees_need_no_reload(node: Node) -> None:
    insert(node, {"uns": {"name": "E", "namespace": "E", "id": "u1"}})
    insert(node, {"uns": {"name": "S", "namespace": "E/S", "id": "u2", "parent": "u1"}})
    assert node.run("blockchain get root policies bring [*][id]").text == "u1"
    assert node.run("blockchain get uns where id = u1 bring.children [*][id]").text == "u2"


# -------------------------------------------------------- 24: stop of nothing


def test_24_a_stop_of_nothing_cancels_no_start(master: Node) -> None:
    assert master.run("exit synchronizer").text == "synchronizer was not running"
    master.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
    master.run('blockchain push {"device": {"id": "d1"}}')
    eventually(lambda: ids(master) == ["d1"], "the synchronizer at work")


# --------------------------------------------------------------- 26: identity


def test_26_a_canonical_form_is_free_of_order_and_strong() -> None:
    one = parse_policy('{"device": {"a": 1.0, "b": "\\u00e9", "date": "x", "ledger": "local"}}')
    other = parse_policy('{ "device" : {"b": "é", "ledger": "global", "a": 1.0}}')
    assert canonical_digest(one) == canonical_digest(other)
    assert len(canonical_digest(one)) == 64
    assert canonical_digest(parse_policy('{"device": {"a": 1, "b": "é"}}')) != canonical_digest(one)


def test_26_a_table_can_be_replaced_on_the_master(pair) -> None:
    master, follower, address = pair
    table = {"name": "t", "dbms": "d", "create": "old"}
    insert(follower, {"table": table}, f"local = true and master = {address}")
    eventually(lambda: len(ids(master)) == 1, "the policy on the master")
    (policy_id,) = ids(master)
    new = json.dumps({"table": {**table, "create": "new"}})
    master.run(f"blockchain replace policy {policy_id} with {new}")
    eventually(
        lambda: follower.run("blockchain get table bring [*][create]").text == "new",
        "the new policy on the follower",
    )
    assert ids(follower) == [policy_id]


# ------------------------------------------------ commands between nodes


def test_a_node_begins_with_the_ledger_of_another(master: Node, tmp_path: Path) -> None:
    address = listen(master)
    master.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
    for name in "ab":
        master.run(f'blockchain push {{"device": {{"id": "{name}", "text": "it\'s"}}}}')
    eventually(lambda: ids(master) == ["a", "b"], "the policies on the master")
    with Node(tmp_path / "new") as new:
        listen(new)
        insert(new, {"device": {"id": "mine"}})
        new.run(f"blockchain seed from {address}")
        assert ids(new) == ["a", "b", "mine"]
        assert lines(new)[:2] == lines(master)
        new.run(f"blockchain seed from {address}")
        assert ids(new) == ["a", "b", "mine"]


def test_who_gives_no_ledger_to_begin_with_is_told_why(node: Node) -> None:
    listen(node)
    with pytest.raises(PeerRefused, match="refused the connection"):
        node.run("blockchain seed from 127.0.0.1:1")
    assert ids(node) == []


def test_a_ledger_to_begin_with_may_take_its_time(
    master: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = listen(master)
    master.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
    master.run('blockchain push {"device": {"id": "a"}}')
    eventually(lambda: ids(master) == ["a"], "the policy on the master")
    monkeypatch.setattr(limits, "SILENT_REPLY_WAIT_S", 0.0)
    with Node(tmp_path / "new") as new:
        listen(new)
        new.run(f"blockchain seed from {address}")
        assert ids(new) == ["a"]


def test_a_node_goes_over_to_another_master(pair, tmp_path: Path) -> None:
    _, follower, first = pair
    with Node(tmp_path / "second") as second:
        second.run("connect dbms blockchain where type = sqlite")
        second.run("blockchain create table")
        address = listen(second)
        second.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
        second.run('blockchain push {"device": {"id": "there"}}')
        follower.run(f"blockchain switch network where master = {address}")
        eventually(lambda: ids(follower) == ["there"], "the ledger of the second master")
        figures = follower.run("get synchronizer where format = json").data
        assert figures["connection"] == address != first


def test_a_policy_configures_the_node(node: Node) -> None:
    script = ["a = 5", "b = !a"]
    insert(node, {"config": {"name": "c", "script": script, "id": "c1"}})
    node.run("config from policy where id = c1")
    assert node.run("!b").text == "5"
    insert(node, {"config": {"script": ["a = 6", "polish", "a = 7"], "id": "c2"}})
    with pytest.raises(CommandError):
        node.run("config from policy where id = c2")
    assert node.run("!a").text == "6"


def test_what_is_waited_for_comes(node: Node) -> None:
    insert(node, {"device": {"name": "d", "id": "d1"}})
    assert node.run("blockchain wait where id = d1").data is True
    policy = json.dumps({"device": {"name": "d", "id": "d1"}})
    node.run(f"x = blockchain wait where policy = {policy}")
    assert node.run("!x").text == "true"


def test_a_ledger_that_is_deleted_can_be_taken_back(node: Node) -> None:
    insert(node, {"device": {"id": "d1"}})
    node.run("blockchain delete local file")
    assert ids(node) == []
    old = node.home.ledger_file.with_suffix(".old")
    assert '"d1"' in old.read_text()
    node.run(f"blockchain update file {old}")
    assert ids(node) == ["d1"]


def test_a_damaged_ledger_file_is_not_taken(node: Node, tmp_path: Path) -> None:
    insert(node, {"device": {"id": "d1"}})
    torn = tmp_path / "torn.json"
    torn.write_text('{"device": {"id": "d2"}}\n{"device": {"id": "d')
    with pytest.raises(EdgeLakeError, match="not usable"):
        node.run(f"blockchain update file {torn}")
    assert ids(node) == ["d1"]


def test_a_dropped_table_is_kept_as_a_file(master: Node) -> None:
    master.run('blockchain push {"device": {"id": "d1"}}')
    master.run("blockchain drop table")
    assert '"d1"' in master.home.ledger_file.with_suffix(".dropped").read_text()
    with pytest.raises(EdgeLakeError):
        master.run("blockchain pull to stdout")
    master.run("blockchain create table")
    assert master.run("blockchain pull to stdout").data == []
