"""Help, the page of all commands, and errors as text."""

from __future__ import annotations

import pytest

from edgelake.errors import CommandError, StorageError, UnknownCommand
from edgelake.language import (
    CommandRegistry,
    format_error,
    format_error_block,
    help_page,
    markdown_page,
    page_text,
    parse,
)
from tests.language.sample import REGISTRY


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


def test_unknown_command_names_the_nearest() -> None:
    with pytest.raises(UnknownCommand) as caught:
        help_for(REGISTRY, ["conect", "dbms"])
    assert caught.value.hint == "did you mean 'help connect dbms' or 'help disconnect dbms'?"
    with pytest.raises(UnknownCommand) as caught:
        help_for(REGISTRY, ["juggle"])
    assert caught.value.hint == "'help' lists the commands"


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
