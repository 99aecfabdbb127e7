"""The command line: a command, commands from standard input, or the console.

Exit status: 0 done; 1 a command failed; 2 a command was badly written;
3 a peer failed; 4 a file or database failed. Commands from standard input
end with 0, or with 1 if any of them failed.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

from edgelake import __version__

if TYPE_CHECKING:
    from edgelake.interfaces import Notice, Result
    from edgelake.node import Node

__all__ = ["main", "rejoin"]

_EPILOG = """\
a command of the language may follow, as typed at the console:
  edgelake get status
  edgelake --serve process node.al
without one, commands are read from the terminal or from standard input.
'edgelake help' lists the commands.
exit status: 0 done, 1 failed, 2 bad command, 3 peer, 4 file or database
"""


class _Ended(BaseException):
    """A signal asks the process to end."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's name.
    """
    options = _parser().parse_args(arguments)
    commands = list(options.command)
    if options.words:
        commands.append(rejoin(options.words))
    home = Path(options.home or os.environ.get("EDGELAKE_HOME") or Path.home() / ".edgelake")
    _catch_signals()
    _allow_connections()
    from edgelake.node import Node

    status = 0
    node = Node(home.expanduser(), on_exit=_wake_main_thread)
    try:
        with node:
            status = _run(node, commands, options)
    except _Ended:
        status = 0
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


def _requote(word: str) -> str:
    if word and not any(c.isspace() for c in word):
        return word
    if word[:1] in ("{", "[", "(", '"', "'", "`"):
        return word
    return f'"{word}"' if '"' not in word else f"'{word}'"


def _run(node: Node, commands: list[str], options: argparse.Namespace) -> int:
    """Run what was asked for and return the exit status."""
    status = 0
    interactive = sys.stdin is not None and sys.stdin.isatty()
    node.show_notices(_print_notice)
    for command in commands:
        status = _run_command(node, command, sys.stderr) or status
        if node.stopping:
            return status
    if options.console or not commands:
        if interactive and not (options.serve and not options.console):
            from edgelake.console import run_console

            run_console(node)
        elif sys.stdin is not None:
            status = max(status, _run_lines(node, sys.stdin))
    if options.serve and not node.stopping:
        node.wait()
    return status


def _run_command(node: Node, command: str, errors: TextIO) -> int:
    """Run one command given as an argument; return its exit status."""
    from edgelake.commands.rendering import console_text
    from edgelake.errors import EdgeLakeError
    from edgelake.language import format_error

    def show(result: Result) -> None:
        if text := console_text(result.text):
            print(text, flush=True)

    try:
        node.execute(command, show)
    except EdgeLakeError as exc:
        print(console_text(format_error(exc)), file=errors, flush=True)
        return exc.exit_status
    return 0


def _run_lines(node: Node, stream: TextIO) -> int:
    """Run commands a line at a time, answer each on standard output; return 0 or 1."""
    from edgelake.errors import EdgeLakeError
    from edgelake.language import LogicalLines, format_error

    failed = 0
    lines = LogicalLines()

    def run(text: str) -> None:
        nonlocal failed
        failed |= bool(_run_command(node, text, sys.stdout))

    def guarded(step: Callable[[], list[tuple[int, str]]]) -> None:
        nonlocal failed
        try:
            ready = step()
        except EdgeLakeError as exc:
            print(format_error(exc), flush=True)
            failed = 1
            return
        for _, text in ready:
            if not node.stopping:
                run(text)

    while not node.stopping:
        line = stream.readline()
        if not line:
            break
        guarded(lambda text=line: list(lines.feed(text)))  # type: ignore[misc]
    guarded(lambda: list(lines.finish()))
    return failed


def _print_notice(notice: Notice) -> None:
    from edgelake.commands.peers import notice_text
    from edgelake.commands.rendering import console_text

    print(console_text(notice_text(notice)), flush=True)


def _catch_signals() -> None:
    def ended(number: int, frame: FrameType | None) -> NoReturn:
        # A second signal during the orderly stop must not tear it apart.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise _Ended

    signal.signal(signal.SIGTERM, ended)
    if not sys.stdin or not sys.stdin.isatty():
        signal.signal(signal.SIGINT, ended)


def _allow_connections() -> None:
    """Take as many descriptors as the system grants: each connection needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _wake_main_thread() -> None:
    """End the wait for input after ``exit node`` came from another thread."""
    if threading.current_thread() is not threading.main_thread():
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
