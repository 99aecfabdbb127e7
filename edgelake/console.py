"""The interactive console: prompt, history, completion, messages of peers in between."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from edgelake.commands.peers import notice_text
from edgelake.commands.rendering import console_text
from edgelake.commands.streams import internal_error
from edgelake.errors import EdgeLakeError, StorageError
from edgelake.interfaces import Result
from edgelake.language import LogicalLines, format_error, format_error_block

if TYPE_CHECKING:
    from edgelake.commands.streams import LogLines
    from edgelake.language import Command, CommandRegistry
    from edgelake.node import Node

__all__ = ["CommandCompleter", "run_console"]

_PROMPT = "EL > "
_CONTINUED = "   > "
_TAKEN_S = 0.5


class CommandCompleter(Completer):
    """Completes command names, then option keys and the words an option takes.

    Everything offered comes from the declarations in the registry.
    """

    def __init__(self, registry: CommandRegistry) -> None:
        self._registry = registry

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield what may stand at the cursor, in alphabetical order."""
        text = document.text_before_cursor.lstrip()
        started = document.get_word_before_cursor(WORD=True)
        for word in sorted(set(self._candidates(text, started))):
            if word.startswith(started) and word != started:
                yield Completion(word, start_position=-len(started))

    def _candidates(self, text: str, started: str) -> Iterator[str]:
        before = text[: len(text) - len(started)].split() if started else text.split()
        for name in self._registry.names():
            words = name.split()
            if len(words) > len(before) and words[: len(before)] == before:
                yield words[len(before)]
        command = self._registry.longest(before)
        if command is not None and command.options:
            yield from _option_words(command, before)


def _option_words(command: Command, before: list[str]) -> Iterator[str]:
    if "where" not in before:
        yield "where"
        return
    last = before[-1]
    if last in ("where", "and"):
        used = {before[n - 1] for n, word in enumerate(before) if word == "="}
        for option in command.options:
            if option.repeatable or option.key not in used:
                yield option.key
    elif last == "=":
        key = before[-2] if len(before) > 1 else ""
        for option in command.options:
            if option.key == key:
                yield from option.type.choices()
    elif any(option.key == last for option in command.options):
        yield "="
    else:
        yield "and"


def run_console(node: Node, log: LogLines) -> None:
    """Read commands from the terminal until it is closed or the node ends.

    Ctrl-C must arrive as ``KeyboardInterrupt``: it ends the command that runs.
    """
    session: PromptSession[str] = PromptSession(
        history=_history(node),
        completer=CommandCompleter(node.registry),
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
