"""Followers follow followers: chains, trees, circles, and what goes up to the master."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing

import pytest

from edgelake import limits
from edgelake.errors import (
    BadArgument,
    LedgerCircle,
    OptionNotAvailable,
    RemoteError,
)
from tests import relays
from tests.integration.ledger_cases import rows_of
from tests.integration.test_ledger_log import (
    figures,
    listen,
    make_master,
    names,
    push,
)
from tests.old_node import old_node
from tests.relays import ask, follow, insert, ledger_of, master_bytes, sync
from tests.waiting import eventually

nodes, master, chain = relays.nodes, relays.master, relays.chain


class TestChain:
    def test_changes_run_down_and_up(self, chain):
        up = chain.addresses[-2]
        whole = figures(chain.last)["bytes"]
        push(chain.master, "b", "2026-b")
        eventually(lambda: names(chain.last) == ["a", "b"], "the change at the end of the chain")
        # Entries travel, not the ledger.
        row = json.dumps({"device": {"name": "b", "id": "b", "date": "2026-b"}})
        assert figures(chain.last)["bytes"] == whole + len(row)
        insert(chain.last, "mine", up)
        eventually(lambda: "mine" in ledger_of(chain.master).decode(), "the insert on the master")
        eventually(lambda: figures(chain.last)["pending_policies"] == 0, "the acknowledgement")
        eventually(lambda: figures(chain.last)["lag"] == 0, "all of it here")
        assert sorted(names(chain.last)) == ["a", "b", "mine"]
        chain.last.run(f"blockchain delete policy where id = a and master = {up}")
        eventually(lambda: b'"id": "a"' not in ledger_of(chain.master), "the delete on the master")
        eventually(lambda: figures(chain.last)["pending_deletes"] == 0, "its end here")
        for node in (chain.one, chain.two, chain.last):
            eventually(lambda n=node: master_bytes(n) == ledger_of(chain.master), "the same bytes")
        assert [figures(node)["depth"] for node in (chain.one, chain.two, chain.last)] == [1, 2, 3]
        assert [figures(node)["role"] for node in (chain.one, chain.two, chain.last)] == [
            "relay",
            "relay",
            "follower",
        ]
        assert figures(chain.last)["master_heard_s"] is not None
        assert "Master: 3 hops away" in chain.last.run("get synchronizer").text
        relayed = chain.one.run("get relay where format = json").data
        assert relayed["forwarded"] == 2
        assert figures(chain.last)["master"] == chain.addresses[0]
        assert relayed["upstream"] == chain.addresses[0]
        assert relayed["followers_told"] > 0

    def test_a_change_of_the_middle_reaches_both_ends(self, chain):
        insert(chain.two, "middle", chain.addresses[1])
        eventually(lambda: b"middle" in ledger_of(chain.master), "the insert on the master")
        for node in (chain.one, chain.last):
            eventually(lambda n=node: "middle" in names(n), "the policy at the ends")
        eventually(lambda: figures(chain.two)["pending_policies"] == 0, "the acknowledgement")

    def test_changes_for_the_master_itself_go_by_the_relays(self, chain):
        insert(chain.last, "mine", chain.addresses[0])
        eventually(lambda: figures(chain.last)["pending_policies"] == 0, "the acknowledgement")
        assert chain.one.run("get relay").data["forwarded"] == 1
        (host,) = [row[4] for row in rows_of(chain.master) if row[1] == "mine"]
        assert host == "127.0.0.1"
        assert "push confirm" not in chain.master.run("get event log").text

    def test_a_refusal_of_the_master_comes_back_to_the_end(self, chain):
        push(chain.master, "x", "2026-x")
        eventually(lambda: "x" in names(chain.last), "the policy")
        conflict = 'blockchain forward push 127.0.0.1 8 {"device": {"id": "x", "name": "other"}}'
        with pytest.raises(RemoteError, match="other content") as got:
            ask(chain.addresses[2], conflict)
        assert got.value.remote_code == 30
        with pytest.raises(RemoteError, match="no row with id") as got:
            ask(chain.addresses[2], 'blockchain forward drop 127.0.0.1 8 {"id": ["x", "nobody"]}')
        assert got.value.remote_code == 101
        assert "x" in names(chain.last)
        place = chain.master._parts.master_ledger().position()
        absent = f"absent {place.seq} {place.epoch} nobody"
        single = '{"id": "nobody"}'
        assert ask(chain.addresses[2], f"blockchain forward drop 127.0.0.1 8 {single}") == absent
        assert ask(chain.addresses[2], f"blockchain drop confirm {single}") == absent
        with pytest.raises(RemoteError, match="no row with id") as got:
            ask(chain.addresses[2], "blockchain drop policy where id = nobody")
        assert got.value.remote_code == 101

    def test_the_master_is_told_who_asked_and_the_answer_is_the_masters(self, chain):
        text = '{"device": {"id": "far", "date": "2026", "name": "far"}}'
        answer = ask(chain.addresses[2], f"blockchain forward push 10.9.8.7 8 {text}")
        place = chain.master._parts.master_ledger().position()
        (line,) = [x for x in ledger_of(chain.master).decode().splitlines() if '"far"' in x]
        digest = hashlib.sha256(line.encode()).hexdigest()
        assert answer == f"stored {place.seq} {place.epoch} {digest} far"
        (host,) = [row[4] for row in rows_of(chain.master) if row[1] == "far"]
        assert host == "10.9.8.7"
        answer = ask(chain.addresses[2], 'blockchain forward drop 10.9.8.7 8 {"id": "far"}')
        assert answer == f"dropped {place.seq + 1} {place.epoch} far"

    def test_a_relay_goes_on_from_its_place_after_a_restart(self, chain, nodes):
        chain.two.close()
        push(chain.master, "b", "2026-b")
        again = nodes("two")
        port = chain.addresses[2].rpartition(":")[2]
        listen(again, int(port))
        again.run(sync(chain.addresses[1], relay=True))
        eventually(lambda: names(again) == ["a", "b"], "what was missed")
        chain.last.run("run blockchain sync")
        eventually(lambda: names(chain.last) == ["a", "b"], "the same at the end")
        # It is told again from now on.
        push(chain.master, "c", "2026-c")
        eventually(
            lambda: names(chain.last) == ["a", "b", "c"], "the change at the end of the chain"
        )

    def test_many_missed_changes_come_in_several_answers(self, chain, monkeypatch):
        monkeypatch.setattr(limits, "MAX_LEDGER_ENTRIES_PER_ANSWER", 3)
        chain.last.run("exit synchronizer")
        for number in range(10):
            push(chain.master, f"p{number}", f"2026-p{number}")
        eventually(lambda: len(names(chain.two)) == 11, "all of them on the relay")
        chain.last.run(sync(chain.addresses[2]))
        eventually(lambda: len(names(chain.last)) == 11, "all of them at the end")
        # By entries: the ledger is more than ten policies long.
        whole = sum(len(row[-1]) for row in rows_of(chain.master) if row[1] != "a")
        assert figures(chain.last)["bytes"] == whole


class TestChanges:
    def test_another_master_is_followed_by_all_and_nothing_is_mixed(self, chain, nodes, tmp_path):
        other, other_address = make_master(tmp_path / "other")
        with other:
            push(other, "z")
            chain.one.run(f"blockchain switch network where master = {other_address}")
            for node in (chain.one, chain.two, chain.last):
                eventually(lambda n=node: master_bytes(n) == ledger_of(other), "the other ledger")
            assert names(chain.last) == ["z"]
            push(chain.master, "never", "2026-n")
            push(other, "y", "2026-y")
            eventually(lambda: names(chain.last) == ["z", "y"], "a change of the other master")
            epoch = other._parts.master_ledger().position().epoch
            eventually(lambda: figures(chain.last)["epoch"] == epoch, "the place in its log")

    def test_a_relay_without_its_master_gives_what_it_has(self, tmp_path, nodes):
        master, address = make_master(tmp_path / "master")
        one, late = nodes("one"), nodes("late")
        with master:
            push(master, "a")
            relay = follow(one, address, "1 second", relay=True)
            eventually(lambda: names(one) == ["a"], "the first ledger")
        eventually(lambda: figures(one)["failures_in_a_row"] > 0, "the loss of the master")
        follow(late, relay, "1 second")
        eventually(lambda: names(late) == ["a"], "the ledger of the relay")
        insert(late, "mine", relay)
        eventually(
            lambda: "did not bring it to the master" in str(figures(late)["last_error"]),
            "word that the master is away",
        )
        assert figures(late)["pending_policies"] == 1
        assert figures(late)["refused"] == []
        first = figures(late)["master_heard_s"]
        eventually(lambda: figures(late)["master_heard_s"] > first, "the age grows")
        again, _ = make_master(tmp_path / "master", int(address.rpartition(":")[2]))
        with again:
            eventually(lambda: b"mine" in ledger_of(again), "the insert on the master")
            eventually(lambda: figures(late)["pending_policies"] == 0, "the acknowledgement")
            assert names(late) == ["a", "mine"]

    def test_a_delete_that_a_relay_has_is_not_done_yet(self, chain):
        chain.two.run("exit synchronizer")
        chain.last.run(f"blockchain delete policy where id = a and master = {chain.addresses[2]}")
        eventually(
            lambda: "follows no master now" in str(figures(chain.last)["last_error"]), "its word"
        )
        assert figures(chain.last)["pending_deletes"] == 1
        assert names(chain.last) == []
        chain.two.run(sync(chain.addresses[1], relay=True))
        eventually(lambda: b'"a"' not in ledger_of(chain.master), "the delete on the master")
        eventually(lambda: figures(chain.last)["pending_deletes"] == 0, "its end")

    def test_a_follower_ahead_of_a_relay_waits_for_it(self, chain, nodes):
        chain.two.run("exit synchronizer")
        push(chain.master, "b", "2026-b")
        eventually(lambda: names(chain.one) == ["a", "b"], "the change on the first relay")
        chain.last.run(f"blockchain switch network where master = {chain.addresses[1]}")
        eventually(lambda: names(chain.last) == ["a", "b"], "the change on the follower")
        # The second relay has lost its master, and has less.
        chain.last.run(f"blockchain switch network where master = {chain.addresses[2]}")
        eventually(
            lambda: "waits for the relay" in str(figures(chain.last)["last_error"]), "its word"
        )
        assert names(chain.last) == ["a", "b"]
        chain.two.run(sync(chain.addresses[1], relay=True))
        push(chain.master, "c", "2026-c")
        eventually(lambda: names(chain.last) == ["a", "b", "c"], "what comes later")

    def test_a_log_that_fell_back_is_followed_back(self, tmp_path, nodes):
        master, address = make_master(tmp_path / "master")
        one, last = nodes("one"), nodes("last")
        with master:
            push(master, "a")
            path = master._parts.databases.get("blockchain").path
            relay = follow(one, address, "1 second", relay=True)
            eventually(lambda: names(one) == ["a"], "the first ledger")
            follow(last, relay, "1 second")
            eventually(lambda: names(last) == ["a"], "the first ledger")
            with (
                closing(sqlite3.connect(path)) as now,
                closing(sqlite3.connect(tmp_path / "backup")) as backup,
            ):
                now.backup(backup)
            push(master, "b", "2026-b")
            eventually(lambda: names(last) == ["a", "b"], "the change")
        for old in path.parent.glob(f"{path.name}*"):
            old.unlink()
        (tmp_path / "backup").rename(path)
        again, _ = make_master(tmp_path / "master", int(address.rpartition(":")[2]))
        with again:
            eventually(lambda: names(last) == ["a"], "the ledger of the backup")
            push(again, "c", "2026-c")
            eventually(lambda: names(last) == ["a", "c"], "what comes later")


class TestCircles:
    def test_a_node_does_not_follow_itself(self, nodes):
        node = nodes("one")
        own = listen(node)
        with pytest.raises(LedgerCircle, match="would follow itself"):
            node.run(sync(own))
        other = nodes("two")
        node.run(sync(listen(other)))
        with pytest.raises(LedgerCircle, match="would follow itself"):
            node.run(f"blockchain switch network where master = {own}")
        assert figures(node)["status"] == "Running"

    @pytest.mark.parametrize("count", [2, 3])
    def test_relays_in_a_circle_say_so_and_rest(self, master, nodes, count):
        top, address = master
        push(top, "a")
        made = [nodes(f"n{number}") for number in range(count)]
        addresses = [follow(made[0], address, "1 second", relay=True)]
        for node in made[1:]:
            addresses.append(follow(node, addresses[-1], "1 second", relay=True))
        eventually(lambda: names(made[-1]) == ["a"], "the first ledger")
        made[0].run(f"blockchain switch network where master = {addresses[-1]}")
        for node in made:
            eventually(lambda n=node: "circle" in n.run("get relay").text, "the circle is told")
        assert any("follows this node" in str(figures(n)["last_error"]) for n in made)
        for node in made:
            assert names(node) == ["a"]
        # Nothing is passed round in it.
        with pytest.raises(RemoteError, match="reaches no master"):
            ask(addresses[0], 'blockchain push confirm {"device": {"id": "x", "name": "x"}}')
        made[0].run(f"blockchain switch network where master = {address}")
        push(top, "b", "2026-b")
        for node in made:
            eventually(lambda n=node: names(n) == ["a", "b"], "the end of the circle")

    def test_more_relays_than_may_be_are_refused(self, chain, monkeypatch):
        monkeypatch.setattr(limits, "MAX_RELAYS", 2)
        chain.last.run("run blockchain sync")
        eventually(lambda: figures(chain.last)["lag"] == 0, "two are allowed")
        assert figures(chain.last)["depth"] == 3
        monkeypatch.setattr(limits, "MAX_RELAYS", 1)
        chain.last.run("run blockchain sync")
        eventually(
            lambda: "more than 1 relays" in str(figures(chain.last)["last_error"]), "the refusal"
        )
        assert names(chain.last) == ["a"]
        insert = 'blockchain forward push 127.0.0.1 {} {{"device": {{"id": "x", "name": "x"}}}}'
        with pytest.raises(RemoteError, match="reached no master"):
            ask(chain.addresses[2], insert.format(1))
        assert ask(chain.addresses[2], insert.format(2)).startswith("stored 2 ")


class TestOthers:
    def test_an_old_follower_gets_the_masters_part_and_changes_it(self, chain):
        # The relay cannot bring it up: its own line stays its own.
        chain.one.run("set remote permission = read")
        insert(chain.two, "own", chain.addresses[1])
        eventually(lambda: figures(chain.two)["refused"], "the refusal")
        with old_node() as old:
            old.run_client(chain.addresses[2], "event get_blockchain /tmp/x.new 0 0")
            eventually(lambda: len(old.files) == 1, "the ledger")
            (name,) = old.files
            assert name.startswith("/tmp/x.master_id_")
            assert old.files[name] == ledger_of(chain.master)
            md5 = hashlib.md5(ledger_of(chain.master)).hexdigest()
            old.run_client(chain.addresses[2], f"event get_blockchain /tmp/x.new {md5} 2")
            eventually(lambda: any("not changed" in text for text in old.notices), "no ledger")
            assert len(old.files) == 1
            chain.one.run("set remote permission = metadata")
            policy = '{"device": {"id": "o", "name": "o", "date": "2026-o"}}'
            old.run_client(chain.addresses[2], f"blockchain push ignore {policy}")
            eventually(lambda: '"id": "o"' in ledger_of(chain.master).decode(), "the policy")
            eventually(lambda: "o" in names(chain.last), "the policy at the other follower")
            (host,) = [row[4] for row in rows_of(chain.master) if row[1] == "o"]
            assert host == old.host
            old.run_client(chain.addresses[2], f"event get_blockchain /tmp/y.new {md5} 0")
            eventually(lambda: len(old.files) == 2, "the ledger with it")
            assert list(old.files.values())[1] == ledger_of(chain.master)
            assert "own" in names(chain.two)
            old.run_client(chain.addresses[2], "blockchain drop policy where id = o", job_id=5)
            eventually(lambda: '"id": "o"' not in ledger_of(chain.master).decode(), "its end")
            old.run_client(chain.addresses[2], "blockchain drop policy where id = o", job_id=6)
            eventually(lambda: old.errors, "an error")
            ((code, text),) = old.errors
            assert code == 101
            assert text.startswith("Blockchain message 'drop' failed no row with id 'o'")

    def test_an_empty_ledger_is_never_made_up(self, nodes):
        relay = nodes("one")
        away = "127.0.0.1:9"
        address = follow(relay, away, relay=True)
        with pytest.raises(RemoteError, match="no ledger of a master"):
            ask(address, "event get_blockchain /tmp/x.new 0 0")
        last = nodes("last")
        follow(last, address)
        eventually(lambda: "gives no ledger now" in str(figures(last)["last_error"]), "its word")
        assert last._parts.ledger.master_hash() == "0"

    def test_a_relay_of_an_existing_master_passes_on_what_there_is(self, nodes):
        with old_node() as old:
            policy = {"device": {"id": "a", "name": "a", "date": "2026", "ledger": "global"}}
            old.ledger = json.dumps(policy).encode() + b"\n"
            one, last = nodes("one"), nodes("last")
            address = follow(one, old.address, "1 second", relay=True)
            eventually(lambda: names(one) == ["a"], "the ledger on the relay")
            follow(last, address, "1 second")
            eventually(lambda: names(last) == ["a"], "the ledger behind it")
            insert(last, "mine", address)
            eventually(
                lambda: any('"id": "mine"' in text for text in old.executed), "the policy there"
            )
            assert figures(last)["pending_policies"] == 1

    def test_who_may_not_change_the_ledger_may_not_by_a_relay(self, chain):
        chain.two.run("set remote permission = read")
        insert(chain.last, "mine", chain.addresses[2])
        eventually(lambda: figures(chain.last)["refused"], "the refusal")
        assert figures(chain.last)["refused"][0]["code"] == 212
        for command in (
            'blockchain push {"device": {"name": "x"}}',
            "blockchain drop policy where id = a",
            'blockchain forward drop 127.0.0.1 8 {"id": "a"}',
            'blockchain drop confirm {"id": "a"}',
        ):
            with pytest.raises(RemoteError) as got:
                ask(chain.addresses[2], command)
            assert got.value.remote_code == 212
        assert chain.one.run("get relay").data["forwarded"] == 0
        assert names(chain.last) == ["a", "mine"]

    def test_more_followers_than_may_wait_ask_at_their_interval(self, chain, nodes, monkeypatch):
        monkeypatch.setattr(limits, "MAX_LEDGER_FOLLOWERS", 1)
        more = nodes("more")
        follow(more, chain.addresses[2], "1 second")
        eventually(lambda: names(more) == ["a"], "the first ledger")
        assert chain.two.run("get relay").data["followers_waiting"] == 1
        push(chain.master, "b", "2026-b")
        eventually(lambda: names(more) == ["a", "b"], "one is told")
        chain.last.run("run blockchain sync")
        eventually(lambda: names(chain.last) == ["a", "b"], "the other asks")

    def test_more_changes_than_may_wait_are_refused_for_now(self, chain, monkeypatch):
        text = 'blockchain push confirm {"device": {"id": "x", "name": "x"}}'
        monkeypatch.setattr(limits, "MAX_FORWARDED_WAITING", 0)
        with pytest.raises(RemoteError, match="on their way") as got:
            ask(chain.addresses[2], text)
        assert got.value.remote_code == 108
        insert(chain.last, "mine", chain.addresses[2])
        eventually(lambda: "on their way" in str(figures(chain.last)["last_error"]), "not now")
        assert figures(chain.last)["refused"] == []
        monkeypatch.setattr(limits, "MAX_FORWARDED_WAITING", 1)
        eventually(lambda: figures(chain.last)["pending_policies"] == 0, "it comes again by itself")
        monkeypatch.setattr(limits, "MAX_FORWARDED_OF_PEER", 0)
        with pytest.raises(RemoteError, match="on their way"):
            ask(chain.addresses[2], text)
        monkeypatch.setattr(limits, "MAX_FORWARDED_OF_PEER", 1)
        monkeypatch.setattr(limits, "MAX_FORWARDED_BYTES", 10)
        with pytest.raises(RemoteError, match="on their way"):
            ask(chain.addresses[2], text)


class TestCommands:
    def test_the_role_is_shown_and_switched(self, chain, nodes):
        chain.two.run("set relay where status = off")
        assert chain.two.run("get relay").data["role"] == "follower"
        assert figures(chain.two)["role"] == "follower"
        with pytest.raises(RemoteError):
            ask(chain.addresses[2], "event get_ledger_after 0 0 0 0 any")
        chain.two.run("set relay where status = on")
        answer = ask(chain.addresses[2], "event get_ledger_after 0 0 0 0 any")
        top = json.loads(answer.split("\n")[0])
        assert top["kind"] == "ledger"
        assert len(top["via"]) == 2
        assert "followers wait for news" in chain.two.run("get synchronizer").text
        assert nodes("idle").run("get relay").data["role"] == "none"
        chain.master.run(
            "run blockchain sync where source = dbms and time = 9 seconds and dest = file"
        )
        assert figures(chain.master)["role"] == "master"

    def test_a_relay_needs_a_master_to_follow(self, master):
        node, _ = master
        start = "run blockchain sync where source = dbms and time = 9 seconds and dest = file"
        with pytest.raises(BadArgument, match="a relay needs source = master"):
            node.run(f"{start} and relay = true")
        node.run(start)
        with pytest.raises(BadArgument, match="this node is a master"):
            node.run("set relay where status = on")
        with pytest.raises(OptionNotAvailable):
            node.run("set relay where platform = ethereum")
