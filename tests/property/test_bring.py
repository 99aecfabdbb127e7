"""Whatever is brought out of whatever object: an answer, or an error of the language."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edgelake.commands.rendering import render_table
from edgelake.errors import CommandError, EdgeLakeError
from edgelake.language import BRING_MODIFIERS, Variables, bring_of_text
from edgelake.ledger import assign_key, bring, children_of, key_of

VARIABLES = Variables({"k": "a", "odd": "[x]"}, {})
NAMES = ["a", "b", "name", "ip", "port", "date", "parent", "id", "*", "0", "local_ip"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.sampled_from(["5", "10", "1e5", "10.0.0.1", "x"]),
)
KEYS = st.one_of(
    st.sampled_from(NAMES), st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
POLICIES = st.builds(
    lambda kind, body: {kind: body}, KEYS, st.dictionaries(KEYS, VALUES, max_size=5)
)
OBJECTS = st.lists(st.one_of(POLICIES, VALUES), max_size=5)

STEPS = st.one_of(
    st.sampled_from(
        ["[*]", "[]", "[!k]", "[0]", "['a']", '["b"]', "[name(rfind(/))]", "[a(prefix(2))]"]
    ),
    st.sampled_from(NAMES).map(lambda name: f"[{name}]"),
)
PATHS = st.lists(STEPS, min_size=1, max_size=4).map("".join)
ITEMS = st.one_of(
    PATHS,
    st.builds(lambda one, two: f"{one}:{two}", PATHS, PATHS),
    st.sampled_from(
        ["text", '"a b"', "\\n", ":", "=", "'x'", "{a}", "(a, b)", "!k", "!odd", "separator"]
    ),
)
MODIFIERS = st.lists(
    st.sampled_from([*BRING_MODIFIERS, "sort(1,0)", "sort()"]), max_size=4, unique=True
)


@st.composite
def brings(draw: st.DrawFn) -> str:
    """Return a bring as text; some are wrong."""
    modifiers = "".join(f".{name}" for name in draw(MODIFIERS))
    items = draw(st.lists(ITEMS, max_size=4))
    separator = draw(
        st.sampled_from(["", " separator = ,", " separator = \\n", ' separator = " "'])
    )
    return " ".join([f"bring{modifiers}", *items]) + separator


@given(brings(), OBJECTS)
@settings(max_examples=2000, deadline=None)
def test_any_bring_of_any_objects(text: str, objects: list[Any]) -> None:
    error: CommandError | None = None
    try:
        wanted = bring_of_text(text, VARIABLES)
        found = bring(objects, wanted, own_addresses=frozenset({"10.0.0.1"}))
    except CommandError as exc:
        error = exc
    if error is not None:
        assert error.column is None or 1 <= error.column <= len(text) + 1
        return
    json.dumps(found.data, allow_nan=False)
    shown = render_table(found.table) if found.table is not None else found.text
    shown.encode()
    if found.json:
        assert json.loads(found.text) == found.data
    if "json" in wanted.modifiers:
        assert found.json or not found.text
    if found.table is not None:
        assert all(len(row) == len(found.table.columns) for row in found.table.rows)
    if objects and "count" in wanted.modifiers and "children" not in wanted.modifiers:
        count = (
            found.data
            if isinstance(found.data, int)
            else len(found.data) and found.data[0]["count"]
        )
        assert 0 <= count <= len(objects)


@given(OBJECTS, brings())
@settings(max_examples=300, deadline=None)
def test_unique_only_leaves_out(objects: list[Any], text: str) -> None:
    if "unique" in text or "json" in text or "table" in text or "list" in text:
        return
    try:
        plain = bring(objects, bring_of_text(text, VARIABLES)).data
        unique = bring(
            objects, bring_of_text(f"bring.unique{text.removeprefix('bring')}", VARIABLES)
        ).data
    except CommandError:
        return
    if isinstance(plain, list) and isinstance(unique, list) and "count" not in text:
        assert all(value in plain for value in unique)
        assert len(unique) <= len(plain)


@given(OBJECTS, OBJECTS)
@settings(max_examples=300, deadline=None)
def test_children_are_policies_that_name_their_parent(
    objects: list[Any], policies: list[Any]
) -> None:
    assert all(child in policies for child in children_of(objects, policies))


@given(
    st.one_of(st.none(), st.dictionaries(KEYS, VALUES, max_size=4)),
    st.lists(KEYS, min_size=1, max_size=4),
    VALUES,
)
@settings(max_examples=800, deadline=None)
def test_a_key_that_is_set_is_there_and_nothing_else_changes(
    data: dict[str, Any] | None, path: list[str], value: Any
) -> None:
    text = None if data is None else json.dumps(data)
    before = {} if text is None else json.loads(text)
    try:
        after = json.loads(assign_key(text, path, value))
    except EdgeLakeError:
        return
    assert float_free(key_of(after, path)) == float_free(json.loads(json.dumps(value)))
    others = [key for key in before if key != path[0]]
    assert all(float_free(after[key]) == float_free(before[key]) for key in others)


def float_free(value: Any) -> Any:
    """Return a value with its numbers as floats: large integers are stored as such."""
    if isinstance(value, dict):
        return {key: float_free(item) for key, item in value.items()}
    if isinstance(value, list):
        return [float_free(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
