"""The command line as a shell sees it."""

from __future__ import annotations

import signal
import socket
import subprocess

import pytest

from edgelake import Client, __version__
from edgelake.cli import rejoin
from tests.system.conftest import binary

LISTEN = "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"


def run(tmp_path, *arguments, text=""):
    """Run the program to its end."""
    return subprocess.run(
        [*binary(), "--home", str(tmp_path / "home"), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["get", "status"], "get status"),
        (["get status where format = json"], "get status where format = json"),
        (["print", "a b", "c"], 'print "a b" c'),
        (["print", 'say "hi" now', "c"], "print 'say \"hi\" now' c"),
        (["set", "x", "=", ""], 'set x = ""'),
        (["blockchain", "push", '{"a": {"b": 1}}'], 'blockchain push {"a": {"b": 1}}'),
        (["run", "client", "(1.2.3.4:5, 1.2.3.4:6)", "x"], "run client (1.2.3.4:5, 1.2.3.4:6) x"),
    ],
)
def test_words_of_the_shell_become_a_command(words, command):
    assert rejoin(words) == command


def test_one_command(tmp_path):
    done = run(tmp_path, "get", "status")
    assert (done.returncode, done.stdout, done.stderr) == (0, "edgelake running\n", "")


def test_several_commands(tmp_path):
    done = run(tmp_path, "-c", 'place = "pier 7"', "-c", "print at !place", "print", "and more")
    assert (done.returncode, done.stdout) == (0, "at pier 7\nand more\n")


def test_commands_from_standard_input(tmp_path):
    done = run(tmp_path, text="a = 1\n# note\n<print\n  !a>\nprint two & print three\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\ntwo\nthree\n", "")


def test_a_last_line_without_an_end_counts(tmp_path):
    assert run(tmp_path, text="print last").stdout == "last\n"


def test_a_failed_command_of_standard_input(tmp_path):
    done = run(tmp_path, text="nosuch\nprint after\n")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1] == "after"


def test_an_unfinished_block_is_told(tmp_path):
    done = run(tmp_path, text="<print a\n")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert "error 11" in done.stdout


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "commands"),
    [
        (0, ["print done"]),
        (1, ["run blockchain sync"]),
        (2, ["nosuch"]),
        (2, ["process /no/such/script.al"]),
        (
            3,
            [
                LISTEN,
                "run client 127.0.0.1:{port} get status",
            ],
        ),
        (4, ["create table ledger where dbms = blockchain"]),
    ],
)
def test_exit_statuses(tmp_path, status, commands):
    arguments = [word for command in commands for word in ("-c", command)]
    port = refused_port()
    done = run(tmp_path, *(word.format(port=port) for word in arguments))
    assert done.returncode == status, done
    if status:
        assert done.stderr.startswith("error ")
        assert len(done.stderr.splitlines()) == 1


def test_help_and_version(tmp_path):
    assert run(tmp_path, "--version").stdout == f"edgelake {__version__}\n"
    shown = run(tmp_path, "--help").stdout
    for word in ("--home", "--serve", "--console", "-c", "exit status"):
        assert word in shown
    assert run(tmp_path, "help").returncode == 0
    assert run(tmp_path, "--nosuch").returncode == 2


def test_an_unusable_home_is_one_line(tmp_path):
    (tmp_path / "home").write_text("a file, not a folder")
    done = run(tmp_path, "create work directories")
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path / "home") in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_served_until_a_signal(tmp_path, number):
    child = subprocess.Popen(
        [*binary(), "--home", str(tmp_path), "--serve", "-c", LISTEN],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stderr is not None
        address = child.stdout.readline().split()[-1]
        with Client(address) as client:
            assert client.request("get status").endswith("running")
        child.send_signal(number)
        assert child.wait(20) == 0
        assert child.stderr.read() == ""


def test_exit_node_from_a_peer_ends_a_node_that_allows_it(tmp_path):
    child = subprocess.Popen(
        [*binary(), "--home", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{LISTEN}\nset remote permission = admin\n")
        child.stdin.flush()
        address = child.stdout.readline().split()[-1]
        with Client(address) as client:
            # The level is set behind the server's start: ask until it counts.
            while client.request("get remote permission") != "admin":
                pass
            assert client.request("exit node") == "node ends"
        assert child.wait(20) == 0
