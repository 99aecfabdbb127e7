"""The console in a real terminal, typed at through tmux."""

from __future__ import annotations

import os
import re
import shlex
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import binary
from tests.system.test_ending import tell
from tests.waiting import eventually

EMPTY_PROMPT = re.compile(r"\nEL [^\n>]*>\s*\Z")


class Terminal:
    """A terminal of 100 columns in which the console runs."""

    def __init__(
        self, server: str, home: Path, *arguments: str, columns: int = 100, environment: str = ""
    ) -> None:
        self._server = server
        command = shlex.join([*binary(), "--home", str(home), *arguments])
        # Ctrl-C reaches the shell as well, which shall tell how the program ended.
        command = f"trap : INT; {environment} {command}; echo status $?"
        size = ("-x", str(columns), "-y", "40")
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, command)
        self._tmux("set-option", "-g", "remain-on-exit", "on")

    def type(self, *keys: str) -> None:
        """Press keys; ``Enter``, ``Tab`` and the like by name."""
        self._tmux("send-keys", *keys)

    def interrupt(self) -> None:
        """Press Ctrl-C and wait for the next prompt.

        What is typed before that is edited by the terminal, not by the console.
        """
        self.type("C-c")
        eventually(lambda: EMPTY_PROMPT.search(self.screen()), "the next prompt")

    def paste(self, text: str) -> None:
        """Paste a text, marked as pasted, as terminals do."""
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            self._tmux("load-buffer", file.name)
        self._tmux("paste-buffer", "-p", "-r")

    def screen(self, *, colours: bool = False) -> str:
        """Return what the terminal shows, from its first line."""
        return self._tmux("capture-pane", "-p", "-S", "-", *(["-e"] if colours else []))

    def answers(self, command: str, answer: str) -> None:
        """Enter a command and wait for the line that it prints."""
        self.type(command, "Enter")
        self.shows(f"\n{answer}\n")

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


def test_keys_pressed_while_a_command_runs_wait_for_the_prompt(terminal, tmp_path):
    """They are not shown before, and edit a line as at the prompt."""
    gate = tmp_path / "gate"
    wait = f"system until [ -e {gate} ]; do sleep 0.05; done"
    terminal.type(wait, "Enter", "print first", "Enter")
    terminal.type("print secone", "BSpace", "d", "C-a", "x", "C-a", "C-d")
    gate.touch()
    terminal.shows("\nEL > print first\nfirst\nEL > print second")
    assert terminal.screen().count("print second") == 1


def test_interrupt_clears_the_line_and_end_of_file_ends_the_node(terminal):
    terminal.type("something unfinished")
    terminal.shows("EL > something unfinished")
    terminal.interrupt()
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


def test_what_was_typed_is_found_by_its_beginning_and_by_what_it_holds(terminal):
    terminal.answers("print alpha", "alpha")
    terminal.answers("get status", "edgelake running")
    terminal.answers("echo beta", "beta")
    terminal.type("pr", "Up")
    terminal.shows("EL > print alpha")
    terminal.interrupt()
    terminal.type("C-r", "stat")
    eventually(lambda: terminal.screen().count("EL > get status") == 2, "what was found")
    terminal.type("Enter")
    terminal.type("Enter")
    eventually(lambda: terminal.screen().count("\nedgelake running") == 2, "the answer again")


def test_the_history_is_for_its_owner_alone(terminal, tmp_path):
    terminal.answers("print alpha", "alpha")
    file = tmp_path / "home" / "history"
    eventually(file.exists, "the history")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_expected_stands_below_and_goes_when_it_is_entered(terminal):
    terminal.type("run tcp server where bind = ")
    terminal.shows("bind: true or false (true: listen on")
    terminal.type("yes and ")
    terminal.shows("'yes' is not true or false; write true or false")
    terminal.interrupt()
    terminal.answers("print gone", "gone")
    assert "is not true or false" not in terminal.screen()


def test_json_goes_on_until_it_is_closed_and_an_interrupt_abandons_it(terminal):
    terminal.type('x = {"a": {', "Enter")
    terminal.shows("\n   >")
    terminal.type('"b": 1}', "Enter")
    terminal.type("}", "Enter")
    terminal.type("get !x", "Enter")
    eventually(lambda: '"b": 1' in terminal.screen().split("get !x")[-1], "the value")
    terminal.type("<print never", "Enter")
    terminal.shows("EL > <print never\n   >")
    terminal.interrupt()
    terminal.answers("print after", "after")
    assert "\nnever" not in terminal.screen()


def test_a_line_is_added_anywhere(terminal):
    terminal.type("print first", "M-Enter", "print second")
    terminal.shows("EL > print first\n   > print second")
    terminal.type("Enter")
    terminal.shows("\nfirst\nsecond\n")


def test_pasted_lines_run_when_they_are_entered(terminal):
    terminal.paste("print first\nprint nosuch &\nget nosuch\n< print\nblock >")
    terminal.shows("   > block >")
    assert "\nfirst" not in terminal.screen()
    terminal.type("Enter")
    terminal.shows("\nfirst\n")
    terminal.shows("unknown command 'get nosuch'")
    terminal.shows("\nblock\n")


def test_a_megabyte_is_pasted_and_run(terminal):
    terminal.paste("text = " + "x" * 1_000_000)
    terminal.shows("1,000,007 characters pasted")
    terminal.type("Enter")
    terminal.answers("print !text.len", "1000000")


def test_tables_and_faults_are_coloured(terminal):
    terminal.type("get processes", "Enter")
    terminal.shows("───")
    terminal.type("get nosuch", "Enter")
    terminal.shows("error 141: unknown command 'get nosuch'")
    coloured = terminal.screen(colours=True)
    assert re.search(r"\x1b\[31m +\^", coloured)
    assert re.search(r"\x1b\[31mnosuch", coloured)


def test_no_color(tmp_path):
    made = Terminal(f"plain-{os.getpid()}-{tmp_path.name}", tmp_path, environment="NO_COLOR=1")
    try:
        made.shows("EL >")
        made.type("get processes", "Enter")
        made.shows("───")
        made.type("get nosuch", "Enter")
        made.shows("unknown command 'get nosuch'")
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", made.screen(colours=True))
    finally:
        made.close()


def test_a_dumb_terminal_takes_lines(tmp_path):
    made = Terminal(f"dumb-{os.getpid()}-{tmp_path.name}", tmp_path, environment="TERM=dumb")
    try:
        made.shows("EL >")
        made.type("get processes", "Enter")
        made.shows("--|")
        made.answers("print still here", "still here")
        made.type("exit node", "Enter")
        made.shows("status 0")
    finally:
        made.close()


def test_a_table_too_wide_is_shown_row_by_row(tmp_path):
    made = Terminal(f"narrow-{os.getpid()}-{tmp_path.name}", tmp_path, columns=60)
    try:
        made.shows("EL >")
        made.type("get synchronizer", "Enter")
        made.shows("\nStatus")
        made.shows("\nSync Source")
    finally:
        made.close()


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
        lambda: terminal.screen().split("from afar")[1].split("\n")[1] == "EL > half a com",
        "the prompt below",
    )


def test_the_prompt_names_the_nodes_that_get_the_commands(terminal):
    terminal.type(LISTEN, "Enter")
    address = listening_at(terminal)
    terminal.type(f"run client ({address})", "Enter")
    terminal.shows(f"\n({address}) >>")
    terminal.type("get status", "Enter")
    terminal.shows(f"[From Node {address}]")
    terminal.type("run client .", "Enter")
    eventually(lambda: "\nEL >" in terminal.screen().split("run client .")[-1], "the own prompt")


def test_the_prompt_tells_of_messages_that_wait(terminal):
    terminal.type(LISTEN, "Enter")
    address = listening_at(terminal)
    terminal.type("set echo queue on", "Enter")
    terminal.type("half a com")
    terminal.shows("EL > half a com")
    tell(address, b"hello")
    terminal.shows("EL +> half a com")
    terminal.interrupt()
    terminal.type("get echo queue", "Enter")
    eventually(lambda: terminal.screen().rstrip().endswith("\nEL >"), "the plain prompt")


def test_secrets_do_not_come_back(terminal, tmp_path):
    terminal.type("set db_password = open-sesame", "Enter")
    terminal.type("connect dbms x where type = psql and password = open-sesame", "Enter")
    terminal.answers("print after", "after")
    file = tmp_path / "home" / "history"
    eventually(lambda: "print after" in file.read_text(), "the history")
    assert "connect dbms x" in file.read_text()
    assert "open-sesame" not in file.read_text()


def test_the_prompt_has_the_name_of_the_node(terminal):
    terminal.type("set node name fen-01", "Enter")
    terminal.shows("\nEL fen-01 >")
    terminal.type('set node name ""', "Enter")
    eventually(lambda: terminal.screen().rstrip().endswith("\nEL >"), "the plain prompt")


def test_a_script_that_is_watched_asks(terminal, tmp_path):
    script = tmp_path / "home" / "w.al"
    script.parent.mkdir(exist_ok=True)
    script.write_text("set debug interactive\nprint one\nprint two\nprint three\n")
    terminal.type(f"process {script}", "Enter")
    terminal.shows(":2 print one")
    terminal.type("next", "Enter")
    terminal.shows("\none\n")
    terminal.type("continue", "Enter")
    terminal.shows("\nthree\n")
    terminal.answers("print after", "after")


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
