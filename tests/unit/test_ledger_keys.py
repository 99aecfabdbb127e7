"""Single keys of JSON objects kept as text."""

from __future__ import annotations

import json

import pytest

from edgelake import limits
from edgelake.errors import BadJson, KeyMissing, PolicyInvalid, WrongValue
from edgelake.ledger import assign_key, assign_keys, key_of


def test_one_level_makes_the_object():
    assert assign_key(None, ["node"], {}) == '{"node": {}}'
    assert assign_key("", ["name"], "é") == '{"name": "é"}'


def test_a_key_is_set_where_its_parent_is():
    text = '{"node": {"name": "a", "tags": ["x", "y"]}}'
    assert json.loads(assign_key(text, ["node", "port"], 5))["node"]["port"] == 5
    assert json.loads(assign_key(text, ["node", "name"], None))["node"]["name"] is None
    assert json.loads(assign_key(text, ["node", "tags", "1"], "z"))["node"]["tags"] == ["x", "z"]


def test_several_keys_are_set_in_their_order():
    pairs = [(["a"], {}), (["a", "b"], {}), (["a", "b", "c"], True)]
    assert assign_keys(None, pairs) == '{"a": {"b": {"c": true}}}'


@pytest.mark.parametrize(
    ("text", "path", "error", "message", "hint"),
    [
        (None, ["a", "b"], KeyMissing, r"no key \[a\]", "write [a] = {} first"),
        ('{"x": 1}', ["a", "b"], KeyMissing, r"no key \[a\]", "keys there: x"),
        ('{"a": {}}', ["a", "b", "c"], KeyMissing, r"no key \[a\]\[b\]", "write [a][b] = {} first"),
        ('{"a": 5}', ["a", "b"], WrongValue, r"\[a\] holds no object", "write [a] = {} first"),
        ('{"a": [1]}', ["a", "1"], KeyMissing, r"\[a\]\[1\]", "the list has the numbers 0 to 0"),
        ('{"a": []}', ["a", "x"], KeyMissing, r"no key \[a\]\[x\]", "the list is empty"),
        ("7", ["a"], BadJson, "'7' is no JSON object", "write name = {} first"),
        ("{bad", ["a"], BadJson, "'{bad' is no JSON object", "write name = {} first"),
        ("[1]", ["0"], BadJson, "no JSON object", "write name = {} first"),
    ],
)  # fmt: skip
def test_what_cannot_be_set(text, path, error, message, hint):
    with pytest.raises(error, match=message) as caught:
        assign_key(text, path, "v")
    assert caught.value.hint == hint
    assert error is not KeyMissing or caught.value.code == 184


def test_objects_are_bounded():
    room = limits.MAX_POLICY_BYTES - len('{"a": ""}')
    assert len(assign_key(None, ["a"], "x" * room)) == limits.MAX_POLICY_BYTES
    with pytest.raises(PolicyInvalid, match="exceeds"):
        assign_key(None, ["a"], "x" * (room + 1))
    deep: object = 1
    for _ in range(limits.MAX_NESTING - 1):
        deep = [deep]
    assert assign_key(None, ["a"], deep)
    with pytest.raises(PolicyInvalid, match="nested deeper"):
        assign_key(None, ["a"], [deep])


def test_a_number_that_is_none_is_refused():
    with pytest.raises(PolicyInvalid, match="cannot be written as JSON"):
        assign_key(None, ["a"], float("nan"))


def test_one_value():
    data = {"a": [{"b": 5}], "": 1}
    assert key_of(data, ["a", "0", "b"]) == 5
    assert key_of(data, []) is data
    assert key_of(data, [""]) == 1
    for path in (["x"], ["a", "1"], ["a", "b"], ["a", "0", "b", "c"], ["a", "-1"]):
        with pytest.raises(KeyMissing):
            key_of(data, path)
