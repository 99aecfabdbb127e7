"""Queries of the ledger as commands: joins, limits, paths, and what looks no index up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgelake import Node, limits
from edgelake.errors import (
    BadArgument,
    CommandError,
    CommandSyntaxError,
    EdgeLakeError,
    LedgerInvalid,
    PolicyInvalid,
)
from edgelake.ledger import view

NAMES = ("a", "b", "c")


def insert(node: Node, policy: dict[str, Any]) -> None:
    """Insert a policy on a node alone."""
    node.run(f"blockchain insert where policy = {json.dumps(policy)} and local = true")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with three clusters, and an operator of each."""
    with Node(tmp_path / "home") as made:
        made.run("create work directories")
        for n, name in enumerate(NAMES):
            insert(made, {"cluster": {"id": f"c-{name}", "company": "x", "name": f"cl-{name}"}})
            place = {"ip": "10.0.0.1", "port": n + 1, "cluster": f"c-{name}", "member": n + 1}
            insert(made, {"operator": {"id": name, "company": "x", "name": f"op-{name}", **place}})
        yield made


# ------------------------------------------------------------------- joins

JOIN = "join ( blockchain get cluster where id = [operator][cluster] )"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (f"operator {JOIN} bring [cluster][name] separator = ,", "cl-a,cl-b,cl-c"),
        (f"operator {JOIN.replace('get', 'read')} bring [cluster][name]", "cl-acl-bcl-c"),
        (f'operator {{"name": "op-b"}} {JOIN} bring [operator][name] [cluster][name]', "op-bcl-b"),
        (f"operator {JOIN} where name = op-c bring [cluster][name]", "cl-c"),
        (f"operator where name = op-c {JOIN} bring [cluster][name]", "cl-c"),
        ('operator join (blockchain get cluster {"name": "cl-b"}) bring [cluster][id]', "c-b" * 3),
        ("(operator, none) join (blockchain get cluster) bring.count", "9"),
        ("operator merge ( blockchain get cluster ) bring [operator][status] separator = ,",
         "active,active,active"),
        ("operator join ( blockchain get none ) bring.count", "3"),
    ],
)  # fmt: skip
def test_a_join_stands_behind_the_type_or_behind_the_condition(node, command, expected):
    assert node.run(f"blockchain get {command}").text == expected
    assert node.run(f"blockchain read {command}").text == expected


@pytest.mark.parametrize(
    ("command", "error", "at"),
    [
        ("operator join blockchain get query", CommandSyntaxError, "join"),
        ("operator join", CommandSyntaxError, "join"),
        ("operator joint ( blockchain get cluster )", CommandSyntaxError, "joint"),
        ("operator ( blockchain get cluster )", CommandSyntaxError, "( block"),
        ('operator {"name": "a"} {"name": "b"}', CommandSyntaxError, '{"name": "b"}'),
        ('operator {"name": "a"} more', CommandSyntaxError, "more"),
        ("operator join ( get status )", BadArgument, "join"),
        ("operator join ( blockchain get cluster bring [*] )", BadArgument, "join"),
        ("operator join (blockchain get a) where name = a join (blockchain get b)", BadArgument,
         "join (blockchain get b)"),
        ("operator join (blockchain get a join (blockchain get b))", BadArgument, "join"),
    ],
)  # fmt: skip
def test_what_is_no_join_is_told_with_its_place(node, command, error, at):
    text = f"blockchain get {command}"
    with pytest.raises(error) as told:
        node.run(text)
    assert told.value.column == text.index(at) + 1
    assert told.value.hint


def test_a_join_has_so_many_results_and_no_more(node, monkeypatch):
    monkeypatch.setattr(limits, "MAX_JOINED_POLICIES", 9)
    command = "blockchain get operator join ( blockchain get cluster ) bring.count"
    assert node.run(command).data == 9
    monkeypatch.setattr(limits, "MAX_JOINED_POLICIES", 8)
    with pytest.raises(CommandError, match="the join has more than 8 results"):
        node.run(command)


def test_a_join_takes_so_long_and_no_longer(node, monkeypatch):
    monkeypatch.setattr(limits, "JOIN_TIMEOUT_S", -1.0)
    with pytest.raises(CommandError, match="the join takes more than"):
        node.run(f"blockchain get operator {JOIN}")


# ------------------------------------------------------------------- paths


def test_code_in_a_path_is_a_name_that_no_policy_has(node, tmp_path):
    proof = tmp_path / "proof"
    code = f"__import__('os').mkdir('{proof}')"
    for item in (
        f"[{code}]",
        f"[*][{code}]",
        f"[*][name({code})]",
        "[*][name.__class__]",
        "[*][__class__][__mro__]",
        "[*][name][0]",
        "[*][0 or name]",
        "[*]['na' 'me']",
    ):
        for command in (
            f"blockchain get operator bring {item}",
            f"blockchain get operator bring.sort(0) {item}",
            f"blockchain get operator where {item} == 1",
            f"blockchain get operator where {item} contains op",
            f"blockchain get operator where {item.removeprefix('[*]')} != 1",
            f"blockchain get operator where name = {item}",
            f"blockchain get operator where [name] == {item}",
            f"blockchain get operator join (blockchain get cluster where id = {item}) bring [a]",
        ):
            try:
                found = node.run(command)
            except EdgeLakeError:
                continue
            assert not found.data, command
    assert not proof.exists()


# ----------------------------------------------------------------- indices


def test_a_read_looks_no_index_up(node, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("an index was made")

    node.run("blockchain reload metadata")
    monkeypatch.setattr(view, "PolicyIndex", refuse)
    assert len(node.run("blockchain read operator where name = op-a").data) == 1
    assert len(node.run("blockchain read * where [port] > 1").data) == 2
    node.run("blockchain delete local file")
    with pytest.raises(AssertionError):
        node.run("blockchain get operator")


# ------------------------------------------------- policies and their table


def mapping(script: object) -> dict[str, Any]:
    """Return a mapping with a script."""
    column = {"type": "int", "script": script}
    return {"mapping": {"dbms": "d", "table": "t", "schema": {"v": [column], "__x__": 5}}}


def test_a_script_of_a_mapping_has_lines_that_can_be_read(node):
    lines = ["if [v] > 3 then ignore row", "", "# note", "set x = 5", "a command of another node"]
    insert(node, mapping(lines))
    for wrong in ('print "open', "set x = (1", "< x"):
        for command in ("insert where local = true and policy =", "add"):
            text = json.dumps(mapping(["set x = 5", wrong]))
            with pytest.raises(PolicyInvalid, match="line 2 of 'script' of column 'v'") as told:
                node.run(f"blockchain {command} {text}")
            assert wrong in str(told.value.hint)
    assert len(node.run("blockchain get mapping").data) == 1


def test_an_update_of_the_table_is_silent_if_asked(node, tmp_path):
    node.run("connect dbms blockchain where type = sqlite")
    node.run("blockchain create table")
    assert node.run("blockchain update dbms ignore message").text == ""
    told = node.run("blockchain update dbms")
    assert told.text == "Policies added to local DBMS: 0 from 6"
    file = tmp_path / "one.json"
    file.write_text('{"device": {"id": "d1"}}\n')
    quiet = node.run(f"blockchain update dbms {file} ignore message")
    assert (quiet.text, quiet.data) == ("", {"added": 1, "policies": 1})
    assert node.run(f"blockchain update dbms {file}").text.endswith("0 from 1")
    with pytest.raises(CommandSyntaxError, match="unexpected word 'ignore'"):
        node.run(f"blockchain update dbms {file} ignore")
    with pytest.raises(EdgeLakeError):
        node.run("blockchain update dbms ignore")
    (tmp_path / "none.json").touch()
    with pytest.raises(LedgerInvalid):
        node.run(f"blockchain update dbms {tmp_path / 'none.json'} ignore message")
