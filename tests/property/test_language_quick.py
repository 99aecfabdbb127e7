"""The quick ways to read a command against the slow ones: Lark's own parser, and no memory."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Token, Tree
from lark.exceptions import UnexpectedInput

from edgelake.errors import CommandError, EdgeLakeError
from edgelake.language import Call, Variables, bind, parse, parse_remote, read_remote, recall
from edgelake.language.lalr import reader_of
from edgelake.language.plans import bind_and_learn
from edgelake.language.tree import BUILDERS
from edgelake.language.words import MAKERS
from tests.language.sample import REGISTRY
from tests.language.test_corpus import CORPUS, LINES, cases
from tests.property.test_language import TEXTS

OWN = Variables({"a": "5", "text": "x & y"}, {"HOME": "/home/el"})
CORPUS_TEXTS = sorted(
    {
        *(text for folder in (CORPUS, CORPUS / "errors") for text, _ in cases(folder)),
        *(line.split("\t")[0] for line in LINES.read_text(encoding="utf-8").splitlines()),
    }
)
PLANNED_TEXTS = [
    "set a = 5",
    'set owner = "North Pier"',
    'set "a" = 5',
    'get "status"',
    'connect dbms x where "type" = sqlite and memory = true',
    "exit tcp",
    "print one two",
    'echo "one two" three',
    "get status where format = json",
    'blockchain push {"a":1}',
    'blockchain insert where policy = {"a":{"b":1}} and local = true and master = a.b:1',
    "connect dbms x where type = sqlite and password = p and port = 5 and memory = true",
    "set buffer threshold where time = 1 minute and volume = 20KB",
    'event get_blockchain "f g" 5f 1',
    "run blockchain sync where source = master and dest = file and connection = a.b:1",
    "blockchain get device bring.json [device][name]",
    'from {"a":1} bring [a] : x separator = y',
    "create policy x where name = a and user = 5.int and kind = b",
    "set policy x [a] = {} and [a][b] = 5.int",
]
KEYWORDS = st.sampled_from(
    ["and", "or", "where", "using", "bring", "bring.x", "bring.first", "not", "in", "="]
)
VALUES = st.sampled_from(
    [
        *("contains", "==", '"status"', '"dictionary"', '"type"', '"ip"', '"user"', "user"),
        *("x", "5", "70000", "-1", "true", "sqlite", "json", "status", "a.b:1", "30", "seconds"),
        *('"a b"', '""', '"!a"', '"$HOME"', '"a"b', "'a'", "`a`", '"', "a'b", 'a"b', '"\t"'),
        *("!a", "!!a", "$HOME", "a!b", "a=b", "=b", "a=", "a,b", "(a)", "[a]", "a[0]", "->", "+"),
        *(
            '{"a":1}',
            '{"a":!a}',
            '{"a":"!a"}',
            "{}",
            "{",
            "}",
            '{"a":1}x',
            "{[[[[[[1]]]]]]}",
            "{a b}",
        ),
        *("&", "#", "#a", "a\tb", "a\n", "", "é", "\u2028", "a\0", "<", ">", "<=", "1.5KB", "10MB"),
    ]
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Return two texts that differ in a few words."""
    text = draw(
        st.one_of(st.sampled_from(PLANNED_TEXTS), st.sampled_from(CORPUS_TEXTS), TEXTS),
    )
    words = text.split(" ")
    other = list(words)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(words) - 1))
        other[at] = draw(st.one_of(KEYWORDS, VALUES, st.sampled_from(words)))
    return draw(st.permutations([text, " ".join(other)]).map(tuple))  # type: ignore[arg-type]


def error_of(error: EdgeLakeError) -> tuple[Any, ...]:
    """Return all that a person sees of an error."""
    return type(error), str(error), error.hint, error.line, error.column


def call_of(call: Call) -> tuple[Any, ...]:
    """Return all that a handler sees of a call."""
    names = [*call.arguments, *call.options, "value", "text"]
    return (
        call.command.name,
        list(call.arguments.items()),
        list(call.options.items()),
        call.given,
        call.text,
        call.value,
        call.words,
        call.condition,
        call.bring,
        call.source,
        call.statement,
        [call.column(name) for name in names],
        [getattr(value, "data", None) for value in (*call.options.values(), call.value)],
    )


def slowly(text: str, variables: Variables) -> tuple[Any, ...]:
    """Return the call or error of a text without memory."""
    try:
        return call_of(bind(parse_remote(text, REGISTRY), REGISTRY, variables))
    except EdgeLakeError as error:
        return error_of(error)


@given(pairs(), st.booleans())
@settings(max_examples=1200, deadline=None)
def test_a_remembered_shape_gives_the_call_that_parsing_gives(
    texts: tuple[str, str], foreign: bool
) -> None:
    variables = OWN.for_peers() if foreign else OWN
    REGISTRY.plans = None
    for text in (*texts, *texts):
        try:
            found = call_of(read_remote(text, REGISTRY, variables))
        except EdgeLakeError as error:
            found = error_of(error)
        assert found == slowly(text, variables)


@given(pairs())
@settings(max_examples=600, deadline=None)
def test_a_recalled_text_is_one_command_at_the_console_too(texts: tuple[str, str]) -> None:
    REGISTRY.plans = None
    try:
        for statement in parse(texts[0], REGISTRY):
            bind_and_learn(statement, REGISTRY, OWN)
    except EdgeLakeError:
        pass
    call = recall(texts[1], REGISTRY, OWN)
    if call is not None:
        (statement,) = parse(texts[1], REGISTRY)
        assert call_of(call) == call_of(bind(statement, REGISTRY, OWN))


def built(node: Tree[Token] | Token, text: str) -> Any:
    """Return what the nodes of Lark's own tree are."""
    if isinstance(node, Token):
        maker = MAKERS.get(node.type)
        return maker(str(node), node.start_pos or 0) if maker else None
    last: Any = node
    while isinstance(last, Tree) and last.children:
        last = last.children[-1]
    end = last.end_pos if isinstance(last, Token) else 0
    return BUILDERS[node.data](text, [built(child, text) for child in node.children], end)


@given(st.one_of(TEXTS, pairs().map(lambda texts: texts[0]), pairs().map(lambda texts: texts[1])))
@settings(max_examples=1200, deadline=None)
def test_the_machine_takes_what_lark_takes(text: str) -> None:
    expected: Any
    try:
        expected = built(reader_of(REGISTRY).lark.parse(text), text)
    except UnexpectedInput:
        expected = None  # what is wrong, the golden files hold
    except CommandError as error:
        expected = error_of(error)
    found: Any
    try:
        found = parse(text, REGISTRY)
    except CommandError as error:
        found = error_of(error) if expected is not None else None
    assert found == expected
