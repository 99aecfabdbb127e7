"""What `bring` takes out of objects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgelake import limits
from edgelake.errors import CommandError
from edgelake.language import bring_of_text
from edgelake.ledger import Brought, bring, children_of


def policy(kind: str, **body: Any) -> dict[str, Any]:
    """Return a policy as data."""
    return {kind: body}


NODES = [
    policy(
        "operator",
        name="op1",
        ip="10.0.0.11",
        port=32148,
        country="US",
        city="San Francisco",
        id="op-1",
        date="2026-01-05T00:00:00.000000Z",
    ),
    policy(
        "operator",
        name="op2",
        ip="10.0.0.12",
        port=32149,
        country="US",
        main=True,
        id="op-2",
        date="2026-01-09T00:00:00.000000Z",
    ),
    policy(
        "query",
        name="q1",
        ip="10.0.0.13",
        local_ip="192.168.1.3",
        local_port=7,
        port="32150",
        country="IL",
        id="q-1",
        date="2026-01-07T00:00:00.000000Z",
    ),
]
CLUSTER = policy("cluster", name="c1", table=[{"name": "ping"}, {"dbms": "d"}, {"name": "pct"}])
DEVICE = policy(
    "device", path="Root/Objects/D1", on=False, none=None, ratio=1.5, tags=["a"], info={"é": [True]}
)


def took(text: str, *objects: Any, own: frozenset[str] = frozenset()) -> Brought:
    """Return what a bring takes of objects; of the nodes if there are none."""
    return bring(list(objects) or NODES, bring_of_text(text), own_addresses=own)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[*][name] separator = ,", "op1,op2,q1"),
        ("[*][name]", "op1op2q1"),
        ("[operator][name] separator = ,", "op1,op2"),
        ("[name]", ""),
        ("[*] separator = ,", "operator,operator,query"),
        ("[] separator = ,", "operator,operator,query"),
        (
            '[*][name] " : " [*][ip] separator = \\n',
            "op1 : 10.0.0.11\nop2 : 10.0.0.12\nq1 : 10.0.0.13",
        ),
        ("[*][name] , [*][port] separator = ;", "op1,32148;op2,32149;q1,32150"),
        ("[*][city]:[*][name] separator = ,", "San Francisco,op2,q1"),
        ('[\'operator\']["name"] separator = " "', "op1 op2"),
        ("city [*][city] separator = ,", "citySan Francisco"),
        (".null", ""),
        ("city= separator = ,", "city=,city=,city="),
    ],
)
def test_text(text, expected):
    if text == ".null":
        text, expected = "bring.null [*][city] separator = ,", "San Francisco,,"
    assert took(text).text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[cluster][table][1][dbms]", "d"),
        ("[cluster][table][9][dbms]", ""),
        ("[cluster][table][][name]", '["ping","pct"]'),
        ("[cluster][table][][nosuch]", ""),
        ("[cluster][name][x]", ""),
        ("[cluster][table][-1][name]", ""),
        ("[cluster][*]", "name"),
    ],
)
def test_lists_inside(text, expected):
    assert took(text, CLUSTER).text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[*][path(rfind(/))]", "D1"),
        ("[*][path(find(/))]", "Root"),
        ("[*][path(find(nosuch))]", "Root/Objects/D1"),
        ("[*][path(prefix(4))]", "Root"),
        ("[*][path(suffix(2))]", "D1"),
        ("[*][path(suffix(0))]", ""),
        ("[*][path(suffix(99))]", "Root/Objects/D1"),
        ("[*][on] [*][none] [*][ratio]", "FalseNone1.5"),
        ("[*][tags] [*][info]", '["a"]{"é": [true]}'),
        ("[*][nosuch(rfind(/))]", ""),
    ],
)
def test_parts_and_kinds_of_values(text, expected):
    assert took(text, DEVICE).text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bring.first [*][name]", "op1"),
        ("bring.last [*][name]", "q1"),
        ("bring.recent [*][name]", "op2"),
        ("bring.unique [*][country] separator = ,", "US,IL"),
        ("bring.list.unique [*][country]", "[US,IL]"),
        ("bring.list [*][name] . [*][port]", "[op1.32148,op2.32149,q1.32150]"),
        ("bring.max [*][port]", "32150"),
        ("bring.min [*][name]", "op1"),
        ("bring.max.json [*][port]", '[{"port": "32150"}]'),
        ("bring.sort(1) [*][name] [*][country] separator = ,", "q1IL,op1US,op2US"),
        ("bring.sort [*][country] [*][name] separator = ,", "ILq1,USop1,USop2"),
        ("bring.sort(7) [*][name] separator = ,", "op1,op2,q1"),
        ("bring.sort [*][city] [*][name] separator = ,", "San Franciscoop1,op2,q1"),
        ("bring.count", "3"),
        ("bring.count.unique", "3"),
        ("bring.count [*][country]", '[{"count" : 3 }]'),
        ("bring.count.unique [*][country]", '[{"count" : 2 }]'),
        ("bring.count [*][city]", '[{"count" : 1 }]'),
        ("bring.count.null [*][city]", '[{"count" : 1 }]'),
        ("bring.json.count", '[{"count" : 3 }]'),
        ("bring.json [*][main] [a]", '[{"main": true}]'),
        ("bring.json.null [*][city]", '[{"city": "San Francisco"},{"city": ""},{"city": ""}]'),
        ("bring.json [name]", "[]"),
        ("bring.json.first [] text [*][path(rfind(/))]", '[{"policy": "operator"}]'),
        ("bring.unique.json [*][country]", '[{"country": "US"},{"country": "IL"}]'),
        ("bring.ip_port", "10.0.0.11:32148,10.0.0.12:32149,10.0.0.13:32150"),
        ("bring.ip_port.first", "10.0.0.11:32148"),
        ("bring.ip_port separator = ;", "10.0.0.11:32148;10.0.0.12:32149;10.0.0.13:32150"),
        ("bring.ip_port.json.last", '[{"ip_port": "10.0.0.13:32150"}]'),
    ],
)  # fmt: skip
def test_modifiers(text, expected):
    assert took(text).text == expected


def test_numbers_are_compared_as_numbers_and_sorted_before_texts():
    objects = [{"a": {"v": value}} for value in (9, "10", "x", 2.5)]
    assert took("bring.max [a][v]", *objects[:2]).text == "10"
    assert took("bring.min [a][v]", *objects[:2]).text == "9"
    assert took("bring.sort [a][v] separator = ,", *objects).text == "2.5,9,10,x"
    booleans = [{"a": {"v": value}} for value in (True, False)]
    assert took("bring.min [a][v]", *booleans).text == "False"


def test_a_single_row_carries_its_data():
    assert took("bring.first [*][name]").data == ["op1"]
    assert took("bring.count").data == 3
    assert took("bring.json.last [*][name] [*][port]").data == [{"name": "q1", "port": "32150"}]


def test_whole_objects_are_laid_out_as_json():
    found = took("bring.first")
    assert found.json
    assert found.text.startswith('[{"operator" : {"name" : "op1",\n')
    assert json.loads(found.text) == NODES[:1]
    assert json.loads(took("bring.json").text) == NODES
    assert took("bring.unique", NODES[0], NODES[0]).data == NODES[:1]


def test_a_table_has_a_column_for_each_path():
    table = took("bring.table [*] [*][name] [*][main] text").table
    assert table is not None
    assert table.columns == ("Policy", "Name", "Main")
    assert list(table.rows) == [
        ("operator", "op1", ""),
        ("operator", "op2", "True"),
        ("query", "q1", ""),
    ]


def test_a_table_without_items_shows_all_attributes():
    table = took("bring.table.sort(1)", *NODES[::-1]).table
    assert table is not None
    assert table.columns[:4] == ("Policy", "Name", "Ip", "Local_ip")
    assert [row[1] for row in table.rows] == ["op1", "op2", "q1"]
    plain = took("bring.table", {"a": 1, "b": [1]}).table
    assert plain is not None
    assert (plain.columns, list(plain.rows)) == (("A", "B"), [("1", "[1]")])


def test_a_count_may_be_a_table():
    table = took("bring.table.count [*][city]").table
    assert table is not None
    assert (table.columns, list(table.rows)) == (("Count",), [(1,)])


def test_paths_with_one_last_name_keep_their_values():
    found = took("bring.json [*][ip] [*][ip(suffix(2))] [*][ip(prefix(2))]", NODES[0])
    assert found.data == [{"ip": "10.0.0.11", "ip_2": "11", "ip_3": "10"}]
    mixed = took("bring.json [operator][name] [query][name]")
    assert mixed.data == [{"name": "op1"}, {"name": "op2"}, {"name": "q1"}]
    both = took("bring.json [a][name] [b][name]", {"a": {"name": 1}, "b": {"name": 2}})
    assert both.data == [{"name": 1, "name_2": 2}]


def test_unique_keeps_rows_that_lack_different_values():
    objects = [{"p": {"a": 1}}, {"p": {"b": 1}}]
    assert took("bring.unique.json [p][a] [p][b]", *objects).data == [{"a": 1}, {"b": 1}]


@pytest.mark.parametrize(
    "text", ["[*][name]", "bring.count", "bring.json", "bring.table", "bring.max [a]"]
)
def test_nothing_gives_nothing(text):
    assert bring([], bring_of_text(text)).text == ""


def test_what_is_no_object_has_no_values_but_is_taken_whole():
    assert took("[a] [*] [0]", 5, "x", None, ["y"]).text == "y"
    assert took("[] separator = ,", 5, {"a": 1}, [1]).text == '5,{"a": 1},[1]'


def test_recent_takes_the_last_of_equal_or_missing_dates():
    objects = [{"a": {"n": n, "date": 5 if n == 2 else "2026"}} for n in range(3)]
    assert took("bring.recent [a][n]", *objects[:2]).text == "1"
    assert took("bring.recent [a][n]", *objects[1:]).text == "1"
    assert took("bring.recent [a][n]", {"a": {"n": 1}}, {"a": {"n": 2}}).text == "2"


def test_children():
    policies = [
        policy("uns", id="u1"),
        policy("uns", id="u2", parent="u1"),
        policy("tag", id="t1", parent="u1"),
        policy("tag", id="t2", parent=["u1"]),
        policy("tag", id="t3", parent="u2"),
    ]
    assert [next(iter(p.values()))["id"] for p in children_of(policies[:1], policies)] == [
        "u2",
        "t1",
    ]
    assert children_of([policy("uns", id=5), "x"], policies) == []


@pytest.mark.parametrize(
    "body",
    [
        {"ip": "10.0.0.1"},
        {"port": 5},
        {"ip": "10.0.0.1", "port": 0},
        {"ip": "10.0.0.1", "port": 65536},
        {"ip": "10.0.0.1", "port": True},
        {"ip": "10.0.0.1", "port": "5 "},
        {"ip": "10.0.0.1, 10.0.0.2", "port": 5},
        {"ip": "a) stop (b", "port": 5},
        {"ip": ["10.0.0.1"], "port": 5},
        {"ip": ["10.0.0.1"], "port": 5, "local_ip": "10.0.0.2"},
        {"ip": {}, "port": {}, "local_ip": [], "local_port": []},
    ],
)
def test_what_is_no_address_is_left_out(body):
    good = {"operator": {"ip": "fen-01.example", "port": 5}}
    assert took("bring.ip_port", {"operator": body}).text == ""
    assert took("bring.ip_port", {"operator": body}, good, good).text == "fen-01.example:5"


def test_a_node_behind_the_same_address_is_reached_by_its_local_one():
    assert took("bring.ip_port", NODES[2], own=frozenset({"10.0.0.13"})).text == "192.168.1.3:7"
    assert took("bring.ip_port", NODES[2], own=frozenset({"10.0.0.12"})).text == "10.0.0.13:32150"


def test_the_result_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "MAX_BRING_CHARS", 10)
    five = {"a": {"v": "12345"}}
    assert took("[a][v]", five, five).text == "1234512345"
    for text in ("[a][v] x", "[a][v] [a][v] [a][v]", "bring [a][v] separator = -", "bring.json"):
        with pytest.raises(CommandError, match="the result exceeds 10 characters"):
            took(text, five, five)


def test_a_table_of_all_attributes_is_bounded():
    most = {str(n): n for n in range(limits.MAX_BRING_ITEMS - 1)}
    assert took("bring.table", {"a": most}).table is not None
    with pytest.raises(CommandError, match="more than 63 attributes") as caught:
        took("bring.table", {"a": most}, {"a": {"one more": 1}})
    assert "bring.table [*]" in (caught.value.hint or "")
