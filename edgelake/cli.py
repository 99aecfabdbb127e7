"""The command line: a command, commands from standard input, or the console.

Exit status: 0 done; 1 a command failed; 2 a command was badly written;
3 a peer failed; 4 a file or database failed; 130 interrupted by Ctrl-C.
Commands from standard input end with 0, or with 1 if any of them failed.
"""

from __future__ import annotations

# What is imported here delays the handlers of signals: the rest comes later.
import gc
import os
import signal
import sys

from edgelake import __version__
from edgelake.tools import TOOLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import logging
    from collections.abc import Callable, Sequence
    from types import FrameType
    from typing import NoReturn, TextIO

    from edgelake.commands.streams import LogLines
    from edgelake.console.output import Screen
    from edgelake.errors import EdgeLakeError
    from edgelake.interfaces import Notice
    from edgelake.node import Node

__all__ = ["main", "rejoin"]

_EPILOG = """\
a command of the language may follow, as typed at the console:
  edgelake get status
  edgelake --serve process node.al
without one, commands are read from the terminal or from standard input.
  edgelake check FILE…   find what is wrong with scripts, without running them
  edgelake fmt FILE…     print scripts in canonical form
'edgelake help' lists the commands.
exit status: 0 done, 1 failed, 2 bad command, 3 peer, 4 file or database,
130 interrupted
"""

_INTERRUPTED = 130


class _Ended(BaseException):
    """A signal asks the process to end, or its output has nowhere to go."""

    def __init__(self, number: int = 0, status: int = 0) -> None:
        super().__init__()
        self.number = number
        self.status = status


class _Loading:
    """While modules load, no garbage is collected: a twentieth of the start goes to finding none.

    What they made stays until the end of the process, so that no later
    collection looks through it again.
    """

    def __enter__(self) -> None:
        gc.disable()

    def __exit__(self, *error: object) -> None:
        gc.freeze()
        gc.enable()


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's name.
    """
    _hold_signals()
    node = lines = None
    try:
        _catch_signals()
        try:
            options = _parser().parse_args(arguments)
        except SystemExit as exc:
            return _flushed(int(exc.code or 0))
        if options.words and options.words[0] in TOOLS:
            _release_signals()
            return _tool(options.words[0], options.words[1:])
        _allow_connections()
        with _Loading():
            from edgelake.commands.streams import LogLines, Output

            lines = LogLines(Output(sys.stderr))
            lines.install()
            node = _open_node(options.home)
        _release_signals()
        status = _Session(node, options, lines).run()
        _ignore_signals()
    except _Ended as end:
        _ignore_signals()
        status = end.status
    except KeyboardInterrupt:
        _ignore_signals()
        status = _INTERRUPTED
    if node is not None:
        node.close()
    if lines is not None:
        lines.close()
    return status


def rejoin(words: Sequence[str]) -> str:
    """Return the command that the shell split into words.

    A word with blanks was quoted in the shell, so it is quoted again, except
    JSON and groups, and except when it is the whole command.
    """
    if len(words) == 1:
        return words[0]
    return " ".join(_requote(word) for word in words)


# ------------------------------------------------------------------- parts


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(
        prog="edgelake",
        description="A node of the EdgeLake edge-data network.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"edgelake {__version__}")
    parser.add_argument(
        "--home",
        metavar="DIR",
        help="folder of the node's files (default $EDGELAKE_HOME, else ~/.edgelake)",
    )
    parser.add_argument(
        "-c",
        dest="command",
        metavar="COMMAND",
        action="append",
        default=[],
        help="run a command; may be repeated",
    )
    parser.add_argument(
        "--serve",
        action="store_true",
        help="when the commands are done, keep services running until SIGTERM or SIGINT",
    )
    parser.add_argument(
        "--console", action="store_true", help="when the commands are done, open the console"
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="command …")
    return parser


def _tool(name: str, arguments: Sequence[str]) -> int:
    """Run a program that needs no node and return its exit status."""
    from importlib import import_module

    try:
        with _Loading():
            module = import_module(TOOLS[name])
        return int(module.main(arguments))
    except SystemExit as exc:
        return _flushed(int(exc.code or 0))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _Ended as end:
        end.status = _INTERRUPTED
        raise


def _requote(word: str) -> str:
    if word and not any(c.isspace() for c in word):
        return word
    if word[:1] in ("{", "[", "(", '"', "'", "`"):
        return word
    return f'"{word}"' if '"' not in word else f"'{word}'"


def _open_node(home: str | None) -> Node:
    """Return the node of a folder.

    Raises
    ------
    _Ended
        The folder's name stands for no folder; that is told.
    """
    from pathlib import Path

    from edgelake.errors import ConfigurationError
    from edgelake.node import Node

    named = home or os.environ.get("EDGELAKE_HOME")
    try:
        folder = Path(named or Path.home() / ".edgelake").expanduser()
    except RuntimeError as exc:
        error = ConfigurationError(
            f"no home folder: {exc}".lower(), hint="write --home and a folder"
        )
        _tell(error)
        raise _Ended(status=error.exit_status) from exc
    return Node(folder, on_exit=_wake_main_thread)


class _Session:
    """What one call of the program does with its node.

    Parameters
    ----------
    node : Node
    options : argparse.Namespace
    log : LogLines
    """

    def __init__(self, node: Node, options: argparse.Namespace, log: LogLines) -> None:
        from edgelake.commands.streams import Output
        from edgelake.console.output import Screen

        self._node = node
        self._options = options
        self._log = log
        self._output = Output(sys.stdout)
        self._errors = Output(sys.stderr)
        self._answers = Screen(self._print, terminal=_is_terminal(sys.stdout))
        self._failures = Screen(self._error, terminal=_is_terminal(sys.stderr))

    def run(self) -> int:
        """Run what was asked for and return the exit status."""
        node, options = self._node, self._options
        commands = list(options.command)
        if options.words:
            commands.append(rejoin(options.words))
        status = 0
        node.show_notices(self._notice)
        for command in commands:
            status = self._command(command, self._failures) or status
            if node.stopping:
                return status
        if options.console or not commands:
            interactive = _is_terminal(sys.stdin) and _is_terminal(sys.stdout)
            if interactive and not (options.serve and not options.console):
                self._console()
            elif sys.stdin is not None:
                status = max(status, self._lines(sys.stdin))
        if options.serve and not node.stopping:
            node.wait()
        return status

    # ------------------------------------------------------------- commands

    def _console(self) -> None:
        with _Loading():
            from edgelake.console.reader import run_console

        # Ctrl-C ends what runs, not the console: both are the same to a handler.
        former = signal.signal(signal.SIGINT, signal.default_int_handler)
        run_console(self._node, self._log)
        signal.signal(signal.SIGINT, former)
        self._node.show_notices(self._notice)

    def _command(self, command: str, failures: Screen) -> int:
        """Run one command, tell of its failure; return its exit status."""
        from edgelake.commands.streams import internal_error
        from edgelake.errors import EdgeLakeError

        try:
            self._node.execute(command, self._answers.show)
        except EdgeLakeError as exc:
            failures.fail(exc, command)
            return exc.exit_status
        except _Ended as end:
            # A node that serves ends in order at whatever moment it is asked to.
            if end.number == signal.SIGINT and not self._options.serve:
                end.status = _INTERRUPTED
                # By the log: it does not wait for who reads, this process has to end.
                _log().warning("interrupted")
            raise
        except Exception as exc:
            error = internal_error(exc)
            failures.fail(error)
            return error.exit_status
        return 0

    def _lines(self, stream: TextIO) -> int:
        """Run commands a line at a time, answer each on standard output; return 0 or 1."""
        import io

        from edgelake.errors import CommandSyntaxError, EdgeLakeError
        from edgelake.language import LogicalLines

        failed = 0
        lines = LogicalLines()

        def guarded(step: Callable[[], list[tuple[int, str]]]) -> None:
            nonlocal failed
            try:
                ready = step()
            except EdgeLakeError as exc:
                self._answers.fail(exc)
                failed = 1
                return
            for _, text in ready:
                if not self._node.stopping:
                    failed |= bool(self._command(text, self._answers))

        def feed(line: str) -> list[tuple[int, str]]:
            try:
                line.encode()
            except UnicodeEncodeError as exc:
                raise CommandSyntaxError("the line is not utf-8 text") from exc
            return list(lines.feed(line))

        def ask(prompt: str) -> str | None:
            self._print(prompt)
            return stream.readline() or None

        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")
        self._node.ask_with(ask)
        while not self._node.stopping:
            line = stream.readline()
            if not line:
                break
            guarded(lambda text=line: feed(text))  # type: ignore[misc]
        guarded(lambda: list(lines.finish()))
        return failed

    # --------------------------------------------------------------- output

    def _print(self, text: str) -> None:
        """Write to standard output; the program ends when nobody can read it."""
        try:
            self._output.write(text)
        except OSError as exc:
            raise _Ended(status=1) from exc

    def _error(self, text: str) -> None:
        try:
            self._errors.write(text)
        except OSError as exc:
            raise _Ended(status=1) from exc

    def _notice(self, notice: Notice) -> None:
        from dataclasses import replace

        from edgelake.commands.rendering import console_text
        from edgelake.commands.replies import notice_text

        self._output.notice(replace(notice, text=console_text(notice_text(notice))))


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _log() -> logging.Logger:
    import logging

    return logging.getLogger(__name__)


def _tell(error: EdgeLakeError) -> None:
    """Write an error of the start to standard error."""
    import contextlib

    from edgelake.commands.rendering import console_text
    from edgelake.commands.streams import Output
    from edgelake.language import format_error

    with contextlib.suppress(OSError):
        Output(sys.stderr).write(console_text(format_error(error)))


def _flushed(status: int) -> int:
    """Return the status after a help text; 1 if nobody could read it."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # The interpreter flushes once more at its end and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _catch_signals() -> None:
    def ended(number: int, frame: FrameType | None) -> NoReturn:
        # A second signal during the orderly stop must not tear it apart.
        _ignore_signals()
        raise _Ended(number)

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)


def _hold_signals() -> None:
    """Let SIGTERM and SIGINT wait: an import they interrupt fails in ways nobody can foresee."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))


def _release_signals() -> None:
    """Take SIGTERM and SIGINT from now on, those that waited at once."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))


def _ignore_signals() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _allow_connections() -> None:
    """Take as many descriptors as the system grants: each connection needs one."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _wake_main_thread() -> None:
    """End the wait for input after ``exit node`` came from another thread."""
    import threading

    if threading.current_thread() is not threading.main_thread():
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
