"""`bring` as a text of its own, and values of JSON objects as commands write them."""

from __future__ import annotations

import pytest

from edgelake import limits
from edgelake.errors import BadJson, CommandError, CommandSyntaxError, UndefinedVariable, WrongValue
from edgelake.interfaces import Bring, BringCut, BringPath, BringStep
from edgelake.language import (
    Assignment,
    CommandStatement,
    JsonText,
    KeyValue,
    Variables,
    WrittenJson,
    bind,
    bring_of_text,
    index_keys,
    parse,
    recall,
)
from edgelake.language.plans import bind_and_learn
from tests.language.sample import REGISTRY

FIRST, EACH = BringStep.FIRST, BringStep.EACH
VARIABLES = Variables(
    {"a": "5", "key": "node", "list": WrittenJson("[1, !a]"), "odd": "[x][y]", "bad": "{oops"},
    {"HOME": "/h"},
)


def path(*steps: str | BringStep, cut: BringCut | None = None) -> tuple[BringPath, ...]:
    """Return an item with one path."""
    return (BringPath(steps, cut),)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("bring [payload][v]", (path("payload", "v"),)),
        ("[payload][v]", (path("payload", "v"),)),
        ("bring [kind] _ [unit]", (path("kind"), "_", path("unit"))),
        ("[*] [] [a][][b]", (path(FIRST), path(EACH), path("a", EACH, "b"))),
        ("[a]:[b][c]", ((BringPath(("a",)), BringPath(("b", "c"))),)),
        ("""["x]y"]['*'] 'kept'""", (path("x]y", "*"), "'kept'")),
        ("[ a b ][c]", (path("a b", "c"),)),
        ("[a(rfind(/))]", (path("a", cut=BringCut("rfind", "/")),)),
        ("[b(find(')'))]", (path("b", cut=BringCut("find", ")")),)),
        ("[a(prefix(3))]", (path("a", cut=BringCut("prefix", count=3)),)),
        ('"f(x)" = < + and where bring.x', ("f(x)", "=", "<", "+", "and", "where", "bring.x")),
        (r'\n "\t" a\nb', ("\n", "\t", "a\nb")),
        ("{x} (a, b) separator", ("{x}", "(a, b)", "separator")),
        ("[!key][v] !a !odd", (path("node", "v"), "5", "[x][y]")),
    ],
)  # fmt: skip
def test_items(text, items):
    assert bring_of_text(text, VARIABLES) == Bring(items=items)


def test_modifiers_and_separator():
    found = bring_of_text(r"bring.table.sort(3,0).unique [a] separator = \t")
    assert found == Bring(frozenset({"table", "unique"}), (path("a"),), "\t", (3, 0))
    assert bring_of_text("bring.sort() [a]").sort == ()
    assert bring_of_text("bring [a] separator = =").separator == "="
    assert bring_of_text("bring.ip_port separator=;") == Bring(frozenset({"ip_port"}), (), ";")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("bring.shuffle [a]", 7),
        ("bring [a] [b]x", 14),
        ("[a] [b]x", 8),
        ("[a] !nosuch", 5),
        ("[a", 1),
        ("", 1),
        ("bring [a] & bring [b]", 13),
        ("x\ny [a]z", 6),
    ],
)
def test_places_count_in_the_text(text, column):
    with pytest.raises(CommandError) as caught:
        bring_of_text(text, VARIABLES)
    assert caught.value.column == column


def test_items_are_bounded():
    most = " ".join(["[a]"] * limits.MAX_BRING_ITEMS)
    assert len(bring_of_text(most).items) == limits.MAX_BRING_ITEMS
    with pytest.raises(CommandSyntaxError, match="more than 64 items"):
        bring_of_text(most + " [b]")


# ------------------------------------------------------------------ values


def pairs(text: str) -> tuple[KeyValue, ...]:
    """Return what 'set policy' would set."""
    (statement,) = parse(f"set policy x {text}", REGISTRY)
    call = bind(statement, REGISTRY, VARIABLES)
    first, *more = call.value
    return (KeyValue(call.arguments["key"], first.value), *more)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", "5"),
        ("5.int", 5),
        ("-5.int", -5),
        ("1.5.float", 1.5),
        ("TRUE.bool", True),
        ("5.str", "5"),
        ('"5.int"', "5.int"),
        (".int", ".int"),
        ("North Pier 5.int", "North Pier 5.int"),
        ("North + Pier", "NorthPier"),
        ('""', ""),
        ("{}", {}),
        ('{"a": !a, "b": "!a", "c": [true]}', {"a": 5, "b": "5", "c": [True]}),
        ("[1, 2]", [1, 2]),
        ("(1.int, b c, {})", [1, "b c", {}]),
        ("()", []),
        ("!a", "5"),
        ("!a.int", 5),
        ("!a.len", 1),
        ("!list", [1, 5]),
        ("!bad", "{oops"),
        ("$HOME", "/h"),
        ("a.b.c:5", "a.b.c:5"),
        ('"bring [kind]"', "bring [kind]"),
    ],
)
def test_values(text, value):
    assert pairs(f"[k] = {text}") == (KeyValue(("k",), value),)
    if text not in ("()", "(1.int, b c, {})"):
        (statement,) = parse(f"create policy x where k = {text}", REGISTRY)
        assert bind(statement, REGISTRY, VARIABLES).options == {"k": value}


def test_pairs_keep_their_order():
    found = pairs("[!key] = {} and [!key][b c] = x and ['*'] = 5.int")
    assert found == (
        KeyValue(("node",), {}),
        KeyValue(("node", "b c"), "x"),
        KeyValue(("*",), 5),
    )


def test_options_of_any_key_keep_theirs():
    (statement,) = parse(
        'create policy x where b = 1 and "first name" = x and a = (1, 2.int)', REGISTRY
    )
    options = bind(statement, REGISTRY, VARIABLES).options
    assert list(options.items()) == [("b", "1"), ("first name", "x"), ("a", ["1", 2])]


def test_a_fault_in_a_later_line_has_that_line():
    with pytest.raises(WrongValue) as caught:
        pairs("[a] = {} and\n  [b] = five.int")
    assert (caught.value.line, caught.value.column) == (2, 9)


def test_keys_of_an_assignment():
    (statement,) = parse("name[node][!key] = 5", REGISTRY)
    assert isinstance(statement, Assignment)
    assert index_keys(statement.indices, VARIABLES) == ("node", "node")
    for text in ("name[] = 5", "name[*] = 5", "name[a(find(x))] = 5", "name{} = 5"):
        (statement,) = parse(text, REGISTRY)
        assert isinstance(statement, Assignment)
        with pytest.raises(WrongValue):
            index_keys(statement.indices, VARIABLES)
    (statement,) = parse("name[!nosuch] = 5", REGISTRY)
    assert isinstance(statement, Assignment)
    with pytest.raises(UndefinedVariable):
        index_keys(statement.indices, VARIABLES)


def test_keys_are_bounded():
    most = "[k]" * limits.MAX_NESTING
    assert len(pairs(f"{most} = 5")[0].keys) == limits.MAX_NESTING
    with pytest.raises(WrongValue, match="more than 64 deep"):
        pairs(f"{most}[k] = 5")


def test_values_of_peers_are_data():
    (statement,) = parse('create policy x where k = {"a":"!a"}', REGISTRY)
    assert bind(statement, REGISTRY, VARIABLES.for_peers()).options == {"k": {"a": "!a"}}


@pytest.mark.parametrize(
    "text", ["[" * 65 + "]" * 65, '{"a":1e999}', '{"a":"\\ud800"}', '"\ud800"', "NaN", "[" * 5000]
)
def test_json_that_cannot_be_written_again_is_refused(text):
    with pytest.raises(BadJson):
        JsonText.read(text)


def test_json_at_its_bounds_is_taken():
    assert JsonText.read(" " + "[" * 64 + "]" * 64)
    assert JsonText.read('"\\ud83d\\ude00"').data == "😀"


def test_a_known_shape_is_no_bring():
    """A command without 'bring' is remembered; with it, it is read as written."""
    REGISTRY.plans = None
    for text in (
        "create table a where dbms = b",
        'from {"a":1} bring [a]',
        'from {"b":2} bring.json',
    ):
        (statement,) = parse(text, REGISTRY)
        bind_and_learn(statement, REGISTRY, VARIABLES)
    assert recall("create table c where dbms = d", REGISTRY, VARIABLES) is not None
    for text in ('from {"a":1} bring [b]', 'from {"a":1}', "create policy x where name = 5.int"):
        assert recall(text, REGISTRY, VARIABLES) is None


def test_a_list_of_policies_between_parentheses_may_end_with_bring():
    (statement,) = parse("run client (blockchain get operator bring.ip_port) get status", REGISTRY)
    assert isinstance(statement, CommandStatement)
