"""What a relay remembers of its master's log: gap-free, and bounded at its edges."""

from __future__ import annotations

import pytest

from edgelake import limits
from edgelake.interfaces import LogEntry, LogPosition
from edgelake.services.relay_log import RelayLog

START = LogPosition("e", 4, "c" * 32)


def entries(count: int, size: int = 5) -> list[LogEntry]:
    """Return the next entries behind the start, as they travel: without chains."""
    return [
        LogEntry(START.seq + number, "put", f"p{number}", "", "x" * size)
        for number in range(1, count + 1)
    ]


def places(found: list[LogEntry]) -> list[LogPosition]:
    """Return the start, and the place after each entry."""
    made = [START]
    for entry in found:
        made.append(LogPosition("e", entry.seq, entry.chained(made[-1].chain)))
    return made


def log_of(found: list[LogEntry], pieces: int = 1) -> RelayLog:
    log, at = RelayLog(), places(found)
    log.begin(START)
    for begin in range(0, len(found), pieces):
        end = min(len(found), begin + pieces)
        log.extend(found[begin:end], at[end])
    return log


def after(log: RelayLog, place: LogPosition) -> list[int] | None:
    found = log.after(place.epoch, place.seq, place.chain)
    return None if found is None else [entry.seq for entry in found]


@pytest.mark.parametrize("pieces", [1, 3, 10])
def test_each_place_is_followed_by_the_rest(pieces: int) -> None:
    found = entries(10)
    log, at = log_of(found, pieces), places(found)
    assert log.head == at[-1]
    for number, place in enumerate(at):
        assert after(log, place) == [entry.seq for entry in found[number:]]
    got = log.after("e", 4, START.chain)
    assert got is not None
    assert [entry.chain for entry in got] == [place.chain for place in at[1:]]


def test_another_place_has_no_continuation() -> None:
    log = log_of(entries(3))
    for place in (
        LogPosition("f", 5, places(entries(3))[1].chain),
        LogPosition("e", 5, START.chain),
        LogPosition("e", 3, START.chain),
        LogPosition("e", 8, START.chain),
        LogPosition("0", 0, "0"),
    ):
        assert after(log, place) is None
    assert after(RelayLog(), START) is None


def test_as_many_entries_are_kept_as_a_master_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_LEDGER_LOG_ENTRIES", 5)
    found = entries(6)
    at = places(found)
    assert after(log_of(found[:5]), START) == [5, 6, 7, 8, 9]
    log = log_of(found)
    assert len(log) == 5
    assert after(log, START) is None
    assert after(log, at[1]) == [6, 7, 8, 9, 10]


def test_as_much_text_is_kept_as_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_RELAY_LOG_CHARS", 30)
    found = entries(3, size=10)
    assert after(log_of(found), START) == [5, 6, 7]
    monkeypatch.setattr(limits, "MAX_RELAY_LOG_CHARS", 29)
    log = log_of(found)
    assert after(log, START) is None
    assert after(log, places(found)[1]) == [6, 7]
    monkeypatch.setattr(limits, "MAX_RELAY_LOG_CHARS", 5)
    log = log_of(found, pieces=3)
    assert len(log) == 0
    assert after(log, places(found)[-1]) == []


def test_one_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(entries(5, size=10))
    monkeypatch.setattr(limits, "MAX_LEDGER_ENTRIES_PER_ANSWER", 3)
    assert after(log, START) == [5, 6, 7]
    monkeypatch.setattr(limits, "MAX_LEDGER_ANSWER_CHARS", 20)
    assert after(log, START) == [5, 6]
    monkeypatch.setattr(limits, "MAX_LEDGER_ANSWER_CHARS", 1)
    assert after(log, START) == [5]


def test_what_does_not_continue_the_log_begins_it_anew() -> None:
    found = entries(4)
    at = places(found)
    wrong = LogPosition("e", at[1].seq, "0" * 32)
    for piece, place in (
        (found[1:], at[4]),
        (found[:1], at[2]),
        (found[:1], LogPosition("f", at[1].seq, at[1].chain)),
        (found[:1], wrong),
        ([], at[4]),
    ):
        log = RelayLog()
        log.begin(START)
        log.extend(piece, place)
        assert log.head == place
        assert after(log, place) == []
        assert after(log, START) is None
