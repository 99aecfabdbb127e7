"""Tables as the network prints them."""

from __future__ import annotations

import json

from edgelake.commands.rendering import answer, console_text, json_text, render_table
from edgelake.interfaces import Page, Section, Table


def test_a_table_as_existing_nodes_print_it():
    table = Table(("Type", "External Address", "Count"), [("TCP", "127.0.0.1:34101", 7)], indent=4)
    assert render_table(table).split("\r\n") == [
        "",
        "    Type External Address Count",
        "    ----|----------------|-----|",
        "    TCP |127.0.0.1:34101 |    7|",
        "",
    ]


def test_headings_over_two_lines():
    lines = render_table(Table(("Sync\nSource", "Calls"), [("master", 12)])).split("\r\n")
    assert lines[1:4] == ["Sync   Calls", "Source", "------|-----|"]


def test_no_cell_breaks_its_line():
    text = render_table(Table(("A", "B"), [("x\r\ny", None), (True, 1234567)]))
    assert text.count("\r\n") == 5
    assert "1,234,567" in text


def test_json_is_valid_json():
    result = answer({"a": True, "b": None}, "shown", {"format": "json"})
    assert result.json
    assert json.loads(result.text) == {"a": True, "b": None} == result.data


def test_console_text_has_no_outer_empty_lines():
    result = answer({}, Table(("A",), [(1,)]), {"format": "table"})
    assert console_text(result.text) == "A\n-|\n1|"


def test_control_characters_do_not_reach_a_terminal():
    assert console_text("a\x1b[2Jb\x9bc\td\r\ne\rf\x07") == "a\\x1b[2Jb\\x9bc\td\ne\\x0df\\x07"


def test_a_page_is_its_sections_below_one_another():
    table = Table(("A",), [(1,)])
    page = Page((Section("", "one\ntwo"), Section("Rows", table), Section("", "end")))
    result = answer({}, page, {})
    assert result.text == "\r\none\r\ntwo\r\n\r\nRows\r\n\r\nA\r\n-|\r\n1|\r\nend\r\n"
    assert result.shown is page
    assert answer({}, table, {}).shown is table
    assert answer({}, page, {"format": "json"}).shown is None


def test_signs_that_turn_the_writing_and_halves_of_characters_are_shown():
    assert console_text("a\u202eb\u2066c\ud800d\ufeffe") == "a\\u202eb\\u2066c\\ud800d\\ufeffe"
    assert console_text("é 日本 🚢") == "é 日本 🚢"


def test_json_text_needs_no_escape_of_a_terminal():
    data = {"odd": "\x1b\x7f\x9b\u202e\ud800é"}
    text = json_text(data)
    assert console_text(text) == text
    assert json.loads(text) == data
