"""What a relay answers, and what a follower makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgelake import limits
from edgelake.errors import DatabaseError, LedgerInvalid
from edgelake.interfaces import LogEntry, LogPosition
from edgelake.ledger import LocalLedger
from edgelake.services.ledger_news import LedgerNews, Standing, read_news
from edgelake.services.relay import Relay
from edgelake.storage import LedgerFile
from edgelake.wire import Endpoint

UP = Endpoint("10.0.0.7", 32048)
NOWHERE = LogPosition("0", 0, "0")
TOKEN = "t"


def line(name: str) -> str:
    return json.dumps({"device": {"id": name, "date": "2026", "name": name}})


@pytest.fixture
def ledger(tmp_path: Path) -> LocalLedger:
    return LocalLedger(LedgerFile(tmp_path / "blockchain.json"))


@pytest.fixture
def relay(ledger: LocalLedger) -> Relay:
    made = Relay(ledger)
    made.follow(UP, None, lambda: None)
    return made


def adopt(ledger: LocalLedger, *names: str) -> None:
    ledger.adopt("".join(line(name) + "\n" for name in names).encode())


def ask(relay: Relay, place: LogPosition = NOWHERE, md5: str = "0") -> LedgerNews:
    told = relay.news(place, md5, TOKEN)
    return read_news(told.text.encode() + told.body, place, TOKEN)


def test_nothing_is_made_up(relay: Relay, ledger: LocalLedger) -> None:
    assert ask(relay).refused == "it has no ledger of a master yet"
    with pytest.raises(DatabaseError, match="no ledger of a master yet"):
        relay.snapshot()
    with pytest.raises(DatabaseError, match="no ledger of a master yet"):
        relay.position()
    # A ledger whose place in no log is known is not given as one.
    adopt(ledger, "a")
    assert ask(relay).refused


def test_entries_the_whole_and_nothing(relay: Relay, ledger: LocalLedger) -> None:
    relay.heard(Standing(), 1)
    adopt(ledger, "a")
    first = LogPosition("e", 1, "c" * 32)
    relay.moved(first)
    news = ask(relay)
    assert news.ledger == (line("a") + "\n").encode()
    assert news.place == first
    assert ask(relay, md5=ledger.master_hash()).same
    entry = LogEntry(2, "put", "b", "a", line("b"))
    ledger.apply(ledger.master_hash(), (entry,), dropped=(), stored=())
    second = LogPosition("e", 2, entry.chained(first.chain))
    relay.moved(second, (entry,))
    news = ask(relay, first)
    assert [found.policy for found in news.entries] == [line("b")]
    assert news.place == second
    assert ask(relay, second).same
    assert news.standing.via == (relay.name,)
    assert news.standing.master == str(UP)
    assert news.standing.age_s is not None


def test_who_is_told_and_when(relay: Relay, ledger: LocalLedger) -> None:
    told: list[LogPosition | None] = []
    relay.watch(told.append)
    adopt(ledger, "a")
    place = LogPosition("e", 1, "c" * 32)
    relay.moved(place)
    relay.moved(place)
    assert told == [place]


def test_a_ledger_that_is_being_replaced_is_not_given(
    relay: Relay, ledger: LocalLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RELAY_SETTLE_S", 0.0)
    adopt(ledger, "a")
    place = LogPosition("e", 1, "c" * 32)
    relay.moved(place)
    adopt(ledger, "a", "b")
    assert ask(relay).refused == "the ledger of this relay is being replaced"
    # What is in memory is of that log all the same.
    assert ask(relay, place).same
    relay.moved(LogPosition("e", 2, "d" * 32))
    assert ask(relay).ledger == f"{line('a')}\n{line('b')}\n".encode()


def test_who_is_further_has_the_master_asked_and_not_too_often(
    relay: Relay, ledger: LocalLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    adopt(ledger, "a")
    relay.follow(UP, LogPosition("e", 1, "c" * 32), lambda: asked.append(1))
    further = LogPosition("e", 2, "d" * 32)
    monkeypatch.setattr(limits, "RELAY_ASK_PAUSE_S", 3600.0)
    relay._asked_s = -3601.0
    for _ in range(3):
        assert ask(relay, further).short
    assert len(asked) == 1
    monkeypatch.setattr(limits, "RELAY_ASK_PAUSE_S", 0.0)
    assert ask(relay, further).short
    assert len(asked) == 2


def test_a_circle_gives_nothing_and_its_path_does_not_grow(
    relay: Relay, ledger: LocalLedger
) -> None:
    adopt(ledger, "a")
    relay.moved(LogPosition("e", 1, "c" * 32))
    for _ in range(5):
        via = relay.standing().via
        relay.heard(Standing((*via, "other"), 3.0), 1, "a circle")
    assert len(relay.standing().via) == 3
    assert ask(relay).refused == "a circle"
    with pytest.raises(DatabaseError, match="a circle"):
        relay.snapshot()
    relay.heard(Standing(), 1)
    assert ask(relay).ledger


def said(**more: object) -> bytes:
    top = {"token": TOKEN, "kind": "none", "epoch": "0", "seq": 0, "chain": "0", "head": 0}
    return json.dumps({**top, **more}).encode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"via": "abc"},
        {"via": [1]},
        {"via": [""]},
        {"via": ["x" * 65]},
        {"age": -1},
        {"age": "soon"},
        {"age": float("nan")},
        {"age": float("inf")},
        {"behind": -1},
        {"behind": 1.5},
        {"master": 7},
        {"master": "x" * 301},
        {"kind": "later"},
        {"kind": "short", "seq": "x"},
    ],
)
def test_nonsense_of_a_relay_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(LedgerInvalid, match="damaged"):
        read_news(said(**wrong), NOWHERE, TOKEN)


def test_what_a_relay_says_is_bounded() -> None:
    via = [str(number) for number in range(limits.MAX_RELAYS)]
    assert read_news(said(via=via), NOWHERE, TOKEN).standing.via == tuple(via)
    many = read_news(said(via=via * 10, age=None, behind=3, master="m"), NOWHERE, TOKEN).standing
    assert len(many.via) == limits.MAX_RELAYS + 1
    assert (many.age_s, many.behind, many.master) == (None, 3, "m")
    reason = "r" * (limits.MAX_RELAY_REASON_CHARS + 1)
    found = read_news(said(kind="later", reason=reason), NOWHERE, TOKEN)
    assert found.refused == reason[:-1]
