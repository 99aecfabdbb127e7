"""Completion at the prompt, as the prompt wants it."""

from __future__ import annotations

from collections.abc import Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from edgelake.commands.rendering import console_text
from edgelake.commands.streams import internal_error
from edgelake.editing.completion import candidates
from edgelake.editing.sources import NodeNames
from edgelake.language import CommandRegistry

__all__ = ["CommandCompleter"]


class CommandCompleter(Completer):
    """Offers what the declarations in the registry allow, and names that the node knows.

    Parameters
    ----------
    registry : CommandRegistry
    names : NodeNames
    """

    def __init__(self, registry: CommandRegistry, names: NodeNames) -> None:
        self._registry = registry
        self._names = names

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Yield what may stand at the cursor."""
        text = document.text_before_cursor
        behind = document.text_after_cursor[:1]
        try:
            offered = candidates(text, self._registry, self._names)
        except Exception as exc:
            internal_error(exc)
            return
        for found in offered:
            blank = "" if found.open or behind == " " else " "
            shown = console_text(found.text)
            yield Completion(
                found.text + blank,
                start_position=-found.back,
                display=shown,
                display_meta=console_text(found.meta),
            )
