"""Three nodes, whatever becomes of their messages, show what a small model explains.

A master and two followers, whole nodes with their files. Hypothesis inserts, deletes, replaces,
stops nodes, keeps the database busy, and decides of each message whether it arrives, when, how
often and in which order. Beside them stands a model: the states the master went through.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edgelake import Node, limits
from edgelake.errors import EdgeLakeError, PolicyConflict, PolicyMissing, PolicyRowMissing
from edgelake.wire import Reply, data_text, reply_blocks
from tests.wire_by_hand import Followed, Letter, Wire

MASTER = 1001
IDS = st.sampled_from(["p", "q", "r"])
DATES = st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-03"])
KEEP = st.sampled_from([False, False, True])
BUSY = st.sampled_from([False] * 4 + [True])
FOLLOWERS = st.sampled_from([0, 1])
NUMBERS = st.integers(0, 40)

Row = tuple[str, int, str]  # date, when it was stored, which version


class Model:
    """The ledger of a master, without anything that could go wrong."""

    def __init__(self) -> None:
        self.states: list[dict[str, Row]] = [{}]
        self.stored: set[str] = set()
        self.put_at: dict[str, int] = {}  # number in the log of the last put of an id

    def put(
        self,
        policy_id: str,
        date: str,
        version: str,
        *,
        replace: bool = False,
        again: bool = False,
    ) -> None:
        now = self.states[-1]
        if (policy_id in now) is replace and (replace or again or version not in self.stored):
            number = now[policy_id][1] if replace else len(self.states)
            self.states.append({**now, policy_id: (date, number, version)})
            self.stored.add(version)
            self.put_at[policy_id] = len(self.states) - 1

    def drop(self, policy_id: str) -> None:
        if policy_id in self.states[-1]:
            self.states.append({k: v for k, v in self.states[-1].items() if k != policy_id})

    @staticmethod
    def shown(state: dict[str, Row]) -> list[tuple[str, str]]:
        rows = sorted((row[:2], key, row[2]) for key, row in state.items())
        return [(key, version) for _, key, version in rows]


class ThreeNodes(RuleBasedStateMachine):
    """The nodes, the messages between them, and what is owed to their users."""

    @initialize(
        patience_s=st.sampled_from([0.0, 10.0]),
        remembered=st.sampled_from([4, 10_000]),
        at_once=st.sampled_from([1, 1000]),
    )
    def start(self, patience_s: float, remembered: int, at_once: int) -> None:
        self.patch = pytest.MonkeyPatch()
        for name, value in (
            ("RESEND_PAUSE_S", 0.0),
            ("POSTPONED_RETRY_MAX_S", 0.0),
            ("REFUSED_RETRY_S", 0.0),
            ("SESSION_ASK_PAUSE_S", 0.0),
            ("SQLITE_BUSY_TIMEOUT_S", 0.0),
            ("LEDGER_ANSWER_WAIT_S", patience_s),
            ("MAX_LEDGER_LOG_ENTRIES", remembered),
            ("MAX_LEDGER_ENTRIES_PER_ANSWER", at_once),
        ):
            self.patch.setattr(limits, name, value)
        self.patch.setattr("edgelake.services.following._STEP_S", 0.0005, raising=False)
        self.forgets = remembered < 100
        self.folder = Path(tempfile.mkdtemp())
        self.wire = Wire()
        self.model = Model()
        self.versions = 0
        self.master: Node | None = None
        self.master_up()
        self.nodes = [self.follower(number) for number in (0, 1)]
        self.reached = [0, 0]  # the state that explains what a follower shows
        self.owed: list[dict[str, tuple[str, int]]] = [{}, {}]  # version and state, by id
        self.deleted: list[dict[str, tuple[str, int]]] = [{}, {}]

    def teardown(self) -> None:
        if not hasattr(self, "nodes"):
            return
        try:
            self.settle()
        finally:
            for node in self.nodes:
                node.close()
            if self.master is not None:
                self.master.close()
            shutil.rmtree(self.folder)
            self.patch.undo()

    # ------------------------------------------------------------- nodes

    def follower(self, number: int) -> Followed:
        home = self.folder / f"follower{number}"
        return Followed(home, self.wire, MASTER + 1 + number, self.place)

    @precondition(lambda self: self.master is None)
    @rule()
    def master_up(self) -> None:
        self.master = Node(self.folder / "master")
        self.master.run("connect dbms blockchain where type = sqlite")
        with suppress(EdgeLakeError):
            self.master.run("blockchain create table")
        self.place = self.wire.join(self.master, MASTER)

    @precondition(lambda self: self.master is not None)
    @rule()
    def master_down(self) -> None:
        assert self.master is not None
        self.master.close()
        self.master = None

    @rule(number=FOLLOWERS)
    def restart(self, number: int) -> None:
        before = self.shown(number), self.nodes[number].pending()
        self.nodes[number].close()
        self.nodes[number] = self.follower(number)
        assert (self.shown(number), self.nodes[number].pending()) == before

    @contextmanager
    def locked(self, busy: bool) -> Iterator[None]:
        """Have another program keep the master's database for itself."""
        if not busy or self.master is None:
            yield
            return
        path = self.master.home.databases_dir / "blockchain.dbms"
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    # ----------------------------------------------------------- changes

    def text(self, policy_id: str, date: str) -> tuple[str, str]:
        self.versions += 1
        version = f"v{self.versions}"
        return json.dumps({"device": {"id": policy_id, "date": date, "name": version}}), version

    @rule(number=FOLLOWERS, policy_id=IDS, date=DATES, at_once=st.booleans())
    def insert(self, number: int, policy_id: str, date: str, at_once: bool) -> None:
        text, version = self.text(policy_id, date)
        there = policy_id in dict(self.shown(number))
        to = f" and master = {self.place}" if at_once else ""
        try:
            self.nodes[number].node.run(
                f"blockchain insert where policy = {text} and local = true{to}"
            )
        except PolicyConflict:
            hidden = self.nodes[number].pending()[1]
            assert there or policy_id in [marker.id for marker in hidden]
            return
        assert not there
        assert (policy_id, version) in self.shown(number)
        self.owed[number][policy_id] = (version, self.reached[number])

    @rule(number=FOLLOWERS, policy_id=IDS, shared=st.booleans())
    def delete(self, number: int, policy_id: str, shared: bool) -> None:
        version = dict(self.shown(number)).get(policy_id)
        to = f" and master = {self.place}" if shared else ""
        command = f"blockchain delete policy where id = {policy_id} and local = true{to}"
        with suppress(PolicyMissing):
            self.nodes[number].node.run(command)
            assert policy_id not in dict(self.shown(number))
            if shared and version is not None:
                self.deleted[number][policy_id] = (version, self.reached[number])
            if shared or version == self.owed[number].get(policy_id, ("",))[0]:
                self.owed[number].pop(policy_id, None)

    @precondition(lambda self: self.master is not None)
    @rule(policy_id=IDS, date=DATES, replace=st.booleans())
    def change_on_the_master(self, policy_id: str, date: str, replace: bool) -> None:
        text, version = self.text(policy_id, date)
        assert self.master is not None
        with suppress(PolicyConflict, PolicyRowMissing):
            verb = f"replace policy {policy_id} with" if replace else "push"
            self.master.run(f"blockchain {verb} {text}")
        self.model.put(policy_id, date, version, replace=replace)
        self.compare_master()

    @precondition(lambda self: self.master is not None)
    @rule(policy_id=IDS)
    def drop_on_the_master(self, policy_id: str) -> None:
        assert self.master is not None
        with suppress(PolicyRowMissing):
            self.master.run(f"blockchain drop policy where id = {policy_id}")
        self.model.drop(policy_id)
        self.compare_master()

    # ---------------------------------------------------------- messages

    @precondition(lambda self: self.wire.letters)
    @rule(number=NUMBERS, keep=KEEP, busy=BUSY)
    def deliver(self, number: int, keep: bool = False, busy: bool = False) -> None:
        number %= len(self.wire.letters)
        letter = self.wire.letters[number]
        to_master = letter.to == self.place
        writes = to_master and self.master is not None and not busy
        words = letter.text.replace("\t", " ").split(" ")
        if writes and words[:2] == ["blockchain", "push"]:
            ((_, body),) = json.loads(letter.text[letter.text.index("{") :]).items()
            self.model.put(body["id"], body["date"], body["name"])
        elif writes and words[:2] == ["blockchain", "drop"]:
            if words[2] == "confirm":
                asked = json.loads(letter.text[letter.text.index("{") :])
                policy_id, seen = asked["id"], asked.get("sequence")
            else:
                policy_id, seen = words[words.index("id") + 2], None
            later = seen is not None and self.model.put_at.get(policy_id, 0) > seen
            if policy_id in self.model.states[-1] and not later:
                markers = [n.pending()[1] for n in self.nodes]
                wanted = {m.id for found in markers for m in found if m.master}
                assert policy_id in wanted, f"a delete of {policy_id} that is over removes it again"
                self.model.drop(policy_id)
        with self.locked(busy):
            self.wire.deliver(number, keep=keep)
        self.compare_master()

    @precondition(lambda self: self.wire.letters)
    @rule(number=NUMBERS)
    def lose(self, number: int) -> None:
        self.wire.lose(self.wire.letters.pop(number % len(self.wire.letters)))

    @rule(
        number=FOLLOWERS,
        fate=st.sampled_from(["answered"] * 4 + ["lost", "deaf", "old", "torn", "twice"]),
        meanwhile=st.lists(NUMBERS, max_size=2),
        cut=NUMBERS,
        busy=BUSY,
    )
    def poll(self, number: int, fate: str, meanwhile: list[int], cut: int, busy: bool) -> None:
        def ask(question: Letter) -> None:
            assert question.sent is not None
            if fate == "old":
                question.sent.set_result(False)
                return
            if fate == "lost":
                self.wire.lose(question)
                return
            with self.locked(busy):
                answers = self.wire.hand_over(question)
            for at in meanwhile:
                if self.wire.letters:
                    self.deliver(at)
            if fate in ("deaf", "twice"):
                self.wire.letters += answers
            if fate == "deaf":
                self.wire.lose(question)
                return
            if fate == "torn":
                asked = question.message
                text = data_text(answers[0].message)
                torn = Reply.ok(text[: max(len(text) - cut - 1, 0)])
                blocks = reply_blocks(asked, torn, self.place.host, self.place.port)
                answers = [Letter(answers[0].to, blocks)]
            for answer in answers:
                self.wire.handlers[answer.to](answer.message)
            question.sent.set_result(True)

        self.wire.ask = ask
        with suppress(EdgeLakeError):  # as the loop does, which tries again
            self.nodes[number].source.cycle()

    @rule(number=FOLLOWERS, order=st.lists(NUMBERS, max_size=6), keep=KEEP, busy=BUSY)
    def exchange(self, number: int, order: list[int], keep: bool, busy: bool) -> None:
        """What mostly happens: a node asks and tells, and hears what became of it."""
        self.poll(number, "answered", [], 0, busy)
        for at in [*order, 0, 0, 0, 0]:
            if self.wire.letters:
                self.deliver(at, keep, busy)
                keep = False
        self.poll(number, "answered", [], 0, False)

    # --------------------------------------------------------- promises

    def shown(self, number: int) -> list[tuple[str, str]]:
        return list(self.rows(self.nodes[number].node.run("blockchain get *").data or []))

    @staticmethod
    def rows(policies: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        for policy in policies:
            (body,) = policy.values()
            yield body["id"], body["name"]

    def compare_master(self) -> None:
        if self.master is not None:
            snapshot = self.master._parts.master_ledger().snapshot()
            policies = [json.loads(line) for line in snapshot.data.splitlines() if line]
            found = list(self.rows(policies))
            if self.forgets and found != Model.shown(self.model.states[-1]):
                # It remembers so few changes that it stored again what had been removed.
                for (body,) in (policy.values() for policy in policies):
                    if body["name"] in self.model.stored:
                        self.model.put(body["id"], body["date"], body["name"], again=True)
            assert found == Model.shown(self.model.states[-1])

    @invariant()
    def what_nodes_show_is_explained(self) -> None:
        if not hasattr(self, "nodes"):
            return
        for number, node in enumerate(self.nodes):
            policies, markers = node.pending()
            hidden = {marker.id for marker in markers}
            local = [(p.id, p.body["name"]) for p in policies]
            shown = self.shown(number)
            at = self.reached[number]
            for state in self.model.states[at:]:
                there = [pair for pair in Model.shown(state) if pair[0] not in hidden]
                own = [x for x in local if x[0] not in state and x[0] not in hidden]
                if shown == there + own:
                    break
                at += 1
            assert at < len(self.model.states), f"follower {number} shows {shown}"
            self.reached[number] = at  # it never goes back
            for policy_id, (version, since) in self.owed[number].items():
                assert (
                    (policy_id, version) in local
                    or version in self.model.stored
                    or any(policy_id in state for state in self.model.states[since:])
                ), f"follower {number} lost {policy_id} {version}"
            for policy_id, (version, since) in self.deleted[number].items():
                assert policy_id in hidden or any(
                    state.get(policy_id, ("", 0, ""))[2] != version
                    for state in self.model.states[since:]
                ), f"follower {number} forgot that {policy_id} {version} is deleted"

    def settle(self) -> None:
        """Let everything arrive; all nodes then have what the model has."""
        if self.master is None:
            self.master_up()
        self.wire.ask = self.wire.answer
        if limits.LEDGER_ANSWER_WAIT_S:
            # What waits for an acknowledgement is sent again later than this test lasts.
            self.patch.setattr(limits, "LEDGER_ANSWER_WAIT_S", 0.0)
            for number in (0, 1):
                self.restart(number)
        for rounds in range(12):
            if rounds == 6 and not self.model.states[-1]:
                # Who does not know its place in the log takes no empty ledger for its own.
                self.change_on_the_master("end", "2026-01-04", replace=False)
            while self.wire.letters:
                self.deliver(0)
            for number, node in enumerate(self.nodes):
                for refused in node.source.figures()["refused"]:
                    # What a person does about it; the next one with this id may be stored.
                    self.owed[number].pop(refused["id"], None)
                    node.node.run(
                        f"blockchain delete policy where id = {refused['id']} and local = true"
                    )
                node.source.cycle()
        assert self.master is not None
        want = hashlib.md5(self.master._parts.master_ledger().snapshot().data).hexdigest()
        final = Model.shown(self.model.states[-1])
        for number, node in enumerate(self.nodes):
            policies, markers = node.pending()
            assert policies == ()
            assert [m for m in markers if m.master] == []
            hidden = {marker.id for marker in markers}
            assert self.shown(number) == [pair for pair in final if pair[0] not in hidden]
            assert node.node._parts.ledger.master_hash() == want
            for policy_id, (version, since) in self.owed[number].items():
                assert version in self.model.stored or any(
                    policy_id in state for state in self.model.states[since:]
                )
            for policy_id, (version, _) in self.deleted[number].items():
                assert self.forgets or (policy_id, version) not in final


TestThreeNodes = ThreeNodes.TestCase
TestThreeNodes.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
