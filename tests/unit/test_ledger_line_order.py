"""The lines of a master's ledger, brought forward entry by entry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelake.errors import LedgerInvalid
from edgelake.interfaces import LogEntry
from edgelake.ledger import LedgerLines

CHANGES = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 5), st.booleans()))


@given(begin=st.lists(st.sampled_from("abcde"), unique=True), changes=CHANGES)
def test_they_are_a_list_with_entries_moved(begin, changes):
    lines = LedgerLines((key, key + "0") for key in begin)
    model = [(key, key + "0") for key in begin]
    for number, (key, place, put) in enumerate(changes, 1):
        there = [one for one in model if one[0] == key]
        if not put and not there:
            continue
        model = [one for one in model if one[0] != key]
        if put:
            place = min(place, len(model))
            after = model[place - 1][0] if place else ""
            model.insert(place, (key, f"{key}{number}"))
            lines.apply(LogEntry(number, "put", key, after, f"{key}{number}"))
        else:
            lines.apply(LogEntry(number, "del", key, "", ""))
        assert list(lines) == [line for _, line in model]
        assert len(lines) == len(model)


@pytest.mark.parametrize(
    "entry", [LogEntry(1, "put", "a", "nobody", "a1"), LogEntry(1, "del", "nobody", "", "")]
)
def test_what_does_not_fit_is_refused(entry):
    with pytest.raises(LedgerInvalid, match="change 1"):
        LedgerLines([("a", "a0"), ("b", "b0")]).apply(entry)
