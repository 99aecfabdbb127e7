"""How the program ends when its output, a peer or the person at it does not go along."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edgelake import Client
from edgelake.wire import encode_message
from tests.system.conftest import binary
from tests.waiting import eventually

LISTEN = "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and bind = true"
FAULTS = ("Traceback", "Fatal Python error", "Exception ignored")


class _Child(subprocess.Popen):
    """A process that does not outlive a test that failed."""

    def __exit__(self, kind, error, trace):
        if error is not None:
            self.kill()
        super().__exit__(kind, error, trace)


def serve(home, *commands, **streams):
    """Start a node that serves; its address is the first line of its output."""
    arguments = [word for command in (LISTEN, *commands) for word in ("-c", command)]
    return _Child(
        [*binary(), "--home", str(home), "--serve", *arguments],
        **{
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "bufsize": 0,
            **streams,
        },
    )


def address_of(child):
    return child.stdout.readline().decode().split()[-1]


def tell(address, text, command=b"print"):
    """Send a message that a node shows or refuses, as large as a peer likes."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as peer:
        peer.sendall(
            encode_message(
                command, text, info_type=6, job_id=0, source_ip=b"127.0.0.1", source_port=9
            )
        )


def unread(stream):
    """Return how many bytes wait in a pipe."""
    import array
    import fcntl
    import termios

    waiting = array.array("i", [0])
    fcntl.ioctl(stream.fileno(), termios.FIONREAD, waiting)
    return waiting[0]


def test_output_that_nobody_reads_stops_nothing(tmp_path):
    with serve(tmp_path) as child:
        address = address_of(child)
        for _ in range(20):
            tell(address, b"x" * 200_000)
        eventually(lambda: unread(child.stdout) >= 65_536, "a full pipe")
        with Client(address) as client:
            for _ in range(20):
                assert client.request("get status").endswith("running")
        child.terminate()
        assert child.wait(20) == 0
        assert child.stderr.read() == b""


def test_a_log_that_nobody_reads_stops_nothing(tmp_path):
    """With standard output and error in one full pipe, as a service manager may have it."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with serve(tmp_path, stderr=write) as child:
        address = address_of(child)
        with open(write, "wb", buffering=0, closefd=False) as pipe:
            while pipe.write(b"x" * 4096):
                pass
        os.set_blocking(write, True)
        with Client(address) as client:
            for number in range(20):
                tell(address, b"", f"file write no{number}".encode())
                assert client.request("get status").endswith("running")
        child.terminate()
        assert child.wait(20) == 0
    os.close(read)
    os.close(write)


def test_a_reader_that_comes_late_is_told_what_is_missing(tmp_path):
    with serve(tmp_path) as child:
        address = address_of(child)
        for _ in range(3):
            tell(address, b"x" * 200_000)
        eventually(lambda: unread(child.stdout) >= 65_536, "a full pipe")
        with Client(address) as client:
            for _ in range(1100):
                tell(address, b"x" * 100)
            assert client.request("get status").endswith("running")
        lines = iter(child.stdout.readline, b"")
        assert any(b"messages of peers were dropped" in line for line in lines)
        child.terminate()
        child.communicate(timeout=20)
        assert child.returncode == 0


@pytest.mark.parametrize("arguments", [["-c", "get status"], ["--help"], ["help"]])
def test_output_that_cannot_be_written(tmp_path, arguments):
    command = [*binary(), "--home", str(tmp_path), *arguments]
    read, write = os.pipe()
    os.close(read)
    with open("/dev/full", "wb") as full:
        for stdout in (full, write):
            done = subprocess.run(
                command, stdout=stdout, stderr=subprocess.PIPE, timeout=30, check=False
            )
            assert (done.returncode, done.stderr) == (1, b"")
    os.close(write)


def test_closed_standard_streams(tmp_path):
    line = f'"$@" --home {tmp_path} get status <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", line, "sh", *binary()], timeout=30, check=False)
    assert done.returncode == 0


def test_a_message_of_a_peer_does_not_end_a_node_whose_disk_is_full(tmp_path):
    with serve(tmp_path) as child:
        address = address_of(child)
        child.stdout.close()
        for _ in range(3):
            tell(address, b"nobody reads this")
        with Client(address) as client:
            assert client.request("get status").endswith("running")
        child.terminate()
        assert child.wait(20) == 0
        assert child.stderr.read() == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_any_moment_of_the_start(tmp_path, number):
    moments = random.Random(7)
    for _ in range(15):
        with serve(tmp_path) as child:
            try:
                child.wait(moments.uniform(0.02, 0.3))
            except subprocess.TimeoutExpired:
                child.send_signal(number)
            _, errors = child.communicate(timeout=20)
        # Before the program itself runs, the system or the interpreter ends it.
        if b"edgelake/cli.py" in errors.split(b"KeyboardInterrupt")[0] or b"_Ended" in errors:
            assert errors == b""
        assert child.returncode in (0, 1, -number)


def test_an_error_nobody_foresaw_is_one_line_and_the_node_stays(tmp_path):
    broken = Path(tmp_path, "broken.py")
    broken.write_text(
        "import sys\n"
        "from edgelake.cli import main\n"
        "from edgelake.node import Node\n"
        "good = Node.execute\n"
        "def execute(self, text, emit):\n"
        "    return good(self, text, emit) if text.strip() != 'break' else {}['a\\nb']\n"
        "Node.execute = execute\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    start = [sys.executable, str(broken), "--home", str(tmp_path / "home")]
    done = subprocess.run(
        start, input="break\nprint after\n", capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "error 3: internal error: KeyError: 'a\\nb'\nafter\n"
    assert done.returncode == 1
    assert done.stderr.startswith(
        "edgelake: a command failed inside: KeyError: 'a\\nb' (broken.py:6"
    )
    assert len(done.stderr.splitlines()) == 1
    done = subprocess.run(
        [*start, "-c", "break"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    # The log has a thread of its own: either line may come first.
    told = sorted(done.stderr.splitlines())
    assert len(told) == 2
    assert told[0].startswith("edgelake: a command failed inside: ")
    assert told[1].startswith("error 3: internal error: KeyError")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("process '~nosuchuser/x.al'", 2),
        ('process "a\0b"', 2),
        ('set $EDGELAKE_X = "a\0b"', 2),
        ("nosuch" + "x" * 20_000, 2),
        ("get status where format = " + "x" * 20_000, 2),
        ("run client (" + "x" * 20_000 + ") get status", 2),
        ("get !" + "x" * 20_000, 2),
    ],
    ids=range(7),
)
def test_odd_input_is_one_short_line(tmp_path, command, status):
    done = subprocess.run(
        [*binary(), "--home", str(tmp_path)],
        input=command + "\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == bool(status)
    assert done.stderr == ""
    assert done.stdout.startswith("error ")
    assert "internal" not in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert len(done.stdout) < 400


def test_bytes_that_are_no_text(tmp_path):
    done = subprocess.run(
        [*binary(), "--home", str(tmp_path)],
        input=b"print \xff\xfe\nprint after\n",
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.splitlines() == [b"error 2: the line is not utf-8 text", b"after"]
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_home_of_nobody(tmp_path):
    done = subprocess.run(
        [*binary(), "--home", "~nosuchuser/x", "get", "status"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error 235: ")
    assert len(done.stderr.splitlines()) == 1


def test_nothing_runs_after_the_end(tmp_path):
    done = subprocess.run(
        [*binary(), "--home", str(tmp_path), "-c", "print a & exit node & print b", "print c"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.splitlines() == ["a", "node ends"]
    assert done.returncode == 0


def test_the_log_is_for_people(tmp_path):
    with serve(tmp_path) as child:
        address = address_of(child)
        with Client(address) as client:
            for _ in range(30):
                tell(address, b"", b"file write \x1b[31mred")
            for number in range(200):
                tell(address, b"", f"file write n{number}".encode())
            assert client.request("get status").endswith("running")
        child.terminate()
        _, errors = child.communicate(timeout=20)
    lines = errors.decode().splitlines()
    assert "\x1b" not in errors.decode()
    assert sum("red" in line for line in lines) == 1
    assert 2 <= len(lines) <= 50
    assert all(line.startswith("edgelake: ") for line in lines)


def test_what_an_administrator_afar_may_not_do(tmp_path):
    scripts = tmp_path / "EdgeLake" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "good.al").write_text("print from the script\n")
    (scripts / "bad.al").write_text("secret words = \n")
    (tmp_path / "outside.al").write_text("secret words here\n")
    (scripts / "link.al").symlink_to(tmp_path / "outside.al")
    with serve(tmp_path, "set remote permission = admin") as child:
        address = address_of(child)
        with Client(address) as client:

            def refused(command):
                with pytest.raises(Exception, match=r".") as caught:
                    client.request(command)
                return str(caught.value)

            eventually(lambda: client.request("get remote permission") == "admin", "the level")
            assert client.request(f"process {scripts}/good.al") == "from the script"
            assert "secret" not in refused(f"process {scripts}/bad.al")
            for path in (
                tmp_path / "outside.al",
                scripts / "link.al",
                scripts / "../../outside.al",
            ):
                told = refused(f"process {path}")
                assert "secret" not in told
                assert "may not run from remote" in told
            assert "not set from remote" in refused("set $EDGELAKE_X = y")
        child.terminate()
        assert child.wait(20) == 0
        errors = child.stderr.read().decode()
    assert not any(fault in errors for fault in FAULTS)
