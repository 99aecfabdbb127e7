"""Whatever a query asks of whatever policies: it finds what a plain evaluation of each finds."""

from __future__ import annotations

import itertools
import re
import threading
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from edgelake.ledger import (
    OPERATORS,
    AllOf,
    AnyOf,
    Attribute,
    Compare,
    Not,
    Policy,
    PolicyIndex,
    Predicate,
    Truth,
    matches,
    policy_of,
)

# ---------------------------------------------------------------- the model
# Slow, and as the ledger reference puts it; nothing in it is shared with what it judges.

MISSING = object()


def text(value: Any) -> str:
    """Return a value as text."""
    words = {True: "true", False: "false", None: ""}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def is_number(value: Any) -> bool:
    """Whether a value is a number."""
    return type(value) in (int, float)


def number(value: Any) -> float | int | None:
    """Return a value as a number, ``None`` if it does not read as one."""
    if is_number(value):
        return value
    if not isinstance(value, str) or re.search(r"[^-+.0-9eE\s]", value, re.ASCII):
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return None


def walk(value: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a path."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def equal(body: dict[str, Any], path: tuple[str, ...], wanted: str) -> bool:
    """Whether ``path = wanted`` holds."""
    stored: Any = body.get(path[0], MISSING)
    for step in path[1:]:
        if isinstance(stored, list):
            having = [item for item in stored if isinstance(item, dict) and step in item]
            stored = having[0] if having else MISSING
        stored = stored.get(step, MISSING) if isinstance(stored, dict) else MISSING
    if isinstance(stored, str):
        return stored.lower() == wanted.lower() or (stored == "*" and len(path) == 1)
    if len(path) > 1 or isinstance(stored, bool):
        return False
    if isinstance(stored, list):
        return wanted.lower() in stored
    if isinstance(stored, int):
        return isinstance(number(wanted), int) and number(wanted) == stored
    return isinstance(stored, float) and number(wanted) == stored


def compare(left: Any, sign: str, right: Any) -> bool:
    """Whether a comparison of the expression form holds."""
    if left is MISSING or right is MISSING:
        return False
    one, two = text(left).lower(), text(right).lower()
    if sign in ("contains", "startswith", "endswith", "childfrom"):
        if isinstance(left, list):
            return sign == "contains" and two in [text(item).lower() for item in left]
        if sign == "childfrom":
            folder, slash, name = one.rstrip("/").rpartition("/")
            return bool(slash and name) and folder == two.rstrip("/")
        return {"contains": two in one, "startswith": one.startswith(two)}.get(
            sign, one.endswith(two)
        )
    a: Any = one
    b: Any = two
    if is_number(left) or is_number(right):
        a, b = number(left), number(right)
        if a is None or b is None:
            return False
    return {
        "==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b
    }[sign]  # fmt: skip


def holds(body: dict[str, Any], predicate: Predicate) -> bool:
    """Whether a body fulfils a condition."""
    if isinstance(predicate, AllOf):
        return all(holds(body, part) for part in predicate.parts)
    if isinstance(predicate, AnyOf):
        return any(holds(body, part) for part in predicate.parts)
    if isinstance(predicate, Not):
        return not holds(body, predicate.part)
    if isinstance(predicate, Truth):
        operand = predicate.operand
        value = walk(body, operand.path) if isinstance(operand, Attribute) else operand
        return value is not MISSING and bool(value)
    path, sign, right = predicate.path, predicate.operator, predicate.value
    if sign == "=":
        return equal(body, path, text(right))
    if sign == "with":
        stored = walk(body, path)
        texts = [text(value) for value in right]
        if isinstance(stored, str):
            return stored.lower() in [value.lower() for value in texts]
        return isinstance(stored, list) and any(value in stored for value in texts)
    if isinstance(right, Attribute):
        right = walk(body, right.path)
    return compare(walk(body, path), sign, right)


# ------------------------------------------------------- policies, conditions

NAMES = ["id", "name", "port", "table", "0"]
TEXT_POOL = (
    "a", "A", "Alpha", "alpha/B", "/a/b", "a/", "a/b/", "*", "", "true", "False", "None", "[1]",
    "['a']", "{'name': 'a'}", "Q7", "3", "03", " 3", "3.0", "-3", "3e0", "1e21", "30", "x3", "+",
    "nan", "ß", "SS", "y" * 128, "Y" * 129, "y" * 130, "0" * 130 + "3",
)  # fmt: skip
OTHER_POOL = (3, 0, -3, 30, 3.0, 0.5, 1e21, 10**21, True, False, None)
PARTS_POOL = (
    [], ["a"], ["A", 3], [["a"], {"name": "a"}], [True, None, 3.0], {}, {"name": "a"}, {"name": 3},
    [{"port": 1}, {"name": "A"}, {"name": "b"}], [{"name": 1}, {"name": "a"}],
)  # fmt: skip
TEXTS = st.sampled_from(TEXT_POOL)
SCALARS = st.one_of(TEXTS, st.sampled_from(OTHER_POOL), st.integers(-3, 4))
MEMBERS = st.one_of(
    SCALARS,
    st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=2),
    st.lists(SCALARS, max_size=2),
)
VALUES = st.one_of(
    SCALARS,
    SCALARS,
    st.lists(MEMBERS, max_size=3),
    st.dictionaries(st.sampled_from(NAMES), MEMBERS, max_size=2),
)
BODIES = st.dictionaries(st.sampled_from(NAMES[1:]), VALUES, max_size=3)
IDS = st.sampled_from(["a", "A", "b", "*", "3", "03", "c", "Ab", "aB", "ab"])
TYPES = st.sampled_from(["p", "q"])
POLICIES = st.builds(
    lambda kind, body, policy_id: policy_of({kind: {**body, "id": policy_id}}), TYPES, BODIES, IDS
)

PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(tuple)
COMPARES = st.one_of(
    st.builds(
        Compare, PATHS, st.sampled_from(sorted(OPERATORS - {"with"})), st.one_of(TEXTS, SCALARS)
    ),
    st.builds(Compare, PATHS, st.sampled_from(["==", "<", "!=", "contains"]), PATHS.map(Attribute)),
    st.builds(Compare, PATHS, st.just("with"), st.lists(SCALARS, max_size=2)),
)
CONDITIONS: st.SearchStrategy[Predicate] = st.recursive(
    st.one_of(COMPARES, COMPARES, st.builds(Truth, st.one_of(PATHS.map(Attribute), SCALARS))),
    lambda parts: st.one_of(
        st.builds(AllOf, st.lists(parts, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(parts, max_size=3).map(tuple)),
        st.builds(Not, parts),
    ),
    max_leaves=4,
)
ASKED = st.sampled_from([None, (), ("*",), ("p",), ("q", "p"), ("none", "q"), ("p", "p")])

# So many that the indices are used.
MORE = [
    policy_of(
        {kind: {"id": f"{kind}{n}", "name": f"Dev{n % 50}", "port": n, "table": ["a", str(n)]}}
    )
    for n in range(70)
    for kind in ("p", "q")
]


def plain(
    policies: list[Policy], types: tuple[str, ...] | None, predicate: Predicate | None
) -> list[Policy]:
    """Return what a query finds, by looking at each policy."""
    return [
        policy
        for policy in policies
        if (not types or "*" in types or policy.type in types)
        and (predicate is None or holds(policy.body, predicate))
    ]


def test_each_comparison_of_each_value_with_each_other():
    policies = list(MORE)
    for n, value in enumerate((*TEXT_POOL, *OTHER_POOL, *PARTS_POOL)):
        policies.append(policy_of({"p": {"id": f"v{n}", "v": value, "o": {"name": value}}}))
        policies.append(policy_of({"p": {"id": f"l{n}", "o": [{"x": 1}, {"name": value}, value]}}))
    policies += [policy_of({"p": {"id": text}}) for text in TEXT_POOL if text]
    index = PolicyIndex(policies)
    for path in (("id",), ("v",), ("v", "name"), ("o", "name"), ("o", "2"), ("name",), ("port",)):
        for right in (*TEXT_POOL, *OTHER_POOL):
            tests = [Compare(path, sign, right) for sign in sorted(OPERATORS - {"with"})]
            for test in (*tests, Compare(path, "with", ["none", right])):
                assert index.find(("p",), test) == plain(policies, ("p",), test)
        alone = Truth(Attribute(path))
        assert index.find(("p",), alone) == plain(policies, ("p",), alone)


def test_what_lies_between_two_bounds_of_any_kind():
    pool = [*TEXT_POOL, *OTHER_POOL]
    policies = [*MORE, *(policy_of({"p": {"id": f"v{n}", "v": v}}) for n, v in enumerate(pool))]
    index = PolicyIndex(policies)
    for n, (low, high) in enumerate(itertools.product(pool, pool)):
        first, second = (("<", ">="), (">", "<="), ("!=", ">"), ("!=", "!="))[n % 4]
        tests = (Compare(("v",), first, low), Compare(("v",), second, high))
        both = AllOf((Not(Compare(("v",), "==", "a")), *tests))
        assert index.find(("p",), both) == plain(policies, ("p",), both)


@given(BODIES, CONDITIONS)
@settings(max_examples=800, deadline=None)
def test_a_condition_means_what_the_reference_says(body: dict[str, Any], condition: Predicate):
    assert matches(policy_of({"p": body}), condition) is holds(body, condition)


@given(
    st.lists(POLICIES, max_size=8, unique_by=lambda policy: policy.id),
    st.lists(st.tuples(ASKED, CONDITIONS), min_size=3, max_size=12),
)
@settings(max_examples=200, deadline=None)
def test_an_index_finds_what_looking_at_each_policy_finds(policies, queries):
    everything = [*policies, *MORE]
    index = PolicyIndex(everything)
    for types, condition in queries:
        assert index.find(types, condition) == plain(everything, types, condition)


class Checked:
    """An index and the list that it stands for."""

    def __init__(self, index: PolicyIndex, policies: list[Policy]):
        self.index, self.policies = index, policies

    def change(self, change: str, policy: Policy) -> None:
        """Change both."""
        ids = [entry.id for entry in self.policies]
        there = policy.id in ids
        if change == "put" and there:
            self.index.put(policy)
            self.policies[ids.index(policy.id)] = policy
            return
        rest = [entry for entry in self.policies if entry.id != policy.id]
        if change == "remove":
            self.index.remove(policy.id)
            self.policies = rest
        elif change == "first":
            self.index.add(policy, after="")
            self.policies = [policy, *rest]
        elif change == "behind" and rest:
            at = len(rest) // 2
            self.index.add(policy, after=rest[at].id)
            self.policies = [*rest[: at + 1], policy, *rest[at + 1 :]]
        else:
            self.index.add(policy)
            self.policies = [*rest, policy]

    def check(self, types: tuple[str, ...] | None, condition: Predicate | None) -> None:
        """Compare the two."""
        index, policies = self.index, self.policies
        assert index.find(types, condition) == plain(policies, types, condition)
        assert list(index.all()) == policies
        assert len(index) == len(policies)
        assert index.types() == sorted({policy.type for policy in policies})
        assert index.of_type("p") == [policy for policy in policies if policy.type == "p"]
        for policy_id in ("a", "A", "b", "p1", "none"):
            found = [policy for policy in policies if policy.id == policy_id]
            assert index.get(policy_id) == (found[0] if found else None)
            assert (policy_id in index) is bool(found)


STEPS = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["add", "put", "put", "remove", "first", "behind", "copy"]),
    POLICIES,
    st.one_of(st.none(), CONDITIONS),
    ASKED,
)


@given(st.lists(STEPS, min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_changes_reach_the_index_and_none_of_its_copies(steps):
    known = [Checked(PolicyIndex(MORE), list(MORE))]
    for which, change, policy, condition, types in steps:
        one = known[which % len(known)]
        one.check(types, condition)
        if change == "copy":
            known.append(Checked(one.index.copy(), list(one.policies)))
        else:
            one.change(change, policy)
        for each in known:
            each.check(types, condition)


def test_many_changes_are_as_right_as_few():
    checked = Checked(PolicyIndex(MORE), list(MORE))
    conditions = [
        Compare(("name",), "=", "dev8"),
        Compare(("name",), "==", "dev9"),
        Compare(("port",), ">=", "65"),
        Compare(("name",), "endswith", "9"),
        Compare(("table",), "contains", "a"),
    ]
    old = checked.index.copy()
    for n in range(1600):
        kind = "pq"[n % 2]
        body = {"id": f"{kind}{n % 90}", "name": f"Dev{n % 60}", "port": n % 80, "table": ["a"]}
        checked.change(("put", "put", "behind", "remove")[n % 4], policy_of({kind: body}))
        if not n % 100:
            for condition in conditions:
                checked.check(("p",), condition)
                checked.check(None, condition)
    for n in range(2000):
        # Always at the same place.
        checked.index.add(policy_of({"p": {"id": f"new{n}"}}), after=checked.policies[0].id)
    found = [policy.id for policy in checked.index.all()]
    assert found[1:2001] == [f"new{n}" for n in reversed(range(2000))]
    for condition in conditions:
        assert old.find(None, condition) == plain(MORE, None, condition)


def test_readers_see_whole_states_while_others_change_them():
    index = PolicyIndex(MORE)
    faults: list[object] = []
    done = threading.Event()
    conditions = [None, Compare(("turn",), ">=", "0"), Compare(("turn",), "==", "5")]

    def read() -> None:
        while not done.is_set():
            for condition in conditions:
                found = [policy for policy in index.find(("r",), condition)]
                turns = [policy.body["turn"] for policy in found]
                if turns != sorted(turns) or len({policy.id for policy in found}) != len(found):
                    faults.append(turns)
            state = index.copy()
            if len(state.all()) != len(state) or list(state.all()) != state.find(None, None):
                faults.append("all")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(2500):
        index.add(policy_of({"r": {"id": f"r{turn % 7}", "turn": turn}}))
    done.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert [policy.body["turn"] for policy in index.of_type("r")] == list(range(2493, 2500))
