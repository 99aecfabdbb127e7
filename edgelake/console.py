"""The interactive console: prompt, history, completion, messages of peers in between."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from edgelake.commands.rendering import console_text
from edgelake.commands.replies import notice_text
from edgelake.commands.streams import internal_error
from edgelake.completion import CommandCompleter
from edgelake.errors import EdgeLakeError, StorageError
from edgelake.interfaces import Result
from edgelake.language import LogicalLines, format_error, format_error_block

if TYPE_CHECKING:
    from edgelake.commands.streams import LogLines
    from edgelake.node import Node

__all__ = ["run_console"]

_PROMPT = "EL > "
_CONTINUED = "   > "
_TAKEN_S = 0.5


def run_console(node: Node, log: LogLines) -> None:
    """Read commands from the terminal until it is closed or the node ends.

    Ctrl-C must arrive as ``KeyboardInterrupt``: it ends the command that runs.
    """
    session: PromptSession[str] = PromptSession(
        history=_history(node),
        completer=CommandCompleter(node.registry, node.variable_names),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        enable_history_search=False,
    )
    print("edgelake: 'help' lists the commands, 'exit node' or Ctrl-D ends the node.")
    with patch_stdout(raw=True):
        reader = _Reader(node, session)
        node.show_notices(lambda notice: reader.tell(notice_text(notice)))
        log.show(lambda notice: reader.tell(notice.text))
        try:
            reader.read()
        finally:
            log.show(None)
            node.show_notices(None)


class _Reader:
    """Reads commands at the prompt and runs them."""

    def __init__(self, node: Node, session: PromptSession[str]) -> None:
        self._node = node
        self._session = session
        self._lines = LogicalLines()

    def read(self) -> None:
        """Run what is typed until the end of the input or of the node."""
        more = True
        while more and not self._node.stopping:
            try:
                more = self._step()
            except KeyboardInterrupt:
                self._lines = LogicalLines()
                print("interrupted")

    def tell(self, text: str) -> None:
        """Print a text above the prompt; returns when the terminal takes more."""
        print(console_text(text))
        loop = self._session.app.loop
        taken = threading.Event()
        if loop is not None:
            # The loop ends with each line that is typed; nothing is pending then.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(taken.set)
                while not taken.wait(_TAKEN_S) and self._session.app.is_running:
                    pass

    def _step(self) -> bool:
        """Run one line; return whether there may be more."""
        try:
            line = self._session.prompt(_CONTINUED if self._lines.open else _PROMPT)
        except KeyboardInterrupt:
            self._lines = LogicalLines()
            return True
        except EOFError:
            return False
        text = line
        try:
            for _, text in list(self._lines.feed(line + "\n")):
                self._node.execute(text, _show)
        except EdgeLakeError as exc:
            print(console_text(format_error_block(exc, text)))
        except Exception as exc:
            print(console_text(format_error(internal_error(exc))))
        return True


def _show(result: Result) -> None:
    if text := console_text(result.text):
        print(text)


def _history(node: Node) -> History:
    """Return the history kept in the home folder, or one in memory if that is not writable."""
    with contextlib.suppress(StorageError, OSError):
        return FileHistory(str(node.history_path()))
    return InMemoryHistory()
