"""What a master says of a change that came over relays, and what is made of it behind them."""

from __future__ import annotations

import json

import pytest

from edgelake import Node, limits
from edgelake.errors import PolicyRowMissing, RemoteError
from edgelake.interfaces import Result
from tests import relays
from tests.asking import Asker
from tests.integration.test_group_commit import locked
from tests.integration.test_ledger_log import figures, listen, names, push
from tests.old_node import old_node
from tests.relays import ask, follow, ledger_of
from tests.waiting import eventually

nodes, master, chain = relays.nodes, relays.master, relays.chain


def insert_away(node: Node, name: str, master: str) -> Result:
    """Insert a policy that is kept nowhere but on the master."""
    policy = json.dumps({"device": {"id": name, "name": name, "date": f"2026-{name}"}})
    return node.run(
        f"blockchain insert where policy = {policy} and local = false and master = {master}"
    )


class TestKeptNowhere:
    """``local = false`` behind a relay: success means that the master has stored it."""

    def test_an_insert_and_a_delete_return_when_the_master_has_done_it(self, chain, nodes):
        sender, relay = nodes("sender"), chain.addresses[2]
        listen(sender)
        found = insert_away(sender, "p", relay)
        assert b'"id": "p"' in ledger_of(chain.master)
        assert found.data["masters"] == [{"master": relay, "sequence": 2}]
        assert found.text == ""
        # Whoever follows a relay has no other way.
        assert insert_away(chain.last, "q", relay).data["masters"][0]["sequence"] == 3
        delete = f"blockchain delete policy where id = p and local = false and master = {relay}"
        assert sender.run(delete).data["masters"] == [{"master": relay, "sequence": 4}]
        assert b'"id": "p"' not in ledger_of(chain.master)
        with pytest.raises(PolicyRowMissing, match="has no policy with id 'p'"):
            sender.run(delete)

    def test_a_refusal_of_the_master_is_the_answer(self, chain):
        push(chain.master, "x", "2026-x")
        policy = '{"device": {"id": "x", "name": "other", "date": "2026"}}'
        with pytest.raises(RemoteError, match=r"refused policy x: .* with other content") as got:
            chain.last.run(
                f"blockchain insert where policy = {policy} and local = false"
                f" and master = {chain.addresses[2]}"
            )
        assert got.value.code == 30

    def test_a_relay_without_its_master_says_that_nothing_is_kept(self, chain):
        chain.one.run("exit tcp")
        with pytest.raises(RemoteError, match="now, and it is kept nowhere") as got:
            insert_away(chain.last, "p", chain.addresses[2])
        assert got.value.code == 15
        assert names(chain.last) == ["a"]

    def test_a_master_that_does_not_answer_is_not_waited_for_without_end(self, chain, monkeypatch):
        monkeypatch.setattr(limits, "SQLITE_BUSY_TIMEOUT_S", 0.2)
        with locked(chain.master), pytest.raises(RemoteError, match="it is kept nowhere") as got:
            insert_away(chain.last, "p", chain.addresses[2])
        assert got.value.code == 24
        monkeypatch.setattr(limits, "SQLITE_BUSY_TIMEOUT_S", 10.0)
        monkeypatch.setattr(limits, "FORWARD_WAIT_S", 0.3)
        with locked(chain.master), pytest.raises(RemoteError, match="did not answer in time"):
            insert_away(chain.last, "p", chain.addresses[2])
        assert got.value.code == 24
        eventually(lambda: b'"id": "p"' in ledger_of(chain.master), "the policy after all")

    def test_a_relay_of_an_existing_master_promises_nothing(self, nodes):
        with old_node() as old:
            policy = {"device": {"id": "a", "name": "a", "date": "2026", "ledger": "global"}}
            old.ledger = json.dumps(policy).encode() + b"\n"
            one, sender = nodes("one"), nodes("sender")
            address = follow(one, old.address, "1 second", relay=True)
            eventually(lambda: names(one) == ["a"], "the ledger on the relay")
            listen(sender)
            found = insert_away(sender, "p", address)
            assert found.data["masters"] == [{"master": address, "sequence": None}]
            assert found.text == f"{address} has taken it, and does not say whether it is stored"
            eventually(lambda: any('"p"' in text for text in old.executed), "the policy there")


def test_a_traced_change_is_told_of_when_it_has_ended(chain):
    told: list[str] = []
    chain.two.show_notices(lambda notice: told.append(notice.text))
    chain.two.run("trace level = 2 blockchain forward push")
    policy = '{"device": {"id": "p", "name": "p", "date": "2026"}}'
    # As many as threads take messages, and more: none of them waits for an answer.
    asker = Asker(chain.last, chain.addresses[2])
    with locked(chain.master):
        jobs = [
            asker.send(f"blockchain forward push 10.0.0.{number} 8 {policy}")
            for number in range(limits.DISPATCH_THREADS + 1)
        ]
        assert ask(chain.addresses[2], "get status").endswith("running")
    texts = {asker.answer(job).text for job in jobs}
    asker.close()
    assert len(texts) == 1
    eventually(lambda: len(told) == len(jobs), "the traces")
    chain.two.show_notices(None)
    (answer,) = texts
    for text in told:
        assert text.startswith("trace 'blockchain forward push': ok, ")
        assert f"answer: {answer}" in text


class TestDeletes:
    """A delete behind a relay ends as one at a master: acknowledged, and shown here."""

    @pytest.mark.parametrize("key", ["plain", "with ' and \" and , and \n é"])
    def test_of_any_id(self, chain, key):
        policy = json.dumps({"device": {"id": key, "name": "n", "date": "2026-k"}})
        chain.master.run(f"blockchain push {policy}")
        eventually(lambda: "n" in names(chain.last), "the policy")
        chain.last._parts.ledger.delete_local(key, master=chain.addresses[2])
        chain.last.run("run blockchain sync")
        eventually(lambda: figures(chain.last)["pending_deletes"] == 0, "its end")
        assert b'"n"' not in ledger_of(chain.master)
        assert names(chain.last) == ["a"]

    def test_wait_for_the_masters_word(self, chain, monkeypatch):
        push(chain.master, "b", "2026-b")
        eventually(lambda: names(chain.last) == ["a", "b"], "both policies")
        stored = chain.master._parts.master_ledger()
        drop, swallowed = stored.drop_later, []

        def swallow(ids, **how):
            done = drop(ids, **how)
            if len(swallowed) < 2:
                swallowed.append(done.result(15))
                raise RemoteError("somebody stumbled over the cable", 24)
            return done

        monkeypatch.setattr(limits, "POSTPONED_RETRY_MAX_S", 0.5)
        monkeypatch.setattr(stored, "drop_later", swallow)
        chain.last.run(f"blockchain delete policy where id = a and master = {chain.addresses[2]}")
        eventually(lambda: len(swallowed) == 2, "the delete once more")
        assert [found.found for found in swallowed] == [True, False]
        eventually(lambda: figures(chain.last)["pending_deletes"] == 0, "the acknowledgement")
        assert figures(chain.last)["postponed"] == []
        assert names(chain.last) == ["b"]
