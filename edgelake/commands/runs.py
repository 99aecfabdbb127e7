"""Scripts that run: position, jumps, handlers of errors, debugging, and the list of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from edgelake import limits
from edgelake.commands.frames import Frame
from edgelake.errors import (
    CommandError,
    CommandSyntaxError,
    EdgeLakeError,
    Overloaded,
    ScriptError,
    ScriptMissing,
    ScriptStopped,
    UnknownCommand,
)
from edgelake.interfaces import Result
from edgelake.language import Script, ScriptLine, format_error, shortened

if TYPE_CHECKING:
    from edgelake.commands.context import Context

__all__ = ["Debug", "Handler", "Running", "ScriptRun"]

_BROKEN = (CommandSyntaxError, UnknownCommand, ScriptMissing)
"""Faults in the script itself: only ``on error ignore`` goes past them."""

_PAUSE_S = 0.1


class Debug(Enum):
    """How a script is watched."""

    OFF = "off"
    ON = "on"
    INTERACTIVE = "interactive"


@dataclass(frozen=True, slots=True)
class Handler:
    """What a script does when a command fails.

    Attributes
    ----------
    action : str
        ``goto``, ``call``, ``ignore`` or ``end``.
    label : str
        Where to, for the first two.
    """

    action: str
    label: str = ""


class ScriptRun:
    """One script that runs in one thread.

    Its methods are called by that thread, except `stop`, `step` and `resume`.

    Parameters
    ----------
    script : Script
    name : str
        How messages name it: its path.
    parent : Frame
        Of the command that called it.
    """

    def __init__(self, script: Script, name: str, parent: Frame) -> None:
        self.script = script
        self.name = name
        self.frame = Frame(parent, self, inside=parent.inside)
        caller = parent.run
        self.debug: Debug = caller.debug if caller is not None else Debug.OFF
        self.number = 0
        self.own_thread = False
        self.line = 0
        self.moved = False
        self.handler: Handler | None = None
        self.stopped = False
        self.paused = False
        self._next = 0
        self._returns: list[int] = []
        self._handling = -1
        self._steps = 0
        self._resumed = threading.Condition()

    # -------------------------------------------------------------- run

    def run(self, context: Context) -> None:
        """Run the script to its end.

        Parameters
        ----------
        context : Context
            Of the command that called it.

        Raises
        ------
        ScriptError
            A command failed and no handler takes it; it names file and line.
        ScriptStopped
            The script was told to stop.
        """
        inner = replace(context, frame=self.frame)
        lines = self.script.lines
        while self._next < len(lines) and not context.node.stopping.is_set():
            line = lines[self._next]
            self.line = line.number
            self._next += 1
            self.moved = False
            if self.debug is Debug.INTERACTIVE and not self._granted(inner, line):
                return
            if self.frame.stopped:
                raise ScriptStopped(f"script '{self.name}' was stopped at line {line.number}")
            try:
                inner.interpreter.execute_line(line, inner)
            except ScriptStopped:
                raise
            except EdgeLakeError as exc:
                self._tell(inner, line, exc)
                self._failed(exc, replace(line, text=inner.interpreter.masked(line.text)))
            else:
                self._tell(inner, line, None)

    def goto(self, label: str) -> None:
        """Go on behind a label.

        Raises
        ------
        CommandSyntaxError
            The script has no such label.
        """
        place = self.script.labels.get(label)
        if place is None:
            known = ", ".join(sorted(self.script.labels)) or "none"
            raise CommandSyntaxError(
                f"the script has no label '{shortened(label)}'", hint=f"its labels: {known}"
            )
        self._next = place
        self.moved = True

    def call(self, label: str) -> None:
        """Go on behind a label until ``return``.

        Raises
        ------
        CommandSyntaxError
            The script has no such label.
        CommandError
            More than `limits.MAX_SCRIPT_CALLS` calls wait for their return.
        """
        back = self._next
        if len(self._returns) >= limits.MAX_SCRIPT_CALLS:
            raise CommandError(f"more than {limits.MAX_SCRIPT_CALLS} calls wait for their return")
        self.goto(label)
        self._returns.append(back)

    def go_back(self) -> None:
        """Go on behind the latest ``call``.

        Raises
        ------
        CommandError
            Nothing was called.
        """
        if not self._returns:
            raise CommandError("'return' without 'call'", hint="write end script to leave it")
        self._next = self._returns.pop()
        self.moved = True

    def end(self) -> None:
        """Run no further command of the script."""
        self._next = len(self.script.lines)
        self.moved = True

    # ------------------------------------------------------ from outside

    def stop(self) -> None:
        """End the script before its next command; from any thread."""
        with self._resumed:
            self.stopped = True
            self._resumed.notify_all()

    def step(self) -> None:
        """Let a paused script run one command; from any thread."""
        with self._resumed:
            self._steps += 1
            self._resumed.notify_all()

    def resume(self) -> None:
        """Let a paused script run on; from any thread."""
        with self._resumed:
            self.debug = Debug.ON
            self._resumed.notify_all()

    # ------------------------------------------------------------ errors

    def _failed(self, error: EdgeLakeError, line: ScriptLine) -> None:
        """Go where the handler says, or raise the error with its place."""
        handler = self.handler
        if handler is not None and handler.action == "ignore":
            return
        # A handler whose first command fails too would be tried for ever.
        futile = self._handling == self._next - 1 and self._handling >= 0
        self._handling = -1
        if handler is None or futile or isinstance(error, _BROKEN):
            raise (found := located(error, self.name, line)) from _cause(found, error)
        if handler.action == "end":
            found = located(error, self.name, line, error.code)
            raise found from _cause(found, error)
        try:
            (self.goto if handler.action == "goto" else self.call)(handler.label)
        except CommandError as exc:
            raise located(exc, self.name, line) from error
        self._handling = self._next

    # --------------------------------------------------------- debugging

    def _tell(self, context: Context, line: ScriptLine, error: EdgeLakeError | None) -> None:
        if self.debug is not Debug.OFF:
            outcome = "Success" if error is None else format_error(error)
            shown = context.interpreter.shown(" ".join(line.text.split()))
            thread = threading.current_thread().name
            text = f"[{thread}] [{line.number:04}] {shown} --> {outcome}"
            context.emit(Result(None, text))

    def _granted(self, context: Context, line: ScriptLine) -> bool:
        """Wait for the word to go on; return whether the script shall run the line."""
        ask = context.node.ask
        if ask is None or threading.current_thread() is not threading.main_thread():
            return self._stepped(context)
        while True:
            shown = shortened(context.interpreter.shown(" ".join(line.text.split())))
            where = f"{self.name}:{line.number} {shown}"
            word = ask(f"{where}  [next, continue, stop, or a command] > ")
            word = "stop" if word is None else word.strip()
            if word == "stop":
                self.stop()
                return True
            if word in ("", "next"):
                return True
            if word == "continue":
                self.debug = Debug.ON
                return True
            try:
                context.interpreter.execute(word, context.emit, parent=context)
            except EdgeLakeError as exc:
                context.emit(Result(None, format_error(exc, word)))

    def _stepped(self, context: Context) -> bool:
        with self._resumed:
            self.paused = True
            while not (
                self._steps
                or self.stopped
                or self.debug is not Debug.INTERACTIVE
                or context.node.stopping.is_set()
            ):
                self._resumed.wait(_PAUSE_S)
            self.paused = False
            self._steps = max(0, self._steps - 1)
            return not context.node.stopping.is_set()


class Running:
    """The scripts that run on a node, by number. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[int, tuple[ScriptRun, threading.Thread]] = {}
        self._next = 0

    def add(self, run: ScriptRun, thread: threading.Thread | None = None) -> None:
        """Give a run its number, and list it.

        Parameters
        ----------
        run : ScriptRun
        thread : threading.Thread or None
            The thread of its own that it will run in; ``None`` for the calling one.

        Raises
        ------
        Overloaded
            `limits.MAX_SCRIPTS` run already.
        """
        with self._lock:
            if len(self._runs) >= limits.MAX_SCRIPTS:
                raise Overloaded(f"{limits.MAX_SCRIPTS} scripts run already")
            self._next += 1
            run.number = self._next
            run.own_thread = thread is not None
            if thread is not None:
                thread.name = f"script-{run.number}"
            self._runs[run.number] = run, thread or threading.current_thread()

    def remove(self, run: ScriptRun) -> None:
        """Take a run off the list; may be called twice."""
        with self._lock:
            self._runs.pop(run.number, None)

    def __iter__(self) -> Iterator[tuple[ScriptRun, str]]:
        """Yield the runs of this moment and the names of their threads."""
        with self._lock:
            found = list(self._runs.values())
        return iter([(run, thread.name) for run, thread in found])

    def stop(self, timeout_s: float) -> bool:
        """Tell all to stop; return whether those in threads of their own did in time."""
        with self._lock:
            found = list(self._runs.values())
        for run, _ in found:
            run.stop()
        here = threading.current_thread()
        own = {thread for run, thread in found if thread is not here and run.own_thread}
        deadline = time.monotonic() + timeout_s
        for thread in own:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in own)


def _cause(found: EdgeLakeError, error: EdgeLakeError) -> BaseException | None:
    """Return what caused an error with its place: an error that had one keeps its cause."""
    return error.__cause__ if found is error else error


def located(
    error: EdgeLakeError, name: str, line: ScriptLine, code: int | None = None
) -> EdgeLakeError:
    """Return the error with its place in a script; one that has a place keeps it."""
    if isinstance(error, ScriptError) and error.excerpt is not None:
        return error
    number = line.number + (error.line or 1) - 1
    where = f"{name}, line {number}"
    found = ScriptError(f"{where}: {error}", hint=error.hint)
    if error.column is not None:
        found.message = f"{where}, column {error.column}: {error}"
    rows = line.text.split("\n")
    found.excerpt = rows[min(error.line or 1, len(rows)) - 1], error.column
    found.code = error.code if code is None else code
    found.exit_status = error.exit_status
    return found
