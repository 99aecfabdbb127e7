"""Options in parentheses, orders of columns, places and names."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from edgelake.errors import DuplicateOption, WrongValue
from edgelake.language import (
    Address,
    AddressType,
    DottedValue,
    GroupValue,
    Host,
    IpAddress,
    Number,
    PolicyId,
    Sort,
    SortKey,
    TableName,
    TableType,
    ValueType,
    Variables,
    bind,
    parse,
)
from tests.language.sample import REGISTRY, TOPIC

VARIABLES = Variables({"site": "north", "t": "float"}, {})


def options(text: str) -> Any:
    """Return the options of a command."""
    (statement,) = parse(text, REGISTRY)
    return bind(statement, REGISTRY, VARIABLES).options


def topics(text: str) -> tuple[GroupValue, ...]:
    """Return the topics that an option list holds."""
    found: tuple[GroupValue, ...] = options(f"subscribe where broker = local and {text}")["topic"]
    return found


def test_a_group_has_typed_options_and_defaults() -> None:
    (topic,) = topics(
        'topic = (name = plant/a and dbms = "bring [site]" and tag = a and tag = (b, c)'
        " and column.level.int = 5)"
    )
    assert topic.options == {
        "name": "plant/a",
        "dbms": "bring [site]",
        "table": None,
        "qos": 0,
        "tag": ("a", "b", "c"),
    }
    assert topic.given == {"name", "dbms", "tag", "column.level.int"}
    assert topic.dotted == (DottedValue("column", ("level", "int"), "5"),)


def test_a_group_holds_groups() -> None:
    (topic,) = topics(
        'topic = (name = !site and column.stamp.timestamp = "bring [ts]" and'
        ' column.level = (type = !t and value = "bring [level]" and optional = true))'
    )
    assert topic.options["name"] == "north"
    stamp, level = topic.dotted
    assert stamp == DottedValue("column", ("stamp", "timestamp"), "bring [ts]")
    assert (level.prefix, level.parts) == ("column", ("level",))
    assert level.value.options == {"type": "float", "value": "bring [level]", "optional": True}


def test_an_option_with_a_group_repeats() -> None:
    first, second = topics(
        "topic = (name = a and column.x.int = 1) and topic = (name = b and column.x.int = 1)"
    )
    assert (first.options["name"], second.options["name"]) == ("a", "b")
    with pytest.raises(DuplicateOption):
        topics(
            "topic = (name = a and column.x.int = 1) and topic = (name = a and column.x.int = 1)"
        )


def test_a_value_never_changes_the_shape_of_a_group() -> None:
    VARIABLES.set("evil", "a and qos = 9) and broker = (x")
    (topic,) = topics("topic = (name = !evil and column.x.int = 1)")
    assert topic.options["name"] == "a and qos = 9) and broker = (x"


def test_faults_of_a_block_have_their_line() -> None:
    text = "subscribe where broker = local and\n  topic = (name = a and\n   shade = 1)"
    with pytest.raises(Exception, match="shade") as caught:
        options(text)
    error: Any = caught.value
    assert (error.line, error.column) == (3, 4)


def test_a_group_describes_itself() -> None:
    assert "column.<name>.<type>" in TOPIC.describe()
    assert "qos" in TOPIC.describe()
    with pytest.raises(WrongValue):
        TOPIC.parse("(name = a)")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("(1)", (SortKey(1),)),
        ("(1 asc, 3 desc)", (SortKey(1), SortKey(3, True))),
        ("2 desc", (SortKey(2, True),)),
        ("4", (SortKey(4),)),
    ],
)
def test_orders(text: str, keys: tuple[SortKey, ...]) -> None:
    found = options(f"collect data where start_date = now and order = {text}")["order"]
    assert found == keys
    assert Sort().parse(str(found[0])) == found[:1]


@pytest.mark.parametrize(
    "text", ["()", "(0)", "(1 up)", "(a)", "(1 = 2)", "(1, 1)", "name", "(-1)"]
)
def test_no_orders(text: str) -> None:
    with pytest.raises(WrongValue):
        options(f"collect data where start_date = now and order = {text}")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (IpAddress(), "10.0.0.7", ip_address("10.0.0.7")),
        (IpAddress(), "2001:db8::7", ip_address("2001:db8::7")),
        (Host(), "10.0.0.7", "10.0.0.7"),
        (Host(), "::1", "::1"),
        (Host(), "localhost", "localhost"),
        (Host(), "gateway-7.local", "gateway-7.local"),
        (Host(), "edge_node_1", "edge_node_1"),
        (Host(), "7up.example.", "7up.example."),
        (Host(), ".".join(["a" * 63] * 3), ".".join(["a" * 63] * 3)),
        (AddressType(), "10.0.0.7:32048", Address("10.0.0.7", 32_048)),
        (AddressType(), "[2001:db8::1]:80", Address("[2001:db8::1]", 80)),
        (AddressType(), "gateway_7:1", Address("gateway_7", 1)),
        (PolicyId(), "3e1d-7c.x:1_é", "3e1d-7c.x:1_é"),
        (PolicyId(), "a" * 128, "a" * 128),
        (TableType(), "orchard.pump_a", TableName("orchard", "pump_a")),
        (Number(), "0", 0.0),
        (Number(), "2.5", 2.5),
        (Number(), "1e3", 1000.0),
        (Number(None), "-2.5", -2.5),
        (Number(0, 1), "1", 1.0),
    ],
)
def test_accepted(kind: ValueType, text: str, value: Any) -> None:
    found = kind.parse(text)
    assert found == value
    if not isinstance(kind, Number):
        assert str(found) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (IpAddress(), "10.0.0.256"),
        (IpAddress(), "10.0.0"),
        (IpAddress(), "010.0.0.1"),
        (IpAddress(), "localhost"),
        (IpAddress(), ""),
        (Host(), ""),
        (Host(), "10.0.0.256"),
        (Host(), "1.2.3"),
        (Host(), "a..b"),
        (Host(), "-a"),
        (Host(), "a-"),
        (Host(), "a b"),
        (Host(), "a/b"),
        (Host(), "2001:db8:::1"),
        (Host(), "a" * 64),
        (Host(), ".".join(["a" * 63] * 4)),
        (AddressType(), "999.0.0.1:80"),
        (AddressType(), "2001:db8::1:80"),
        (AddressType(), "[10.0.0.1]:80"),
        (AddressType(), "[2001:db8:::1]:80"),
        (AddressType(), "[]:80"),
        (AddressType(), "a:65536"),
        (PolicyId(), ""),
        (PolicyId(), "a b"),
        (PolicyId(), "a" * 129),
        (TableType(), "pump_a"),
        (TableType(), "a.b.c"),
        (TableType(), ".b"),
        (TableType(), "a." + "b" * 64),
        (Number(), "-1"),
        (Number(), "1,5"),
        (Number(), "nan"),
        (Number(), "inf"),
        (Number(), "1e"),
        (Number(), "1_0"),
        (Number(0, 1), "1.01"),
        (Number(None, 5), "6"),
    ],
)
def test_refused(kind: ValueType, text: str) -> None:
    with pytest.raises(WrongValue) as caught:
        kind.parse(text)
    assert caught.value.hint


def test_types_describe_themselves() -> None:
    assert Number(0, 1).describe() == "number from 0 to 1"
    assert Number().describe() == "number 0 or more"
    assert Number(None).describe() == "number"
    assert Number(None, 2.5).describe() == "number 2.5 or less"
