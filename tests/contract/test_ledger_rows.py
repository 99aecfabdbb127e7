"""What every store of the shared ledger has to do (`edgelake.interfaces.LedgerRows`)."""

from __future__ import annotations

import threading

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from edgelake.errors import PolicyConflict, PolicyRowMissing
from edgelake.interfaces import LedgerRows, PolicyRow, RowChanges

HOST = "192.0.2.2"


def row(policy_id, date="2026-01-01T00:00:00.000000Z", text="{}", **columns):
    return PolicyRow(policy_type="device", policy_id=policy_id, date=date, policy=text, **columns)


def test_rows_come_back_by_date_and_then_by_age(rows: LedgerRows):
    for policy_id, date in (("c", "2026-03"), ("a", "2026-01"), ("d", "2026-03"), ("b", "2026-02")):
        assert rows.insert(row(policy_id, date, policy_id), HOST)
    assert rows.read() == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "text",
    [
        '{"device": {"company": "O\'Brien"}}',
        r'{"a": "x\\\'y | z \" \u4e2d"}',
        "tab\there, nul \0 here, caf\u00e9 \N{GRINNING FACE}",
        "'); DROP TABLE ledger; --",
        "",
    ],
)
def test_any_text_is_stored_unchanged_in_every_column(rows: LedgerRows, text):
    stored = PolicyRow(f"t{text}", f"i{text}", f"d{text}", text, company=text, status=text)
    rows.insert(stored, HOST)
    assert rows.read() == [text]
    assert rows.replace_all([stored], HOST) == RowChanges()
    rows.delete([stored.policy_id])
    assert rows.read() == []


def test_an_id_is_there_once(rows: LedgerRows):
    assert rows.insert(row("a", text="first"), HOST)
    with pytest.raises(PolicyConflict, match="'a' exists already"):
        rows.insert(row("a", text="second"), HOST)
    assert not rows.insert(row("a", text="third"), HOST, ignore=True)
    assert rows.read() == ["first"]


def test_an_id_that_looks_like_sql_deletes_nothing(rows: LedgerRows):
    for policy_id in ("x", "y"):
        rows.insert(row(policy_id, text=policy_id), HOST)
    for hostile in ("x'or(1)or'", "' OR 1=1 --", "%", "*", "x\0"):
        with pytest.raises(PolicyRowMissing):
            rows.delete([hostile])
    assert rows.read() == ["x", "y"]


def test_a_delete_is_all_or_nothing(rows: LedgerRows):
    for policy_id in ("a", "b", "c"):
        rows.insert(row(policy_id, text=policy_id), HOST)
    with pytest.raises(PolicyRowMissing, match="'nosuch'"):
        rows.delete(["a", "nosuch", "b"])
    assert rows.read() == ["a", "b", "c"]
    rows.delete(["a", "c", "a"])
    assert rows.read() == ["b"]
    rows.delete([])
    assert rows.read() == ["b"]


def test_replace_all_touches_the_difference_alone(rows: LedgerRows):
    for policy_id in ("gone", "same", "other"):
        rows.insert(row(policy_id, text=policy_id), HOST)
    wanted = [row("same", text="same"), row("other", text="changed"), row("new", text="new")]
    assert rows.replace_all(wanted, HOST) == RowChanges(inserted=1, updated=1, deleted=1)
    assert sorted(rows.read()) == ["changed", "new", "same"]
    assert rows.replace_all(wanted, HOST) == RowChanges()
    assert rows.replace_all([], HOST) == RowChanges(deleted=3)


def test_of_rows_with_one_id_the_first_counts(rows: LedgerRows):
    rows.replace_all([row("a", text="first"), row("a", text="second")], HOST)
    assert rows.read() == ["first"]


def test_a_date_of_digits_is_no_difference(rows: LedgerRows):
    wanted = [row("a", date="20260101"), row("b", date=""), row("c", date="1e5")]
    rows.replace_all(wanted, HOST)
    assert rows.replace_all(wanted, HOST) == RowChanges()


ROWS = st.lists(
    st.builds(
        PolicyRow,
        policy_type=st.sampled_from(["device", "o'type"]),
        policy_id=st.sampled_from(["a", "b", "c", "d", "e'", "F", "f"]),
        date=st.sampled_from(["2026", "2025", ""]),
        policy=st.text(st.characters(codec="utf-8"), max_size=20),
        company=st.none() | st.sampled_from(["acme", "O'Brien"]),
        status=st.none() | st.just("active"),
    ),
    max_size=8,
    unique_by=lambda found: found.policy_id,
)


@given(before=ROWS, after=ROWS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_replace_all_makes_the_table_equal_to_any_set(rows: LedgerRows, before, after):
    rows.replace_all(before, HOST)
    old = {found.policy_id: found for found in before}
    new = {found.policy_id: found for found in after}
    changes = rows.replace_all(after, HOST)
    assert changes.inserted == len(new.keys() - old.keys())
    assert changes.deleted == len(old.keys() - new.keys())
    assert sorted(rows.read()) == sorted(found.policy for found in after)
    assert rows.replace_all(after, HOST) == RowChanges()


def test_the_version_differs_after_every_change_and_after_nothing_else(rows: LedgerRows):
    seen = [rows.version()]

    def changed():
        version = rows.version()
        assert version == rows.version()
        assert version not in seen
        seen.append(version)

    rows.insert(row("a"), HOST)
    changed()
    rows.insert(row("a"), HOST, ignore=True)
    rows.read()
    assert rows.version() == seen[-1]
    rows.replace_all([row("a"), row("b")], HOST)
    changed()
    rows.replace_all([row("b"), row("a")], HOST)
    assert rows.version() == seen[-1]
    rows.delete(["a"])
    changed()


@pytest.mark.stress
def test_threads_share_one_store(rows: LedgerRows):
    workers, each = 8, 20
    start = threading.Barrier(workers)
    failures: list[BaseException] = []

    def work(number):
        try:
            start.wait()
            for step in range(each):
                rows.insert(row(f"{number}-{step}", text=f"{number}-{step}"), HOST)
                rows.version()
                if step % 2:
                    rows.delete([f"{number}-{step}"])
                assert rows.read()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(rows.read()) == sorted(
        f"{n}-{s}" for n in range(workers) for s in range(0, each, 2)
    )


@given(before=ROWS, after=ROWS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_an_update_makes_of_the_named_rows_what_they_shall_be(rows: LedgerRows, before, after):
    rows.replace_all(before, HOST)
    old = {found.policy_id: found for found in before}
    new = {found.policy_id: found for found in after}
    changed = {key: new.get(key) for key in ("a", "e'", "F", "no row")}
    changes = rows.update(changed, HOST)
    assert changes is not None
    assert changes.inserted == sum(key in new and key not in old for key in changed)
    assert changes.deleted == sum(key in old and key not in new for key in changed)
    expected = {key: found for key, found in old.items() if key not in changed}
    expected |= {key: found for key, found in changed.items() if found is not None}
    assert sorted(rows.read()) == sorted(found.policy for found in expected.values())
    assert rows.update(changed, HOST) == RowChanges()
    assert rows.replace_all(list(expected.values()), HOST) == RowChanges()


def test_an_update_of_a_table_that_somebody_changed_does_nothing(rows: LedgerRows):
    assert rows.update({"a": row("a", text="a")}, HOST) is None
    rows.replace_all([row("a", text="a")], HOST)
    assert rows.update({"b": row("b", text="b")}, HOST) == RowChanges(inserted=1)
    assert rows.insert(row("x", text="x"), HOST)
    assert rows.update({"a": None}, HOST) is None
    assert rows.read() == ["a", "b", "x"]
    rows.replace_all([row("b", text="b")], HOST)
    assert rows.update({"b": None}, HOST) == RowChanges(deleted=1)
