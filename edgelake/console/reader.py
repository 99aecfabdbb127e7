"""The interactive console: commands are read and run, messages of peers appear in between."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app_or_none
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.patch_stdout import patch_stdout

from edgelake import limits
from edgelake.commands.rendering import console_text
from edgelake.commands.replies import notice_text
from edgelake.commands.streams import Output, internal_error
from edgelake.console.completer import CommandCompleter
from edgelake.console.highlighting import CommandLexer
from edgelake.console.history import CommandHistory
from edgelake.console.keys import Pasted, bindings
from edgelake.console.output import Screen
from edgelake.console.prompt import PromptState, continuation, prompt
from edgelake.console.styles import STYLE
from edgelake.console.terminal import colours_wanted, keys_kept
from edgelake.editing.hints import hint
from edgelake.errors import EdgeLakeError, StorageError
from edgelake.language import LogicalLines

if TYPE_CHECKING:
    from edgelake.commands.streams import LogLines
    from edgelake.node import Node

__all__ = ["run_console"]

_WELCOME = """\
edgelake: 'help' lists the commands, 'exit node' or Ctrl-D ends the node.
Tab completes, Up and Ctrl-R find what was typed, Alt-Enter adds a line."""
_TOO_LONG = f"more than {limits.MAX_TYPED_CHARS:,} characters: Ctrl-C, and put it into a script"
_UNNAMED = "edgelake"
_TAKEN_S = 0.5
_REFRESH_S = 1.0  # the prompt tells of messages that came meanwhile


def run_console(node: Node, log: LogLines) -> None:
    """Read commands from the terminal until it is closed or the node ends.

    Ctrl-C must arrive as ``KeyboardInterrupt``: it ends the command that runs.
    """
    pasted = Pasted()
    session = _session(node, _history(node), pasted)
    output = Output(sys.stdout)
    output.write(_WELCOME)
    with keys_kept(), patch_stdout(raw=True):
        reader = _Reader(node, session, pasted, output)
        node.show_notices(lambda notice: reader.tell(notice_text(notice)))
        node.ask_with(reader.ask)
        log.show(lambda notice: reader.tell(notice.text))
        try:
            reader.read()
        finally:
            log.show(None)
            node.ask_with(None)
            node.show_notices(None)


class _Reader:
    """Reads commands at the prompt and runs them."""

    def __init__(
        self, node: Node, session: PromptSession[str], pasted: Pasted, output: Output
    ) -> None:
        self._node = node
        self._output = output
        self._session = session
        self._pasted = pasted
        self._screen = Screen(self._write, terminal=True)

    def read(self) -> None:
        """Run what is typed until the end of the input or of the node."""
        more = True
        while more and not self._node.stopping:
            try:
                more = self._step()
            except KeyboardInterrupt:
                self._write("interrupted")

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

    def ask(self, question: str) -> str | None:
        """Ask a person in the midst of a command; ``None`` at the end of the input."""
        pasted = Pasted()
        # What is answered is no command of its own: it stays out of the history.
        session = _session(self._node, InMemoryHistory(), pasted)
        try:
            return pasted.restored(session.prompt(console_text(question)))
        except EOFError:
            return None

    def _write(self, text: str) -> None:
        """Write an answer: at once, or above the prompt if a thread goes on behind it."""
        if self._session.app.is_running:
            print(text)
        else:
            self._output.write(text)

    def _step(self) -> bool:
        """Run what is typed until Enter; return whether there may be more."""
        self._pasted.forget()
        try:
            typed = self._session.prompt(
                lambda: prompt(_state(self._node)), refresh_interval=_REFRESH_S
            )
        except KeyboardInterrupt:
            return True
        except EOFError:
            return False
        self._run(self._pasted.restored(typed))
        return True

    def _run(self, text: str) -> None:
        """Run the commands of a text, each as if it was typed alone."""
        lines = LogicalLines(script=True)
        for line in [*text.split("\n"), None]:
            try:
                ready = lines.finish() if line is None else lines.feed(line)
            except EdgeLakeError as exc:
                self._screen.fail(exc, text)
                continue
            for _, command in ready:
                if self._node.stopping:
                    return
                self._command(command)

    def _command(self, command: str) -> None:
        try:
            self._node.execute(command, self._screen.show)
        except EdgeLakeError as exc:
            self._screen.fail(exc, command)
        except Exception as exc:
            self._screen.fail(internal_error(exc))


# ------------------------------------------------------------------- parts


def _session(node: Node, history: History, pasted: Pasted) -> PromptSession[str]:
    return PromptSession(
        history=history,
        completer=CommandCompleter(node.registry, node),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        enable_history_search=True,
        lexer=CommandLexer(node.registry, node, pasted.stands_in),
        style=STYLE,
        color_depth=None if colours_wanted() else ColorDepth.DEPTH_1_BIT,
        multiline=True,
        prompt_continuation=continuation,
        key_bindings=bindings(pasted),
        bottom_toolbar=lambda: _toolbar(node, pasted),
        refresh_interval=_REFRESH_S,
    )


def _state(node: Node) -> PromptState:
    """Return what the prompt tells at this moment."""
    name = "" if node.name == _UNNAMED else node.name
    return PromptState(name=name, unread=node.unread(), assigned=node.assigned)


def _toolbar(node: Node, pasted: Pasted) -> StyleAndTextTuples:
    """Return the line below the prompt: what is expected at the cursor."""
    app = get_app_or_none()
    if app is None:
        return []
    text = app.current_buffer.document.text_before_cursor
    if pasted.cut:
        return [("class:el.hint", _TOO_LONG)]
    if pasted.stands_in(text):
        return [("class:el.hint", "the pasted text is kept; Enter takes it")]
    try:
        said = console_text(hint(text, node.registry))
    except Exception as exc:
        internal_error(exc)
        return []
    columns = app.output.get_size().columns - 1
    return [("class:el.hint", said if len(said) <= columns else f"{said[: columns - 1]}…")]


def _history(node: Node) -> History:
    """Return the history kept in the home folder, or one in memory if that is not writable."""
    with contextlib.suppress(StorageError, OSError):
        return CommandHistory(node.history_path(), node.shown)
    return InMemoryHistory()
