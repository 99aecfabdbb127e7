"""Answers and errors on a terminal, and where there is none."""

from __future__ import annotations

import json
import re

import pytest

from edgelake import limits
from edgelake.commands import build_registry
from edgelake.commands.rendering import answer, console_text, json_text, render_table
from edgelake.console.output import Screen
from edgelake.console.terminal import colours_wanted, dumb
from edgelake.errors import CommandError
from edgelake.interfaces import Page, Result, Section, Table
from edgelake.language import help_page, page_text

CODES = re.compile(r"\x1b\[[0-9;]*m")
TABLE = Table(
    ("Name", "Sync\nSource", "Count"),
    [("harbour", "master", 7), ("orchard", None, 12345)],
    indent=4,
)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def shown(
    result: Result, *, terminal: bool = True, width: int = 80, encoding: str = "utf-8"
) -> str:
    out: list[str] = []
    Screen(out.append, terminal=terminal, width=lambda: width, encoding=encoding).show(result)
    return "\n".join(out)


def failed(error: BaseException, text: str | None, *, terminal: bool = True) -> str:
    out: list[str] = []
    Screen(out.append, terminal=terminal, width=lambda: 80, encoding="utf-8").fail(error, text)
    return "\n".join(out)


def plain(text: str) -> list[str]:
    return [line.rstrip() for line in CODES.sub("", text).split("\n")]


def test_a_table_on_a_terminal():
    text = shown(answer({}, TABLE, {}))
    assert "\x1b[1m" in text
    assert plain(text) == [
        "          Sync",
        "Name      Source    Count",
        "─────────────────────────",
        "harbour   master        7",
        "orchard            12,345",
    ]


def test_a_table_elsewhere_is_what_tools_read(monkeypatch):
    expected = console_text(render_table(TABLE))
    assert shown(answer({}, TABLE, {}), terminal=False) == expected
    monkeypatch.setenv("TERM", "dumb")
    assert shown(answer({}, TABLE, {})) == expected


def test_no_color(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(answer({}, TABLE, {}))
    assert "─" in text
    assert "\x1b" not in text
    assert "\x1b" not in failed(CommandError("wrong", column=1), "get x")
    assert "\x1b" not in shown(Result({"a": 1}, '{"a": 1}', json=True))


def test_environment():
    assert colours_wanted({"TERM": "xterm"})
    assert colours_wanted({"TERM": "xterm", "NO_COLOR": ""})
    assert not colours_wanted({"TERM": "xterm", "NO_COLOR": "1"})
    assert not colours_wanted({"TERM": "dumb"})
    assert dumb({"TERM": "dumb"})
    assert not dumb({})


def test_without_utf8_lines_are_drawn_with_ascii_signs():
    text = CODES.sub("", shown(answer({}, TABLE, {}), encoding="ascii"))
    text.encode("ascii")
    assert "---" in text


def test_long_cells_are_folded():
    table = Table(("Name", "Value"), [("dir", "/a/very/long/path" * 8), ("x", "y")])
    lines = plain(shown(answer({}, table, {}), width=60))
    assert max(map(len, lines)) <= 60
    assert "".join(line[3:].strip() for line in lines[2:-1]) == "/a/very/long/path" * 8


def test_a_table_with_too_many_columns_is_shown_row_by_row():
    columns = tuple(f"Column {n}" for n in range(20))
    table = Table(columns, [tuple(range(20)), tuple(range(20, 40))])
    lines = plain(shown(answer({}, table, {})))
    assert lines[0].split() == ["Column", "0", "0"]
    assert lines[19].split() == ["Column", "19", "19"]
    assert lines[20] == ""
    assert lines[21].split() == ["Column", "0", "20"]
    wide = plain(shown(answer({}, table, {}), width=300))
    assert wide[0].split()[:4] == ["Column", "0", "Column", "1"]


def test_a_table_without_rows_shows_its_headings():
    columns = tuple(f"Column {n}" for n in range(20))
    assert "Column" in shown(answer({}, Table(columns, []), {}))


def test_a_huge_table_is_plain():
    rows = [(n, "x") for n in range(limits.MAX_DRAWN_CELLS // 2)]
    assert "─" in shown(answer({}, Table(("N", "X"), rows), {}))
    table = Table(("N", "X"), [*rows, (0, "y")])
    assert shown(answer({}, table, {})) == console_text(render_table(table))


def test_cells_of_peers_do_not_drive_the_terminal():
    table = Table(("A", "B\x1b[0m"), [("x\x1b[2Jy", "[bold]z[/bold] :smile: \u202eabc")])
    text = CODES.sub("", shown(answer({}, table, {})))
    assert "\x1b" not in text
    assert "x\\x1b[2Jy" in text
    assert "[bold]z[/bold] :smile: \\u202eabc" in text


def test_json_is_coloured_and_stays_valid():
    data = {"name": "x" * 200, "n": [1, 2.5, None, True], "odd": "\x9b\u202e\x7f\ud800é"}
    result = answer(data, "", {"format": "json"})
    assert json.loads(result.text) == data
    text = shown(result, width=40)
    assert "\x1b[36m" in text
    assert json.loads(CODES.sub("", text)) == data
    assert json.loads(shown(result, terminal=False)) == data


def test_large_json_is_plain():
    around = len(json_text([""]))
    for length, coloured in ((limits.MAX_DRAWN_CHARS, True), (limits.MAX_DRAWN_CHARS + 1, False)):
        result = answer(["x" * (length - around)], "", {"format": "json"})
        assert len(result.text) == length
        assert ("\x1b" in shown(result)) is coloured


def test_numbers_that_json_does_not_have():
    assert json.loads(json_text({"a": [float("inf"), float("nan"), 1.5], "b": (1,)})) == {
        "a": [None, None, 1.5],
        "b": [1],
    }


def test_text_is_shown_as_it_is():
    assert shown(Result("x", "\r\nline [red]one[/red]\r\n\x1b[31mtwo\r\n")) == (
        "line [red]one[/red]\n\\x1b[31mtwo"
    )
    assert shown(Result()) == ""


def test_an_error_has_its_line_and_a_caret():
    error = CommandError("unknown word", hint="leave it out", column=5)
    text = failed(error, "get nosuch")
    assert text.startswith("\x1b[1;31merror 2:\x1b[0m unknown word")
    lines = plain(text)
    assert lines[0] == "error 2: unknown word: at column 5; leave it out"
    assert lines[1:] == ["  get nosuch", "      ^"]


def test_an_error_elsewhere_is_one_line():
    error = CommandError("unknown word", hint="leave it out", column=5)
    assert failed(error, "get nosuch", terminal=False) == (
        "error 2: unknown word: at column 5; leave it out"
    )


def test_an_error_without_a_place_is_one_line():
    assert plain(failed(CommandError("no [bold]room\x1b"), "get x")) == ["error 2: no [bold]room"]


REGISTRY = build_registry()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_help_fits_the_terminal_and_loses_nothing(width):
    for command in REGISTRY:
        page = help_page(REGISTRY, command.words)
        text = CODES.sub("", shown(Result("", page_text(page), shown=page), width=width))
        assert max(map(len, text.split("\n"))) <= width
        for heading in (section.heading for section in page.sections if section.heading):
            assert heading in " ".join(text.split())
    overview = help_page(REGISTRY)
    text = CODES.sub("", shown(Result("", page_text(overview), shown=overview), width=200))
    for command in REGISTRY:
        assert command.name in text
        assert command.summary in text


def test_help_elsewhere_is_plain():
    page = help_page(REGISTRY, ["get", "status"])
    result = Result("", page_text(page), shown=page)
    assert shown(result, terminal=False) == page_text(page)


def test_a_table_with_remarks():
    page = Page((Section("", TABLE), Section("", "Last error: none")))
    text = shown(Result("", "plain", shown=page))
    assert "harbour" in text
    assert "─" in text
    assert plain(text)[-1] == "Last error: none"
