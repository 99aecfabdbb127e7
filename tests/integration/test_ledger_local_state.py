"""What broke the local state of nodes, done again here: torn files, restarts, tables.

Each test is named by the number of the finding that it repeats.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from edgelake import Node
from edgelake.errors import LedgerInvalid, PolicyConflict
from tests.integration.test_node import listen
from tests.waiting import eventually

Start = Callable[[str], Node]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start nodes, each in the home of its name."""
    with ExitStack() as nodes:
        yield lambda name: nodes.enter_context(Node(tmp_path / name))


@pytest.fixture
def master(start: Start) -> tuple[Node, str]:
    """A master that listens."""
    node = start("master")
    node.run("create work directories")
    node.run("connect dbms blockchain where type = sqlite")
    node.run("blockchain create table")
    address = listen(node)
    node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")
    return node, address


def follow(node: Node, address: str, dest: str = "dest = file") -> None:
    listen(node)
    node.run(
        f"run blockchain sync where source = master and time = 1 second and {dest}"
        f" and connection = {address}"
    )


def insert(node: Node, name: str, master: str = "") -> None:
    where = f" and master = {master}" if master else ""
    policy = {"device": {"name": name, "id": name}}
    node.run(f"blockchain insert where policy = {json.dumps(policy)} and local = true{where}")


def ids(node: Node) -> list[str]:
    return [next(iter(found.values()))["id"] for found in node.run("blockchain get *").data or ()]


def table_of(node: Node) -> dict[str, str]:
    """Return the policies of a node's table by id."""
    path = node.home.databases_dir / "blockchain.dbms"
    with closing(sqlite3.connect(path)) as database:
        return dict(database.execute("SELECT policy_id, policy FROM ledger"))


# ----------------------------------------------------------- 9: a torn line


@pytest.mark.parametrize("torn", ["file", "journal", "both"])
def test_9_a_torn_end_blocks_nothing_and_loses_nothing(start, master, tmp_path, torn) -> None:
    node, address = master
    node.run('blockchain push {"device": {"name": "m1", "id": "m1"}}')
    with Node(tmp_path / "one") as first:
        follow(first, address)
        eventually(lambda: ids(first) == ["m1"], "the first ledger")
        first.run("exit synchronizer")
        insert(first, "mine1")
        insert(first, "mine2")
        path = first.home.ledger_file
    journal = path.with_suffix(".log")
    if torn != "journal":
        # The last line is cut, as after a full disk.
        path.write_bytes(path.read_bytes()[:-9])
    if torn != "file":
        # A change that was under way when the power failed.
        data = journal.read_bytes()
        journal.write_bytes(data + data[-60:-9])
    again = start("one")
    kept = ["m1", "mine1", "mine2"]
    assert sorted(ids(again)) == kept
    damage = again.run("get synchronizer").data
    assert damage["damage"] == (2 if torn == "both" else 1)
    insert(again, "mine3")
    (notice,) = again.notices()
    assert "set aside in blockchain.damaged" in notice.text
    assert path.with_suffix(".damaged").stat().st_size > 0
    assert sorted(ids(again)) == [*kept, "mine3"]
    node.run('blockchain push {"device": {"name": "m2", "id": "m2"}}')
    follow(again, address)
    everything = ["m1", "m2", "mine1", "mine2", "mine3"]
    eventually(lambda: sorted(ids(again)) == everything, "the master's new policy")
    eventually(lambda: sorted(ids(node)) == everything, "the policies that waited")
    theirs = node.home.ledger_file
    eventually(theirs.exists, "the master's file")
    eventually(lambda: path.read_bytes() == theirs.read_bytes(), "equal files")


def test_9_damage_of_the_masters_part_is_mended_by_the_master(start, master, tmp_path) -> None:
    node, address = master
    for number in range(20):
        node.run(f'blockchain push {{"device": {{"name": "m{number}", "id": "m{number}"}}}}')
    with Node(tmp_path / "one") as first:
        follow(first, address)
        eventually(lambda: len(ids(first)) == 20, "the first ledger")
        first.run("exit synchronizer")
        insert(first, "mine", address)
        path = first.home.ledger_file
    journal = path.with_suffix(".log")
    data = journal.read_bytes()
    at = data.index(b'"m7"')
    journal.write_bytes(data[:at] + b'"\xff\xff' + data[at + 3 :])
    path.unlink()
    again = start("one")
    assert "mine" in ids(again)
    follow(again, address)
    eventually(lambda: len(ids(again)) == 21, "the whole ledger")
    eventually(lambda: "mine" in ids(node), "the policy that waited")
    assert again.run("get synchronizer").data["damage"] >= 1


# ------------------------------------------------- 10: crash between two steps


@pytest.mark.parametrize("lost", ["file", "journal"])
def test_10_either_file_alone_is_the_ledger(start, tmp_path, lost) -> None:
    with Node(tmp_path / "one") as first:
        first._parts.ledger.adopt(b'{"device": {"id": "m"}}\n')
        insert(first, "mine")
        path = first.home.ledger_file
    content = path.read_bytes()
    (path if lost == "file" else path.with_suffix(".log")).unlink()
    path.with_name(".blockchain.json.0123456789abcdef.edgelake-tmp").write_bytes(b"half a fi")
    again = start("one")
    assert ids(again) == ["m", "mine"]
    assert again.run("blockchain test").text == "Blockchain file status: OK"
    insert(again, "next")
    eventually(lambda: path.exists() and path.read_bytes().startswith(content), "the file")
    assert not list(path.parent.glob(".*.edgelake-tmp"))


def test_10_the_file_is_up_to_date_soon_after_a_crash(start, tmp_path) -> None:
    with Node(tmp_path / "one") as first:
        insert(first, "a")
        path = first.home.ledger_file
    before = path.read_bytes()
    with Node(tmp_path / "one") as first:
        insert(first, "b")
    after = path.read_bytes()
    path.write_bytes(before)
    again = start("one")
    assert ids(again) == ["a", "b"]
    # Whoever makes the ledger ready for writing brings its file up to date.
    with pytest.raises(PolicyConflict):
        insert(again, "a")
    eventually(lambda: path.read_bytes() == after, "the file")


# --------------------------------------------------- 19: memory against file


def test_19_what_is_shown_is_what_a_restart_shows(start, tmp_path) -> None:
    steps: list[Callable[[Node], object]] = [
        lambda node: insert(node, "a"),
        lambda node: node.run("blockchain delete policy where id = a and local = true"),
        lambda node: insert(node, "b"),
        lambda node: node._parts.ledger.adopt(
            b'{"device": {"id": "m", "date": "2026"}}\n{"device": {"id": "n"}}\n'
        ),
        lambda node: node.run("blockchain delete policy where id = n and local = true"),
        lambda node: node._parts.ledger.adopt(
            b'{"device": {"id": "early", "date": "2020"}}\n'
            b'{"device": {"id": "m", "date": "2026"}}\n{"device": {"id": "n"}}\n'
        ),
        lambda node: node.run("blockchain reload metadata"),
        lambda node: node._parts.ledger.adopt(b"\n", allow_empty=True),
        lambda node: node.run("blockchain delete local file"),
    ]
    wanted = [["a"], [], ["b"], ["m", "n", "b"], ["m", "b"], ["early", "m", "b"]]
    wanted += [["early", "m", "b"], ["b"], []]
    for step, expected in zip(steps, wanted, strict=True):
        with Node(tmp_path / "one") as node:
            step(node)
            assert ids(node) == expected
            shown = node.run("blockchain get *").data
        with Node(tmp_path / "one") as node:
            assert node.run("blockchain get *").data == shown
            for policy_id in expected:
                # An id that is in the file is known from the first command on.
                with pytest.raises(PolicyConflict):
                    insert(node, policy_id)
            if expected:
                assert node.run("blockchain test").text == "Blockchain file status: OK"
            else:
                with pytest.raises(LedgerInvalid, match="empty"):
                    node.run("blockchain test")
        lines = [
            json.loads(line)
            for line in node.home.ledger_file.read_text().splitlines()
            if line and '"deleted"' not in line
        ]
        hidden = [next(iter(line.values()))["id"] for line in lines]
        assert set(expected) <= set(hidden)


# ------------------------------------------------------ 22: dest = dbms


def test_22_the_table_follows_deletes_and_replacements(start, master) -> None:
    node, address = master
    for name in "abc":
        node.run(f'blockchain push {{"device": {{"name": "{name}", "id": "{name}"}}}}')
    follower = start("one")
    follower.run("connect dbms blockchain where type = sqlite")
    follower.run("blockchain create table")
    follow(follower, address, "dest = file and dest = dbms")
    eventually(lambda: sorted(table_of(follower)) == ["a", "b", "c"], "the first table")
    node.run("blockchain drop policy where id = b")
    eventually(lambda: sorted(table_of(follower)) == ["a", "c"], "the delete in the table")
    node.run('blockchain replace policy c with {"device": {"name": "other"}}')
    eventually(lambda: "other" in table_of(follower)["c"], "the other text in the table")
    assert table_of(follower) == table_of(node)
    insert(follower, "d", address)
    eventually(lambda: "d" in table_of(node), "the policy on the master")
    eventually(lambda: table_of(follower) == table_of(node), "equal tables")
