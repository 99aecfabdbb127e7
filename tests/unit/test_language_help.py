"""Help, the page of all commands, and errors as text."""

from __future__ import annotations

import pytest

from edgelake.errors import CommandError, StorageError, UnknownOption
from edgelake.interfaces import Result
from edgelake.language import (
    CommandRegistry,
    CommandSet,
    Variables,
    bind,
    format_error,
    format_error_block,
    help_page,
    markdown_page,
    page_text,
    parse,
)
from tests.language.sample import REGISTRY, commands


def help_for(registry: CommandRegistry, words: list[str]) -> str:
    return page_text(help_page(registry, words))


CONNECT = """\
Usage:
  connect dbms <name> where type = <sqlite|psql> and …

Connect a database.

Repeating a connection changes nothing.

Arguments:
  name  name  required

Options:
  option      type              default   meaning
  type        sqlite or psql    required  kind of database
  ip          text
  port        port in 1..65535
  user        text
  password    text                        (never shown)
  memory      true or false     false
  autocommit  true or false     true
  unlog       true or false

Examples:
  connect dbms blockchain where type = sqlite

May be called by: other nodes at level admin.

Index: sample

See also: create table"""


def test_page_of_a_command() -> None:
    assert help_for(REGISTRY, ["connect", "dbms"]) == CONNECT
    assert help_for(REGISTRY, ["connect", "dbms", "x", "where"]) == CONNECT


def test_family() -> None:
    lines = help_for(REGISTRY, ["run"]).split("\n")
    assert lines[0] == "commands that begin with 'run':"
    assert [line.split("  ")[1].strip() for line in lines[1:]] == [
        "run blockchain sync",
        "run client",
        "run tcp server",
    ]


def test_a_command_of_a_family_is_explained_before_it() -> None:
    shown = help_for(REGISTRY, ["get"])
    assert shown.startswith("Usage:\n  get <reference>\n")
    page, family = shown.split("\n\ncommands that begin with 'get':\n")
    assert "Show a value." in page
    assert "  get connections  " in family


def test_unknown_words_give_suggestions() -> None:
    lines = help_for(REGISTRY, ["conect", "dbms"]).split("\n")
    assert lines[0] == "Unrecognized command 'conect dbms'"
    assert lines[1:3] == ["Maybe: help connect dbms", "Maybe: help disconnect dbms"]
    assert lines[-1] == "'help' lists the commands, 'help index' the topics."
    assert "Maybe: help get status" in help_for(REGISTRY, ["statsu"])
    lines = help_for(REGISTRY, ["zzz"]).split("\n")
    assert lines == [
        "Unrecognized command 'zzz'",
        "'help' lists the commands, 'help index' the topics.",
    ]
    assert len(help_for(REGISTRY, ["x" * 100_000] * 50)) < 300


def test_index_of_topics() -> None:
    topics = CommandSet(group="one", topics=("shared",))
    for name in ("alpha", "beta two"):
        topics.command(name, summary=f"do {name}", topics=("shared", name[:1]))(lambda *_: Result())
    registry = CommandRegistry([commands, topics])
    lines = help_for(registry, ["index"]).split("\n")
    assert lines[0] == "topics:"
    assert lines[1:-2] == [
        "  a       1 command",
        "  b       1 command",
        "  one     2 commands",
        f"  sample  {len(commands)} commands",
        "  shared  2 commands",
    ]
    assert help_for(registry, ["index", "Shared"]).split("\n") == [
        "commands of the topic 'shared':",
        "  alpha     do alpha",
        "  beta two  do beta two",
    ]
    assert help_for(registry, ["index", "share"]).split("\n") == [
        "Unrecognized topic 'share'",
        "Maybe: help index shared",
        "'help index' lists the topics.",
    ]
    assert help_for(registry, ["index", "zzz"]).split("\n")[1] == "'help index' lists the topics."
    assert "Maybe: help index shared" in help_for(registry, ["shared"])
    assert "Index: one, shared, a" in help_for(registry, ["alpha"])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["get", "conn"], ["get connections"]),
        (["g", "conn"], ["get connections"]),
        (["conn"], ["connect dbms"]),
        (["get"], []),
        (["run", "b"], ["run blockchain sync"]),
        (["q" * 1000], []),
    ],
)
def test_prefixes_are_suggested_first(words: list[str], names: list[str]) -> None:
    assert REGISTRY.nearest(words)[: len(names)] == names
    with pytest.raises(CommandError):
        bind(parse(" ".join(words), REGISTRY)[0], REGISTRY, Variables())


def test_a_begun_option_is_suggested() -> None:
    with pytest.raises(UnknownOption) as caught:
        bind(parse("connect dbms x where passw = y", REGISTRY)[0], REGISTRY, Variables())
    assert str(caught.value.hint).startswith("did you mean 'password'?")


def test_overview_lists_every_command() -> None:
    lines = help_for(REGISTRY, []).split("\n")
    assert lines[0] == "sample"
    for name in REGISTRY.names():
        assert any(line.startswith(f"  {name} ") for line in lines)


def test_markdown_has_every_command_and_option() -> None:
    page = markdown_page(REGISTRY)
    assert page == markdown_page(REGISTRY)
    for command in REGISTRY:
        section = page.split(f"\n### {command.name}\n")[1].split("\n### ")[0]
        assert command.usage in section
        for option in command.options:
            assert f"| `{option.key}` | {option.type.describe()}" in section
    assert "See also: [create table](#create-table)" in page
    assert page.endswith("\n")
    assert "\n\n\n" not in page


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (CommandError("wrong"), "error 2: wrong"),
        (CommandError("wrong", hint="write x"), "error 2: wrong: write x"),
        (CommandError("wrong", column=3), "error 2: wrong: at column 3"),
        (CommandError("wrong\r\n  much", hint="a\nb"), "error 2: wrong much: a b"),
        (CommandError("a\x1b[2Jb\tc"), "error 2: a [2Jb c"),
        (StorageError("no room"), "error 4: no room"),
        (RuntimeError(), "error 3: RuntimeError"),
    ],
)
def test_one_line(error: BaseException, line: str) -> None:
    assert format_error(error) == line


def test_line_of_a_block() -> None:
    text = "run tcp server where\n\texternal_ip ==\t日本"
    error = CommandError("wrong", column=17)
    error.line = 2
    assert format_error(error, text) == "error 2: wrong: at line 2, column 17 near '日本'"
    shown = format_error_block(error, text).split("\n")
    assert shown[1:] == ["  \texternal_ip ==\t日本", "  \t              \t^"]
    error.column = 18
    assert format_error_block(error, text).split("\n")[2] == "  \t              \t  ^"


def test_line_alone() -> None:
    error = CommandError("wrong")
    error.line = 7
    assert format_error(error) == "error 2: wrong: at line 7"
    assert format_error_block(error, "x") == "error 2: wrong: at line 7"


def test_long_lines_are_cut_around_the_fault() -> None:
    text = "print " + "a" * 5000 + ' "b'
    with pytest.raises(CommandError) as caught:
        parse(text, REGISTRY)
    line, shown, caret = format_error_block(caught.value, text).split("\n")
    assert "at column 5008" in line
    assert len(shown) < 200
    assert shown[caret.index("^")] == '"'
