"""Logs and the echo queue keep what is newest, count what repeats, and no more."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest

from edgelake import limits
from edgelake.errors import CommandError, Overloaded, ScriptError
from edgelake.services.echoes import EchoQueue
from edgelake.services.logs import ErrorLog, EventLog, Logs
from edgelake.services.traces import Traces


def texts(log: EventLog | ErrorLog) -> list[str]:
    """Return the texts of a log, oldest first."""
    return [entry.text for entry in log.entries()]


def test_the_newest_events_are_kept() -> None:
    log = EventLog()
    for number in range(limits.EVENT_LOG_ENTRIES):
        log.add(f"own {number}", "", perf_counter())
    assert texts(log)[0] == "own 0"
    log.add("one more", "", perf_counter())
    assert len(texts(log)) == limits.EVENT_LOG_ENTRIES
    assert (texts(log)[0], texts(log)[-1]) == ("own 1", "one more")
    assert [entry.number for entry in log.entries()] == [*range(2, limits.EVENT_LOG_ENTRIES + 2)]


def test_the_newest_errors_are_kept() -> None:
    log = ErrorLog()
    for number in range(limits.ERROR_LOG_ENTRIES + 1):
        log.add(f"own {number}", "", CommandError("wrong"))
    assert len(texts(log)) == limits.ERROR_LOG_ENTRIES
    assert texts(log)[0] == "own 1"


def test_peers_do_not_push_out_what_the_node_did() -> None:
    events, errors = EventLog(), ErrorLog()
    events.add("own", "", perf_counter())
    errors.add("own", "", CommandError("wrong"))
    for number in range(limits.EVENT_LOG_ENTRIES * 2):
        events.add(f"get {number}", "10.0.0.7", perf_counter())
        errors.add(f"get {number}", "10.0.0.7", CommandError("wrong"))
    assert texts(events)[0] == texts(errors)[0] == "own"
    assert len(texts(events)) == limits.EVENT_LOG_ENTRIES + 1
    assert len(texts(errors)) == limits.ERROR_LOG_ENTRIES + 1


def test_what_repeats_is_counted() -> None:
    events, errors = EventLog(), ErrorLog()
    for _ in range(3):
        events.add("get status", "", perf_counter())
        errors.add("get x", "", CommandError("wrong"))
    events.add("get status", "", perf_counter(), 3, "failed")
    errors.add("get x", "", CommandError("worse"))
    assert [(e.count, e.code, e.reason, e.number) for e in events.entries()] == [
        (3, 0, "", 3),
        (1, 3, "failed", 4),
    ]
    assert [(e.count, e.reason) for e in errors.entries()] == [
        (3, "error 2: wrong"),
        (1, "error 2: worse"),
    ]
    errors.add("get x", "10.0.0.7", CommandError("worse"))
    assert [e.source for e in errors.entries()] == ["", "", "10.0.0.7"]


def test_long_texts_are_cut() -> None:
    logs = Logs()
    exact = "x" * limits.MAX_LOG_CHARS
    logs.events.add(exact, "", perf_counter())
    logs.failed(f"{exact}y", "", CommandError("m" * 10_000_000), perf_counter())
    assert texts(logs.events) == [exact, f"{exact}…"]
    assert texts(logs.errors) == [f"{exact}…"]
    assert all(len(entry.reason) <= limits.MAX_LOG_CHARS + 1 for entry in logs.events.entries())
    assert all(len(entry.reason) <= limits.MAX_LOG_CHARS + 1 for entry in logs.errors.entries())


def test_numbers_go_on_after_a_reset() -> None:
    logs = Logs()
    logs.failed("a", "", CommandError("wrong"), perf_counter())
    logs.events.clear()
    logs.errors.clear()
    assert logs.events.entries() == logs.errors.entries() == []
    logs.failed("b", "", CommandError("wrong"), perf_counter())
    assert [entry.number for entry in logs.events.entries()] == [2]
    assert [entry.number for entry in logs.errors.entries()] == [2]


def test_an_error_that_is_handed_on_counts_once() -> None:
    logs = Logs()
    inner = CommandError("wrong")
    logs.failed("get x", "", inner, perf_counter())
    outer = ScriptError("file, line 3: wrong")
    outer.excerpt = "get x", 5
    outer.__cause__ = inner
    logs.failed("process file", "", outer, perf_counter())
    told = ScriptError("a script failed")  # all that a peer is told
    told.__cause__ = outer
    logs.failed("process other", "", told, perf_counter())
    assert texts(logs.events) == ["get x", "process file", "process other"]
    assert [(e.text, e.reason) for e in logs.errors.entries()] == [
        ("get x", "error 56: file, line 3: wrong")
    ]


def test_an_error_that_causes_itself_is_taken() -> None:
    logs = Logs()
    error = CommandError("wrong")
    error.__cause__ = error
    logs.failed("get x", "", error, perf_counter())
    assert texts(logs.errors) == ["get x"]


def test_an_interrupted_command_is_no_error() -> None:
    logs = Logs()
    logs.failed("wait 5", "", KeyboardInterrupt(), perf_counter())
    assert [(e.text, e.reason) for e in logs.events.entries()] == [("wait 5", "interrupted")]
    assert logs.errors.entries() == []


def test_times_are_in_order_and_in_utc() -> None:
    log = EventLog()
    log.add("a", "", perf_counter() - 5)
    log.add("b", "", perf_counter())
    first, second = log.entries()
    assert first.seconds >= 5 > second.seconds >= 0
    assert first.time_s <= second.time_s
    assert first.time.endswith("Z")
    assert first.thread == threading.current_thread().name


def test_many_threads_lose_no_event() -> None:
    logs = Logs()
    threads, each = 8, 2000
    start = threading.Barrier(threads)

    def work(name: int) -> None:
        start.wait()
        for _ in range(each):
            logs.events.add(f"thread {name}", "10.0.0.7", perf_counter())
            logs.errors.add("same", "10.0.0.7", CommandError("wrong"))
            assert len(logs.events.entries()) <= limits.EVENT_LOG_ENTRIES

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, name) for name in range(threads)]:
            done.result()
    assert logs.events.entries()[-1].number == threads * each
    assert [entry.count for entry in logs.errors.entries()] == [threads * each]


# ------------------------------------------------------------------ echoes


def test_a_queue_that_is_off_takes_nothing() -> None:
    queue = EchoQueue()
    assert not queue.add("text")
    assert queue.read() == ([], 0)
    assert not queue.unread


def test_messages_wait_until_they_are_read() -> None:
    queue = EchoQueue()
    queue.on = True
    assert queue.add("one", "10.0.0.7:32048")
    assert queue.unread
    queue.on = False
    messages, dropped = queue.read()
    assert [(m.number, m.source, m.text) for m in messages] == [(1, "10.0.0.7:32048", "one")]
    assert dropped == 0
    assert not queue.unread
    assert len(queue.read()[0]) == 1
    queue.reset()
    assert queue.read() == ([], 0)


def test_the_oldest_messages_go_and_are_counted() -> None:
    queue = EchoQueue()
    queue.on = True
    for number in range(limits.ECHO_MESSAGES):
        queue.add(str(number))
    assert queue.read()[1] == 0
    queue.add("more")
    messages, dropped = queue.read()
    assert (messages[0].text, messages[-1].text) == ("1", "more")
    assert dropped == 1
    queue.reset(2)
    for number in range(5):
        queue.add(str(number))
    messages, dropped = queue.read()
    assert ([m.text for m in messages], dropped) == (["3", "4"], 3)


def test_messages_are_bounded_in_length_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = EchoQueue()
    queue.on = True
    queue.add("x" * limits.MAX_NOTICE_CHARS)
    queue.add("x" * (limits.MAX_NOTICE_CHARS + 1))
    first, second = (message.text for message in queue.read()[0])
    assert len(first) == limits.MAX_NOTICE_CHARS
    assert second == f"{first} … (1 more characters)"
    monkeypatch.setattr(limits, "MAX_ECHO_BYTES", 3 * limits.MAX_NOTICE_CHARS)
    for _ in range(10):
        queue.add("x" * limits.MAX_NOTICE_CHARS)
    messages, dropped = queue.read()
    assert (len(messages), dropped) == (2, 10)


# ------------------------------------------------------------------ traces


def test_traced_commands_are_bounded() -> None:
    traces = Traces()
    for number in range(limits.MAX_TRACED):
        traces.set(f"command {number}", 1)
    with pytest.raises(Overloaded) as caught:
        traces.set("one more", 1)
    assert caught.value.hint
    traces.set("command 0", 2)
    assert traces.level("command 0") == 2
    for name in traces.levels():
        assert traces.active
        traces.set(name, 0)
    assert not traces.active
    traces.set("never traced", 0)
    assert traces.levels() == {}
