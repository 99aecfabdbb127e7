"""The console in a real terminal, typed at through tmux."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import binary
from tests.waiting import eventually


class Terminal:
    """A terminal of 100 columns in which the console runs."""

    def __init__(self, socket: str, home: Path) -> None:
        self._socket = socket
        command = shlex.join([*binary(), "--home", str(home)])
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", command)
        self._tmux("set-option", "-g", "remain-on-exit", "on")

    def type(self, *keys: str) -> None:
        """Press keys; ``Enter``, ``Tab`` and the like by name."""
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        """Return what the terminal shows, from its first line."""
        return self._tmux("capture-pane", "-p", "-S", "-")

    def shows(self, text: str) -> None:
        """Wait until the terminal shows a text."""
        eventually(lambda: text in self.screen(), f"{text!r} on the screen")

    def ended(self) -> bool:
        """Return whether the console has ended."""
        return self._tmux("display-message", "-p", "#{pane_dead}").strip() == "1"

    def close(self) -> None:
        """End the terminal and what runs in it."""
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A console that is ready."""
    made = Terminal(f"edgelake-{tmp_path.name}", tmp_path / "home")
    try:
        made.shows("EL >")
        yield made
    finally:
        made.close()


def test_a_command_is_completed_and_answered(terminal):
    terminal.type("get stat", "Tab")
    terminal.shows("EL > get status")
    terminal.type("Enter")
    terminal.shows("edgelake running")


def test_options_are_completed(terminal):
    terminal.type("run tcp server where thr", "Tab")
    terminal.shows("where threads")
    terminal.type(" = 2 and bi", "Tab")
    terminal.shows("and bind")
    terminal.type(" = tr", "Tab")
    terminal.shows("bind = true")


def test_a_fault_is_shown_where_it_is_and_the_console_goes_on(terminal):
    terminal.type("get statsu", "Enter")
    terminal.shows("did you mean 'get status'?")
    lines = terminal.screen().splitlines()
    shown = next(n for n, line in enumerate(lines) if line == "  get statsu")
    assert lines[shown + 1] == "      ^"
    terminal.type("print still here", "Enter")
    terminal.shows("\nstill here")


def test_a_block_over_several_lines(terminal):
    terminal.type("<print one", "Enter")
    terminal.shows("\n   >")
    terminal.type("two>", "Enter")
    terminal.shows("\none two")


def test_interrupt_clears_the_line_and_end_of_file_ends_the_node(terminal):
    terminal.type("something unfinished", "C-c")
    terminal.type("print fresh", "Enter")
    terminal.shows("\nfresh")
    terminal.type("C-d")
    eventually(terminal.ended, "the end of the console")


def test_history_lasts(tmp_path, terminal):
    terminal.type("print remembered", "Enter")
    terminal.shows("\nremembered")
    terminal.type("exit node", "Enter")
    eventually(terminal.ended, "the end of the console")
    again = Terminal(f"again-{tmp_path.name}", tmp_path / "home")
    try:
        again.shows("EL >")
        again.type("Up")
        again.type("Up")
        again.shows("EL > print remembered")
    finally:
        again.close()
