"""Child processes: deadlines, bounds, and what is left of them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from edgelake.errors import NotRunning, SystemCallFailed, SystemCallTimeout
from edgelake.services.processes import SHELL, ChildProcesses, Finished
from tests.waiting import eventually


def run(
    children: ChildProcesses,
    command: str,
    *,
    timeout_s: float = 30.0,
    most: int = 1000,
    **more: bytes,
) -> Finished:
    """Run a command of the shell."""
    return children.run(
        (SHELL, "-c", command),
        environment=dict(os.environ),
        timeout_s=timeout_s,
        most_output_bytes=most,
        most_error_bytes=10,
        **more,
    )


def test_output_errors_and_status() -> None:
    finished = run(ChildProcesses(), "echo out; printf 0123456789abc >&2; exit 5")
    assert finished == Finished(5, b"out\n", b"3456789abc")


def test_it_reads_what_it_is_given() -> None:
    given = bytes(range(256)) * 1000
    assert run(ChildProcesses(), "cat", most=len(given), given=given).output == given
    assert run(ChildProcesses(), "cat").output == b""


def test_a_signal_is_told() -> None:
    assert run(ChildProcesses(), "kill -9 $$").status == -9


def test_the_bound_of_output() -> None:
    assert len(run(ChildProcesses(), "head -c 1000 /dev/zero").output) == 1000
    with pytest.raises(SystemCallFailed, match="1000 bytes"):
        run(ChildProcesses(), "head -c 1001 /dev/zero")


def test_closed_output_does_not_end_the_wait() -> None:
    assert run(ChildProcesses(), "exec >&- 2>&-; sleep 0.1; exit 7").status == 7
    with pytest.raises(SystemCallTimeout):
        run(ChildProcesses(), "exec >&- 2>&-; sleep 600", timeout_s=0.2)


def test_a_kernel_that_does_not_tell_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(pid: int) -> int:
        raise OSError("not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    assert run(ChildProcesses(), "echo a; exec >&- 2>&-; sleep 0.1").output == b"a\n"
    assert run(ChildProcesses(), "(sleep 600 &) ; echo b").output == b"b\n"


@pytest.mark.parametrize("words", [("/nonexistent",), (SHELL, "-c", "a\0b")])
def test_what_cannot_be_started(words: tuple[str, ...]) -> None:
    children = ChildProcesses()
    with pytest.raises(SystemCallFailed, match="cannot be started"):
        children.run(words, environment={}, timeout_s=1, most_output_bytes=1, most_error_bytes=1)
    with pytest.raises(SystemCallFailed, match="cannot be started"):
        children.start_detached("a\0b", environment={})


def test_closing_ends_what_runs_and_starts_no_more(tmp_path: Path) -> None:
    children = ChildProcesses()
    failures: list[type[BaseException]] = []

    def wait_long(number: int) -> None:
        try:
            run(children, f"touch {tmp_path}/{number}; sleep 600")
        except NotRunning as exc:
            failures.append(type(exc))

    threads = [threading.Thread(target=wait_long, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(list(tmp_path.iterdir())) == 4, "all have started")
    children.close()
    children.close()
    for thread in threads:
        thread.join(10)
    assert failures == [NotRunning] * 4
    with pytest.raises(NotRunning):
        run(children, "true")
