"""Conditions over policies, in both forms."""

from __future__ import annotations

import pytest

from edgelake.errors import WrongValue
from edgelake.ledger import (
    AllOf,
    AnyOf,
    Attribute,
    Compare,
    Not,
    Truth,
    matches,
    parse_policy,
)

DEVICE = parse_policy(
    '{"device": {"name": "Pump 1", "any": "*", "level": 3, "ratio": 2.5, "on": true, "off": false,'
    ' "none": null, "tags": ["alpha", "Beta", "7"], "numbers": [3, 4], "info": {"vendor": "ACME",'
    ' "rev": {"major": "x"}}, "table": [{"name": "t0"}, {"dbms": "d1", "name": "t1"},'
    ' {"dbms": "d2"}], "port": 32148, "text": "12", "empty": "", "zero": 0, "nothing": []}}'
)


def holds(path, operator, value):
    return matches(DEVICE, Compare(tuple(path.split(".")), operator, value))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("name", "pump 1", True),
        ("name", "pump", False),
        ("any", "whatever", True),
        ("tags", "ALPHA", True),
        ("tags", "alpha", True),
        ("tags", "beta", False),
        ("numbers", "3", False),
        ("level", "3", True),
        ("level", "003", True),
        ("level", "3.0", False),
        ("level", "1_0", False),
        ("level", "three", False),
        ("level", 3, True),
        ("port", "0032148", True),
        ("ratio", "2.50", True),
        ("ratio", "2.5e0", True),
        ("ratio", "nan", False),
        ("on", "true", False),
        ("on", True, False),
        ("on", "1", False),
        ("none", "null", False),
        ("none", None, False),
        ("info", "acme", False),
        ("nosuch", "", False),
        ("info.vendor", "acme", True),
        ("info.nosuch", "acme", False),
        ("info.rev.major", "X", True),
        ("table.dbms", "d1", True),
        ("table.dbms", "d2", False),
        ("table.name", "t0", True),
        ("table.name", "t1", False),
        ("tags.0", "alpha", False),
        ("name.x", "p", False),
        ("text", 12, True),
    ],
)
def test_equality(path, value, expected):
    assert holds(path, "=", value) is expected


@pytest.mark.parametrize(
    ("path", "values", "expected"),
    [
        ("tags", ["x", "alpha"], True),
        ("tags", ["Beta"], True),
        ("tags", ["x"], False),
        ("name", ["PUMP 1", "y"], True),
        ("level", ["3"], False),
        ("nosuch", ["x"], False),
        ("tags", [], False),
    ],
)
def test_with_a_list(path, values, expected):
    assert holds(path, "with", values) is expected


@pytest.mark.parametrize(
    ("path", "operator", "value", "expected"),
    [
        ("name", "==", "PUMP 1", True),
        ("name", "!=", "pump 1", False),
        ("name", "!=", "other", True),
        ("name", ">", "alpha", True),
        ("name", "<", "ZZZ", True),
        ("level", "==", "3", True),
        ("level", "==", "3.0", True),
        ("level", ">", 2, True),
        ("level", ">=", "3", True),
        ("level", "<", "2.9", False),
        ("level", "<=", 3.5, True),
        ("level", ">", "abc", False),
        ("level", "!=", "abc", False),
        ("level", ">", "20", False),
        ("text", ">", 9, True),
        ("text", ">", "9", False),
        ("ratio", "<", "3", True),
        ("on", "==", "TRUE", True),
        ("on", ">", 0, False),
        ("none", "==", "", True),
        ("nosuch", "==", "3", False),
        ("nosuch", "!=", "3", False),
        ("nosuch", "contains", "", False),
        ("info.vendor", "contains", "cm", True),
        ("name", "startswith", "PU", True),
        ("name", "endswith", "1", True),
        ("name", "endswith", "2", False),
        ("port", "startswith", "32", True),
        ("tags", "contains", "BETA", True),
        ("tags", "contains", "bet", False),
        ("numbers", "contains", "4", True),
        ("tags", "startswith", "alpha", False),
        ("table.1.name", "==", "t1", True),
        ("table.9.name", "==", "t1", False),
        ("table.-1.name", "==", "t1", False),
    ],
)
def test_comparisons(path, operator, value, expected):
    assert holds(path, operator, value) is expected


def test_attributes_can_be_compared_with_each_other():
    assert matches(DEVICE, Compare(("level",), ">", Attribute(("ratio",))))
    assert not matches(DEVICE, Compare(("level",), ">", Attribute(("nosuch",))))


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        ("word", True),
        ("", False),
        (0, False),
        (Attribute(("level",)), True),
        (Attribute(("zero",)), False),
        (Attribute(("empty",)), False),
        (Attribute(("nothing",)), False),
        (Attribute(("nosuch",)), False),
        (Attribute(("off",)), False),
        (Attribute(("table", 0, "name")), True),
    ],
)
def test_single_operands(operand, expected):
    assert matches(DEVICE, Truth(operand)) is expected


def test_conditions_combine():
    yes, no = Truth(1), Truth(0)
    assert matches(DEVICE, AllOf((yes, yes)))
    assert not matches(DEVICE, AllOf((yes, no)))
    assert matches(DEVICE, AnyOf((no, yes)))
    assert not matches(DEVICE, AnyOf((no, no)))
    assert matches(DEVICE, Not(no))
    assert matches(DEVICE, AllOf(()))
    assert not matches(DEVICE, AnyOf(()))
    # "A and B or C" holds with C alone.
    assert matches(DEVICE, AnyOf((AllOf((no, yes)), yes)))


def test_an_unknown_comparison_is_refused():
    with pytest.raises(WrongValue, match="no comparison 'startwith'"):
        Compare(("name",), "startwith", "x")
