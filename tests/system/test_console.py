"""The console in a real terminal, typed at through tmux."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import binary
from tests.system.test_ending import tell
from tests.waiting import eventually


class Terminal:
    """A terminal of 100 columns in which the console runs."""

    def __init__(self, server: str, home: Path, *arguments: str) -> None:
        self._server = server
        command = shlex.join([*binary(), "--home", str(home), *arguments])
        # Ctrl-C reaches the shell as well, which shall tell how the program ended.
        command = f"trap : INT; {command}; echo status $?"
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
            ["tmux", "-L", self._server, *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A console that is ready."""
    made = Terminal(f"edgelake-{os.getpid()}-{tmp_path.name}", tmp_path / "home")
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
    terminal.type("= 2 and bi", "Tab")
    terminal.shows("and bind")
    terminal.type("= tr", "Tab")
    terminal.shows("bind = true")


def test_a_fault_is_shown_where_it_is_and_the_console_goes_on(terminal):
    terminal.type("get statsu", "Enter")
    terminal.shows("did you mean 'get status'")
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
    again = Terminal(f"again-{os.getpid()}-{tmp_path.name}", tmp_path / "home")
    try:
        again.shows("EL >")
        again.type("Up")
        again.type("Up")
        again.shows("EL > print remembered")
    finally:
        again.close()


LISTEN = "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A peer that takes messages and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(15)
        yield listener


def listening_at(terminal: Terminal) -> str:
    terminal.shows("listens on 127.0.0.1:")
    return "127.0.0.1:" + terminal.screen().split("listens on 127.0.0.1:")[1].split()[0]


def test_interrupt_ends_the_command_that_runs_and_nothing_else(terminal, silent):
    terminal.type(LISTEN, "Enter")
    listening_at(terminal)
    terminal.type(f"run client 127.0.0.1:{silent.getsockname()[1]} get status", "Enter")
    # The connection shows that the command runs.
    peer, _ = silent.accept()
    terminal.type("C-c")
    terminal.shows("interrupted")
    terminal.type("print still here", "Enter")
    terminal.shows("\nstill here")
    assert "Traceback" not in terminal.screen()
    peer.close()


def test_a_message_of_a_peer_appears_above_the_prompt(terminal):
    terminal.type(LISTEN, "Enter")
    address = listening_at(terminal)
    terminal.type("half a com")
    terminal.shows("EL > half a com")
    tell(address, b"hello \x1b[31mfrom afar")
    terminal.shows("hello \\x1b[31mfrom afar")
    eventually(
        lambda: terminal.screen().rstrip().splitlines()[-1] == "EL > half a com",
        "the prompt below",
    )


def test_interrupt_ends_a_served_node_in_order(tmp_path):
    made = Terminal(f"serve-{os.getpid()}-{tmp_path.name}", tmp_path, "--serve", "-c", LISTEN)
    try:
        listening_at(made)
        made.type("C-c")
        made.shows("status 0")
        assert "Traceback" not in made.screen()
    finally:
        made.close()


def test_interrupt_of_a_command_on_the_command_line(tmp_path, silent):
    asked = f"run client 127.0.0.1:{silent.getsockname()[1]} get status"
    made = Terminal(f"command-{os.getpid()}-{tmp_path.name}", tmp_path, "-c", LISTEN, "-c", asked)
    try:
        peer, _ = silent.accept()
        made.type("C-c")
        made.shows("status 130")
        shown = made.screen().split("^C")[-1]
        assert shown.split()[:4] == ["edgelake:", "interrupted", "status", "130"]
        peer.close()
    finally:
        made.close()
