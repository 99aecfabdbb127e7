"""The indices that queries ask for: which are kept, and how much of them."""

from __future__ import annotations

import pytest

from edgelake import limits
from edgelake.ledger import AllOf, AnyOf, Compare, Policy, PolicyIndex, Truth, policy_of
from edgelake.ledger.indices import Indices
from edgelake.ledger.planning import candidates
from edgelake.ledger.rows import Rows

COUNT = 100


def device(number: int) -> Policy:
    """Return a policy with a value of its own and a list of two."""
    body = {"id": f"d{number}", "name": f"Dev{number}", "tags": ["a", f"T{number}"]}
    return policy_of({"device": body})


POLICIES = [device(number) for number in range(COUNT)]


def indices() -> Indices:
    """Return none yet, over the policies."""
    return Indices(POLICIES, {"device": range(COUNT)})


def test_an_index_is_made_once_and_only_when_it_is_asked_for():
    known = indices()
    assert (len(known), known.entries) == (0, 0)
    assert known.values("device", ("name",)) is known.values("device", ("name",))
    assert known.column("device", ("name",)) is known.column("device", ("name",))
    assert (len(known), known.entries) == (2, 2 * COUNT)
    assert known.values("device", ("tags",)) is not None
    assert known.entries == 4 * COUNT
    assert known.values("none", ("name",)) is not None
    assert known.entries == 4 * COUNT


def test_there_are_so_many_indices_and_the_longest_unused_goes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_LEDGER_INDICES", 3)
    known = indices()
    first = known.values("device", ("name",))
    second = known.column("device", ("name",))
    third = known.values("device", ("tags",))
    assert known.values("device", ("name",)) is first
    known.values("device", ("id",))
    assert len(known) == 3
    assert known.values("device", ("name",)) is first
    assert known.values("device", ("tags",)) is third
    assert known.column("device", ("name",)) is not second
    assert len(known) == 3


@pytest.mark.parametrize(("most", "kept"), [(COUNT, True), (COUNT - 1, False)])
def test_an_index_has_so_many_entries_and_no_more(
    monkeypatch: pytest.MonkeyPatch, most: int, kept: bool
):
    monkeypatch.setattr(limits, "MAX_LEDGER_INDEX_ENTRIES", most)
    known = indices()
    for _ in range(2):
        assert (known.values("device", ("name",)) is not None) is kept
        assert (known.column("device", ("name",)) is not None) is kept
        assert known.entries <= most
    index = PolicyIndex(POLICIES)
    for sign, value in (("=", "dev7"), ("==", "dev7"), ("endswith", "v7"), (">", "dev98")):
        assert index.find(("device",), Compare(("name",), sign, value))[0].body["name"] in (
            "Dev7",
            "Dev99",
        )


def test_changes_do_not_carry_an_index_beyond_the_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_LEDGER_INDEX_ENTRIES", COUNT + 5)
    rows = Rows(POLICIES)
    for number in range(COUNT, COUNT + 20):
        assert rows.indices.values("device", ("name",)) is not None or number > COUNT + 5
        rows.append(device(number))
        assert rows.indices.entries <= COUNT + 5
        near = candidates(rows, "device", Compare(("name",), "=", "dev7"))
        assert 7 in near


def test_a_long_path_has_no_index():
    known = indices()
    path = ("x" * 200, "y" * 57)
    assert known.values("device", path) is None
    assert known.column("device", path) is None
    assert known.values("device", (path[0], path[1][1:])) is not None
    assert len(known) == 1


def test_few_policies_are_looked_at_without_an_index():
    rows = Rows(POLICIES[:60])
    assert len([*candidates(rows, "device", Compare(("name",), "=", "dev7"))]) == 60
    assert len(rows.indices) == 0


@pytest.mark.parametrize("kind", [AllOf, AnyOf])
def test_so_many_attributes_of_a_query_are_looked_up_and_no_more(kind: type[AllOf | AnyOf]):
    most = limits.MAX_INDEXED_PATHS
    body = {f"a{number}": "x" for number in range(most + 1)}
    rows = Rows([policy_of({"device": {**body, "id": f"d{number}"}}) for number in range(COUNT)])
    tests = tuple(Compare((name,), "=", "x") for name in body)
    for _ in range(2):
        assert len([*candidates(rows, "device", kind((*tests[:most], *tests[:most])))]) == COUNT
        assert len(rows.indices) == most
        assert len([*candidates(rows, "device", kind((Truth("x"), AnyOf(tests))))]) == COUNT


def test_what_is_found_by_one_index_needs_no_other():
    rows = Rows(POLICIES)
    one, two = Compare(("name",), ">", "a"), Compare(("id",), "==", "d7")
    assert [*candidates(rows, "device", AllOf((one, two)))] == [7]
    assert len(rows.indices) == 0
