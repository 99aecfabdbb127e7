"""Which answers of a master are final, and when a change is sent again."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from edgelake import errors, limits
from edgelake.errors import EdgeLakeError, is_temporary
from edgelake.interfaces import LogPosition
from edgelake.ledger import Policy, parse_policy
from edgelake.services import outbox
from edgelake.services.outbox import Outbox

NOT_NOW = {
    "DatabaseError",
    "DatabaseUnknown",
    "DatabaseUnreachable",
    "FileWriteFailed",
    "NotRunning",
    "Overloaded",
    "PeerError",
    "PolicyMissing",
    "StorageError",
    "TableMissing",
}
FINAL = {
    "BadJson",
    "CommandSyntaxError",
    "LedgerError",
    "LedgerFull",
    "NotPermitted",
    "PolicyConflict",
    "PolicyInvalid",
    "PolicyNotUnique",
    "PolicyRowMissing",
    "UnknownCommand",
}


@pytest.mark.parametrize("name", sorted(NOT_NOW | FINAL))
def test_what_an_answer_means(name: str):
    kind: type[EdgeLakeError] = getattr(errors, name)
    assert is_temporary(kind.code) is (name in NOT_NOW)


def test_numbers_without_a_meaning_of_their_own():
    assert is_temporary(3)  # failed, nobody knows why
    assert not is_temporary(0)
    assert not is_temporary(999)


def test_the_page_names_the_numbers_that_mean_not_now():
    page = (Path(__file__).parents[2] / "docs" / "ledger-details.md").read_text()
    (row,) = (line for line in page.splitlines() if line.startswith("| not now: "))
    numbers = {int(number) for number in row.split("|")[2].split(",")}
    assert numbers == {code for code in range(1, 1000) if is_temporary(code)}


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(outbox.time, "monotonic", lambda: now[0])
    return now


def policy(name: str) -> Policy:
    return parse_policy(f'{{"device": {{"id": "{name}", "name": "{name}"}}}}')


def taken() -> Future[bool]:
    done: Future[bool] = Future()
    done.set_result(True)
    return done


def test_pauses_grow_while_a_master_cannot_take_a_change(clock):
    box, change = Outbox(), policy("a")
    pauses = []
    for _ in range(9):
        assert box.next([change], []).policies == (change,)
        box.sent(change, taken())
        box.refuse(change, "the database is busy", 24)
        begun = clock[0]
        while box.next([change], []).policies == ():
            clock[0] += 0.125
        pauses.append(clock[0] - begun)
    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert pauses[-1] == limits.POSTPONED_RETRY_MAX_S
    assert [found.id for found in box.postponed] == ["a"]
    assert box.refused == ()
    # Stored after all: the next time it begins small again.
    box.acknowledge(change, LogPosition("e", 1, ""))
    assert box.postponed == ()


def test_what_is_refused_for_good_is_tried_again_after_a_long_time(clock):
    box = Outbox()
    box.next([policy("a")], ["b"])
    box.sent(policy("a"), taken())
    box.sent("b", taken())
    assert box.refuse(policy("a"), "not unique", 180)
    assert not box.refuse(policy("a"), "not unique", 180)
    assert box.refuse("b", "not permitted", 212)
    assert {found.id for found in box.refused} == {"a", "b"}
    clock[0] += limits.REFUSED_RETRY_S - 1
    turn = box.next([policy("a")], ["b"])
    assert (turn.policies, turn.deletes) == ((), ())
    clock[0] += 1
    turn = box.next([policy("a")], ["b"])
    assert (turn.policies, turn.deletes) == ((policy("a"),), ("b",))


def test_an_acknowledged_delete_is_done_when_the_ledger_has_come_so_far(clock):
    box = Outbox()
    box.next([], ["a"])
    box.sent("a", taken())
    assert box.pause_s() == 0.0
    box.acknowledge("a", LogPosition("e", 7, "x"))
    assert box.pause_s() is None
    clock[0] += 60
    assert box.next([], ["a"]).deletes == ()
    assert box.dropped_at(LogPosition("e", 6, "w")) == frozenset()
    assert box.dropped_at(LogPosition("other", 9, "w")) == frozenset()
    assert box.dropped_at(LogPosition("e", 7, "x")) == {"a"}
    # It is back: somebody inserted it again before the ledger came so far.
    box.passed(LogPosition("e", 8, "y"))
    assert box.next([], ["a"]).deletes == ("a",)
    # A log of another name knows nothing of it.
    box.sent("a", taken())
    box.acknowledge("a", LogPosition("e", 9, "z"))
    box.void("other")
    clock[0] += 60
    assert box.next([], ["a"]).deletes == ("a",)


def test_nothing_is_said_of_what_waits_no_more(clock):
    box = Outbox()
    box.refuse(policy("a"), "busy", 24)
    box.refuse(policy("b"), "not unique", 180)
    box.refuse("c", "busy", 24)
    box.acknowledge(policy("d"), LogPosition("e", 1, "c"))
    told = box.figures([policy("a"), policy("b"), policy("d")], ["c"])
    assert [found["id"] for found in told["postponed"]] == ["a", "c"]
    assert [found["id"] for found in told["refused"]] == ["b"]
    assert told["acknowledged"] == 1
    # The ledger has come, and no turn was taken since.
    nothing = {"acknowledged": 0, "refused": [], "postponed": []}
    assert box.figures([], []) == nothing
    # Another policy under an id is not what was refused.
    assert box.figures([], ["a", "b", "d"]) == nothing
