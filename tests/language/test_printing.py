"""Statements back to text: the text means the same, and is printed as it is."""

from __future__ import annotations

import pytest

from edgelake.errors import CommandError
from edgelake.language import CommandRegistry, parse
from edgelake.language.meaning import meaning
from edgelake.language.printing import canonical
from tests.language.reference_corpus import lines
from tests.language.sample import NETWORK, REGISTRY
from tests.language.test_corpus import CORPUS, cases

TEXTS = sorted({*(text for text, _ in cases(CORPUS)), *(line.text for line in lines())})


def printed(text: str, registry: CommandRegistry = REGISTRY) -> str:
    """Return a text in canonical form."""
    return " & ".join(canonical(statement, registry) for statement in parse(text, registry))


@pytest.mark.parametrize("registry", [REGISTRY, NETWORK], ids=["sample", "network"])
def test_what_is_printed_means_the_same_and_is_printed_so_again(registry: CommandRegistry) -> None:
    taken = 0
    for text in TEXTS:
        try:
            statements = parse(text, registry)
        except CommandError:
            continue
        out = printed(text, registry)
        assert meaning(parse(out, registry)) == meaning(statements), text
        assert printed(out, registry) == out
        taken += 1
    assert taken > 700


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("print   a  b", "print a b"),
        ("print a+b", "print a + b"),
        ('print "a  b"   (x  y)', 'print "a  b" (x  y)'),
        ('print {"a":  1}', 'print {"a":  1}'),
        ("x=5", "x = 5"),
        ("!x = 5", "x = 5"),
        ("x[a][b]  =  {}", "x[a][b] = {}"),
        ('x={"a":1,"b":[1,2]}', 'x = {"a": 1, "b": [1, 2]}'),
        ('x = {"a":1,  "b":!ip}', 'x = {"a":1,  "b":!ip}'),
        ('x = {"a":1.50,"a":2}', 'x = {"a": 1.50, "a": 2}'),
        ("!a+!b", "!a + !b"),
        ("print one&print two", "print one & print two"),
        (
            "get status  where format=json  and include = !a",
            "get status where format = json and include = !a",
        ),
        ("connect dbms x where type=(sqlite)", "connect dbms x where type = (sqlite)"),
        (
            "run client (10.0.0.1:1,10.0.0.2:2 ,subset=true)  get  status",
            "run client (10.0.0.1:1, 10.0.0.2:2, subset = true) get status",
        ),
        ("if !a==5  then  print x", "if !a == 5 then print x"),
        ("if (!a == 5) then print x", "if !a == 5 then print x"),
        ("if not  (!a==1 and !b) then", "if not (!a == 1 and !b) then"),
        ("if (!a or !b) and !c==1 then x=5", "if (!a or !b) and (!c == 1) then x = 5"),
        ("if !a or !b and !c", "if (!a) or (!b and !c)"),
        ("wait 5 for !a==1", "wait 5 for !a == 1"),
        ("do  else   print x", "do else print x"),
        (
            "schedule time = 1 minute and name=x   task   get  status",
            "schedule time = 1 minute and name = x task get status",
        ),
        ("x =  get   status", "x = get status"),
        (".  get status", ". get status"),
    ],
)
def test_canonical_form(text: str, expected: str) -> None:
    assert printed(text) == expected
