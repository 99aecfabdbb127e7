"""Colours of what is typed."""

from __future__ import annotations

import pytest
from prompt_toolkit.document import Document

from edgelake import limits
from edgelake.console.highlighting import CommandLexer, styled
from edgelake.console.styles import STYLE
from tests.language.sample import REGISTRY
from tests.names import Names


def colours(text: str) -> list[tuple[str, str]]:
    pieces = styled(text, REGISTRY, {"a", "dir"}, {"HOME"})
    assert "".join(piece for _, piece in pieces) == text
    return [(style.removeprefix("class:el."), piece) for style, piece in pieces if piece.strip()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("get status", [("command", "get"), ("command", "status")]),
        ("get stat", [("command", "get"), ("command", "stat")]),
        ("get stat ", [("command", "get"), ("unknown", "stat")]),
        ("get statsu", [("command", "get"), ("unknown", "statsu")]),
        ("juggle it", [("unknown", "juggle"), ("text", "it")]),
        (
            "run tcp server where bind = true and nosuch = 5 ",
            [
                ("command", "run"),
                ("command", "tcp"),
                ("command", "server"),
                ("keyword", "where"),
                ("key", "bind"),
                ("sign", "="),
                ("unit", "true"),
                ("keyword", "and"),
                ("wrong", "nosuch"),
                ("sign", "="),
                ("number", "5"),
            ],
        ),
        (
            "print !a/x !b $HOME $NONE !!c # why",
            [
                ("command", "print"),
                ("reference", "!a"),
                ("text", "/x"),
                ("undefined", "!b"),
                ("reference", "$HOME"),
                ("undefined", "$NONE"),
                ("reference", "!!c"),
                ("comment", "# why"),
            ],
        ),
        (
            'print "one !a" \'two\' "!dir"',
            [
                ("command", "print"),
                ("quoted", '"one !a"'),
                ("quoted", "'two'"),
                ("quoted", '"'),
                ("reference", "!dir"),
                ("quoted", '"'),
            ],
        ),
        (
            'x = {"k": [1, "v", true, !a]}',
            [
                ("variable", "x"),
                ("sign", "="),
                ("sign", "{"),
                ("json.key", '"k"'),
                ("sign", ": ["),
                ("json.number", "1"),
                ("sign", ", "),
                ("json.string", '"v"'),
                ("sign", ", "),
                ("json.constant", "true"),
                ("sign", ", "),
                ("reference", "!a"),
                ("sign", "]}"),
            ],
        ),
        (
            "if !a.int > 5 then wait 3",
            [
                ("command", "if"),
                ("reference", "!a.int"),
                ("sign", ">"),
                ("number", "5"),
                ("keyword", "then"),
                ("command", "wait"),
                ("number", "3"),
            ],
        ),
        (
            "set query mode using timeout = 2 minutes and max_volume = 4KB",
            [
                ("command", "set"),
                ("command", "query"),
                ("command", "mode"),
                ("keyword", "using"),
                ("key", "timeout"),
                ("sign", "="),
                ("number", "2"),
                ("unit", "minutes"),
                ("keyword", "and"),
                ("key", "max_volume"),
                ("sign", "="),
                ("number", "4KB"),
            ],
        ),
        (
            "print a & get status",
            [
                ("command", "print"),
                ("text", "a"),
                ("sign", "&"),
                ("command", "get"),
                ("command", "status"),
            ],
        ),
        (":start:", [("label", ":start:")]),
        (". get status", [("keyword", "."), ("command", "get"), ("command", "status")]),
    ],
)
def test_colours(text, expected):
    assert colours(text) == expected


def test_every_style_is_known():
    known = {name for name, _ in STYLE.style_rules}
    text = (
        'x = {"k": [1, "v", true, !b]} & get nosuch & :l: & set query mode using timeout = x '
        "and volume = 5 # c\nif !a > 5 then print 'q' 7 minutes"
    )
    used = {name for name, _ in colours(text) if name}
    assert len(used) > 12
    assert {f"el.{name}" for name in used} <= known


def test_lines_of_a_block():
    lexer = CommandLexer(REGISTRY, Names())
    document = Document("< run tcp server where\n  bind = true >\nget status")
    row = lexer.lex_document(document)
    assert ["".join(text for _, text in row(n)) for n in range(3)] == document.lines
    assert ("class:el.key", "bind") in row(1)
    assert ("class:el.command", "status") in row(2)
    assert row(9) == []


def test_long_texts_and_marks_of_pasted_texts_are_plain():
    text = "get status" + " " * limits.MAX_STYLED_CHARS
    assert CommandLexer(REGISTRY, Names()).lex_document(Document(text))(0) == [("", text)]
    lexer = CommandLexer(REGISTRY, Names(), lambda text: True)
    assert lexer.lex_document(Document("get status"))(0) == [("", "get status")]


def test_a_fault_of_the_colours_does_not_reach_the_console(caplog):
    class Broken(Names):
        def variables(self):
            raise RuntimeError("broken")

    row = CommandLexer(REGISTRY, Broken()).lex_document(Document("get status"))
    assert row(0) == [("", "get status")]
    assert "a command failed inside" in caplog.text
