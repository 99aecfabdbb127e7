"""The prompt: which node this is, whether messages wait, and where commands go."""

from __future__ import annotations

from dataclasses import dataclass

from prompt_toolkit.formatted_text import StyleAndTextTuples

from edgelake.commands.rendering import console_text

__all__ = ["PromptState", "continuation", "prompt"]

_MOST_CHARS = 40


@dataclass(frozen=True, slots=True)
class PromptState:
    """What the prompt tells of a node.

    Attributes
    ----------
    name : str
        Name of the node; empty if it has none.
    unread : bool
        Messages wait in the echo queue.
    assigned : str
        Nodes to which the console sends what is typed; empty for none.
    """

    name: str = ""
    unread: bool = False
    assigned: str = ""


def prompt(state: PromptState) -> StyleAndTextTuples:
    """Return ``EL > ``, ``EL name > ``, ``EL +> `` or ``destination >> ``."""
    sign = "+" if state.unread else ""
    if state.assigned:
        where = f"{_short(state.assigned)} "
        pieces = [("class:prompt.assigned", where)]
        ending = f"{sign}>> "
    else:
        pieces = [("class:prompt", f"EL {_short(state.name)} " if state.name else "EL ")]
        ending = f"{sign}> "
    style = "class:prompt.unread" if sign else pieces[0][0]
    return [*pieces, (style, ending)]


def continuation(width: int, line: int, wrapped: int) -> StyleAndTextTuples:
    """Return what stands before the lines behind the first; nothing before a wrapped one."""
    return [("class:prompt", "" if wrapped else "> ".rjust(width))]


def _short(text: str) -> str:
    text = console_text(text).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 1]}…"
