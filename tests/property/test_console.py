"""Whatever is typed: completion, hints and colours never raise, and stay bounded."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelake import limits
from edgelake.commands import build_registry
from edgelake.console.highlighting import styled
from edgelake.console.keys import unfinished
from edgelake.editing.completion import candidates
from edgelake.editing.hints import hint
from edgelake.editing.reading import read
from edgelake.editing.tokens import scan
from edgelake.language import (
    Boolean,
    CommandRegistry,
    CommandSet,
    Dotted,
    OneOf,
    Option,
    OptionGroup,
    Text,
    Where,
)
from tests.language.sample import REGISTRY as SAMPLE
from tests.names import Names

TOPIC = OptionGroup(
    "topic",
    (Option("name", Text()), Option("path", Text(), repeatable=True)),
    (Dotted("column", {1: Boolean(), 2: Boolean()}, ("name", "type"), OneOf("int", "float")),),
)
nested = CommandSet(group="nested")
nested.command(
    "run msg client",
    summary="subscribe",
    where=Where.REQUIRED,
    options=(Option("topic", TOPIC, repeatable=True), Option("broker", Text())),
)(lambda context, call: None)

REGISTRIES = (build_registry(), SAMPLE, CommandRegistry([nested]))

WORDS = sorted(
    {word for registry in REGISTRIES for command in registry for word in command.words}
    | {option.key for registry in REGISTRIES for c in registry for option in c.options}
)
SIGNS = [*"()[]{}<>=&+,#!$.:;\"'`\\\n\t", "!a", "!!b", "$C", "==", "!=", "->", "x{}", ":l:"]
KEYWORDS = [
    "column.a",
    "column.a.b",
    "column.",
    "where",
    "using",
    "and",
    "or",
    "not",
    "then",
    "for",
    "task",
    "bring.json",
    "contains",
]
VALUES = [
    "true",
    "5",
    "seconds",
    "10 MB",
    "1.2.3.4:5",
    '"a b"',
    '{"a": "}"}',
    "é",
    "\x1b",
    "\ud800",
]

typed = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.tuples(
            st.sampled_from([*WORDS, *SIGNS, *KEYWORDS, *VALUES]), st.sampled_from(["", " ", "  "])
        ),
        max_size=40,
    ).map(lambda words: "".join(word + blank for word, blank in words)),
)


@settings(deadline=None)
@given(typed)
@example("run msg client where topic = (name = a and column.x = (")
@example("run msg client where topic = (column.x.odd = 5 and column. = 1")
@example("if if if then then else do do wait 5 for")
@example("x[][][] = {")
def test_nothing_is_refused(text):
    for registry in REGISTRIES:
        pieces = styled(text, registry, {"a"})
        assert "".join(piece for _, piece in pieces) == text
        said = hint(text, registry)
        assert "\n" not in said
        assert len(said) < 500
        for found in candidates(text, registry, Names()):
            assert 0 <= found.back <= len(text)
            assert found.text != text[len(text) - found.back :]
    unfinished(text)


@settings(deadline=None)
@given(typed)
def test_tokens_stand_where_they_say_and_do_not_overlap(text):
    end = 0
    for token in scan(text):
        assert token.start >= end
        assert token.text == text[token.start : token.end] != ""
        assert token.depth >= 0
        end = token.end


@settings(deadline=None)
@given(typed)
def test_every_token_is_read_once(text):
    for registry in REGISTRIES:
        parts = read(text, registry).parts
        assert [part.start for part in parts] == [token.start for token in scan(text)]


@settings(deadline=None)
@given(st.sampled_from([*WORDS, *SIGNS, *KEYWORDS, *VALUES]), st.sampled_from(["", " ", " = "]))
def test_a_word_repeated_to_the_limit_and_beyond(word, blank):
    unit = word + blank
    text = (unit * (limits.MAX_STYLED_CHARS // len(unit) + 1))[: limits.MAX_STYLED_CHARS]
    for registry in REGISTRIES:
        assert "".join(piece for _, piece in styled(text, registry, ())) == text
        hint(text, registry)
        candidates(text, registry, Names())
        beyond = text + "x"
        assert styled(beyond, registry, ()) == [("", beyond)]
        assert hint(beyond, registry) == ""
        assert candidates(beyond, registry, Names()) == []
