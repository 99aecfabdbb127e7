"""The prompt, and when Enter runs what was typed."""

from __future__ import annotations

import pytest
from prompt_toolkit.formatted_text import fragment_list_to_text

from edgelake import limits
from edgelake.console.keys import Pasted, unfinished
from edgelake.console.prompt import PromptState, continuation, prompt


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (PromptState(), "EL > "),
        (PromptState(name="fen-01"), "EL fen-01 > "),
        (PromptState(unread=True), "EL +> "),
        (PromptState(name="fen-01", unread=True), "EL fen-01 +> "),
        (PromptState(name="fen-01", assigned="10.0.0.7:32048"), "10.0.0.7:32048 >> "),
        (PromptState(name="a\x1b[2J\nb"), "EL a\\x1b[2J b > "),
        (PromptState(assigned="x" * 100), "x" * 39 + "… >> "),
    ],
)
def test_prompt(state, shown):
    assert fragment_list_to_text(prompt(state)) == shown


def test_lines_behind_the_first_are_marked_at_the_same_width():
    assert fragment_list_to_text(continuation(5, 1, 0)) == "   > "
    assert fragment_list_to_text(continuation(5, 1, 2)) == ""


@pytest.mark.parametrize(
    ("text", "open_"),
    [
        ("get status", False),
        ("", False),
        ("<run tcp server where", True),
        ("<run tcp server where\nbind = true", True),
        ("<run tcp server where\nbind = true>", False),
        ('x = {"a": 1,', True),
        ('x = {"a": "}"', True),
        ('x = {"a": 1,\n"b": 2}', False),
        ("get status\n<print", True),
        ("# {", False),
        ("print it's }", False),
    ],
)
def test_unfinished_text(text, open_):
    assert unfinished(text) is open_


def test_a_text_that_is_too_long_is_entered_and_then_refused():
    assert not unfinished("<" + "x" * limits.MAX_COMMAND_CHARS)


def test_long_texts_are_pasted_as_marks():
    pasted = Pasted()
    short, long = "x" * limits.MAX_PASTED_CHARS, "y" * (limits.MAX_PASTED_CHARS + 1)
    assert pasted.shown(short) == short
    mark = pasted.shown(long)
    assert len(mark) < 50
    other = pasted.shown(long + "z")
    typed = f"print {mark} {other} end"
    assert pasted.stands_in(typed)
    assert pasted.restored(typed) == f"print {long} {long}z end"
    pasted.forget()
    assert not pasted.stands_in(typed)
    assert pasted.restored(typed) == typed
