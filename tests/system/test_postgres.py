"""Whole nodes with their ledger on a PostgreSQL server: as with SQLite, and while it restarts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

from tests.postgres import PostgresServer
from tests.system.conftest import NodeProcess
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _clean(postgres: PostgresServer) -> Iterator[None]:
    yield
    postgres.drop("blockchain")


def bring_up(node: NodeProcess, where: str, sync: str) -> str:
    """Prepare a node and return the address it listens on."""
    assert node.ask(f"connect dbms blockchain where {where}")[0].startswith("Database blockchain")
    assert node.ask("create table ledger where dbms = blockchain") == []
    answer = node.ask(
        "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
        " and threads = 2"
    )
    assert node.ask(f"run blockchain sync where time = 1 second and dest = file and {sync}") == []
    return answer[0].rpartition(" ")[2]


def names(lines: list[str]) -> list[str]:
    """Return the names in the policies of these lines; what marks a delete has none."""
    bodies = [next(iter(json.loads(line).values())) for line in lines]
    return sorted(body["name"] for body in bodies if "name" in body)


def in_file(node: NodeProcess) -> list[str]:
    """Return the names in a node's ledger file; while it has no policies it is one line feed."""
    lines = node.ledger.read_text().split("\n") if node.ledger.exists() else []
    return names([line for line in lines if line])


def in_table(postgres: PostgresServer) -> list[str]:
    with postgres.connect("blockchain") as link:
        return names([str(text) for (text,) in link.execute("SELECT policy FROM ledger")])


def insert(node: NodeProcess, name: str, master: str) -> None:
    policy = json.dumps({"device": {"name": name, "id": name}})
    command = f"blockchain insert where policy = {policy} and local = true and master = {master}"
    assert errors(node.ask(command)) == []


def errors(answer: list[str]) -> list[str]:
    """Return the lines of an answer that are errors of the command, not notices of the node."""
    return [line for line in answer if line.startswith("error")]


def test_a_master_and_a_follower(start, postgres):
    master, follower = start("master"), start("follower")
    one = bring_up(master, postgres.where, "source = dbms")
    bring_up(follower, "type = sqlite", f"dest = dbms and source = master and connection = {one}")
    for name in ("a", "b", "c"):
        insert(follower, name, one)
    eventually(lambda: in_table(postgres) == ["a", "b", "c"], "inserts in the table")
    for node in (master, follower):
        eventually(lambda node=node: in_file(node) == ["a", "b", "c"], "inserts in the files")
    with postgres.connect("blockchain") as link:
        hosts = link.execute("SELECT DISTINCT host, date IS NOT NULL FROM ledger").fetchall()
    assert hosts == [("127.0.0.1", True)]
    assert follower.ask(f"blockchain delete policy where id = b and master = {one}") == []
    eventually(lambda: in_table(postgres) == ["a", "c"], "the delete in the table")
    for node in (master, follower):
        eventually(lambda node=node: in_file(node) == ["a", "c"], "the delete in the files")
    # Somebody else's change reaches everybody, too.
    with postgres.connect("blockchain") as link:
        link.execute("DELETE FROM ledger WHERE policy_id = 'a'")
    for node in (master, follower):
        eventually(lambda node=node: in_file(node) == ["c"], "the foreign delete in the files")
    assert follower.ledger.read_bytes() == master.ledger.read_bytes()


def test_a_follower_with_its_table_on_a_server(start, postgres):
    master, follower = start("master"), start("follower")
    one = bring_up(master, "type = sqlite", "source = dbms")
    bring_up(follower, postgres.where, f"dest = dbms and source = master and connection = {one}")
    for name in ("a", "b"):
        insert(follower, name, one)
    eventually(lambda: in_table(postgres) == ["a", "b"], "the master's ledger in the table")
    assert follower.ask(f"blockchain delete policy where id = a and master = {one}") == []
    eventually(lambda: in_table(postgres) == ["b"], "the delete in the table")


@pytest.mark.stress
def test_a_server_that_restarts_under_load_loses_nothing(start, postgres):
    master, follower = start("master"), start("follower")
    one = bring_up(master, postgres.where, "source = dbms")
    bring_up(follower, "type = sqlite", f"source = master and connection = {one}")
    wanted = [f"n{number:03}" for number in range(150)]
    acknowledged: list[str] = []
    done = threading.Event()

    def push() -> None:
        """Store policies at the master itself; what it did not complain of is stored."""
        number = 0
        while not done.is_set():
            name = f"p{number:05}"
            policy = json.dumps({"device": {"name": name, "id": name}})
            if not errors(master.ask(f"blockchain push {policy}")):
                acknowledged.append(name)
            number += 1

    pushing = threading.Thread(target=push)
    pushing.start()
    try:
        for number, name in enumerate(wanted):
            insert(follower, name, one)
            if number % 50 == 25:
                before = len(acknowledged)
                (postgres.crash if number > 50 else postgres.stop)()
                postgres.start()
                eventually(lambda seen=before: len(acknowledged) > seen, "a push after the restart")
    finally:
        done.set()
        pushing.join()
    assert acknowledged

    def arrived() -> bool:
        with suppress(psycopg.OperationalError):
            return set(wanted) | set(acknowledged) <= set(in_table(postgres))
        return False

    eventually(arrived, "everything in the table", 60)
    stored = in_table(postgres)
    for node in (master, follower):
        eventually(lambda node=node: in_file(node) == stored, "everything in the files", 60)
    assert len(stored) == len(set(stored))


def test_a_node_ends_while_the_server_is_away(start, postgres):
    master = start("master")
    bring_up(master, postgres.where, "source = dbms")
    postgres.stop()
    try:
        (answer,) = errors(master.ask('blockchain push {"device": {"name": "d"}}'))
        assert answer.startswith("error 50: database 'blockchain': ")
        assert master.terminate() == 0
    finally:
        postgres.start()
