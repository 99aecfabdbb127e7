"""What keys do at the prompt: lines of a block, pasted text, interrupts."""

from __future__ import annotations

from prompt_toolkit.application import get_app
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from edgelake import limits
from edgelake.errors import EdgeLakeError
from edgelake.language import LogicalLines

__all__ = ["Pasted", "bindings", "unfinished"]


class Pasted:
    """Texts too long for the prompt: a mark stands there for each, and they are put back later.

    Attributes
    ----------
    cut : bool
        Keys beyond `limits.MAX_TYPED_CHARS` were not taken: what stands there is not whole.
    """

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}
        self._count = 0
        self.cut = False

    def shown(self, text: str) -> str:
        """Return the text, or the mark that stands for it."""
        if len(text) <= limits.MAX_PASTED_CHARS:
            return text
        self._count += 1
        mark = f"⟪{self._count}: {len(text):,} characters pasted⟫"
        self._kept[mark] = text
        return mark

    def restored(self, text: str) -> str:
        """Return a text with what its marks stand for."""
        for mark, kept in self._kept.items() if "⟪" in text else ():
            text = text.replace(mark, kept)
        return text

    def stands_in(self, text: str) -> bool:
        """Return whether a mark stands in a text."""
        return any(mark in text for mark in self._kept)

    def forget(self) -> None:
        """Forget the texts: their marks are gone, a new text begins."""
        self._kept.clear()
        self.cut = False


def unfinished(text: str) -> bool:
    """Return whether the last command of a text is a block or JSON that is not closed."""
    lines = LogicalLines(script=True)
    try:
        for line in text.split("\n"):
            lines.feed(line)
    except EdgeLakeError:
        return False  # too long: the error comes when it is entered
    return lines.open


def bindings(pasted: Pasted) -> KeyBindings:
    """Return the keys that differ from those of any prompt.

    Enter runs what is typed, adds a line to an unfinished block, and takes an offer of
    the menu; Alt-Enter adds a line anywhere.
    """
    keys = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)

    @Condition
    def chosen() -> bool:
        state = get_app().current_buffer.complete_state
        return state is not None and state.current_completion is not None

    @Condition
    def full() -> bool:
        return len(get_app().current_buffer.text) >= limits.MAX_TYPED_CHARS

    @keys.add("enter", filter=typing & ~chosen)
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if pasted.cut:
            event.app.output.bell()
        elif unfinished(pasted.restored(buffer.text)):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("enter", filter=typing & chosen)
    def _take(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None

    @keys.add("escape", "enter", filter=typing)
    def _line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add(Keys.Any, filter=typing & full)
    def _refuse(event: KeyPressEvent) -> None:
        pasted.cut = True

    @keys.add(Keys.BracketedPaste, filter=typing)
    def _paste(event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(pasted.shown(text))

    return keys
