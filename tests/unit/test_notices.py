"""Notices: bounded, cut, and shown by a thread that may hang alone."""

from __future__ import annotations

import sys
import threading

import pytest

from edgelake import limits
from edgelake.interfaces import Notice
from edgelake.services.notices import Notices
from tests.waiting import eventually


def texts(notices):
    return [notice.text for notice in notices]


def test_kept_until_taken():
    notices = Notices()
    notices.post(Notice("one", "1.2.3.4:5", 7))
    notices.post(Notice("two"))
    assert notices.take() == [Notice("one", "1.2.3.4:5", 7), Notice("two")]
    assert notices.take() == []


def test_a_long_text_is_cut_and_says_so():
    notices = Notices()
    notices.post(Notice("x" * (limits.MAX_NOTICE_CHARS + 1234), "1.2.3.4:5"))
    [kept] = notices.take()
    assert kept.text == "x" * limits.MAX_NOTICE_CHARS + " … (1,234 more characters)"
    assert kept.source == "1.2.3.4:5"


def test_the_oldest_go_first_and_are_counted():
    notices = Notices()
    for number in range(limits.MAX_NOTICES + 3):
        notices.post(Notice(str(number)))
    kept = texts(notices.take())
    assert kept == [
        "3 messages of peers were dropped",
        *map(str, range(3, limits.MAX_NOTICES + 3)),
    ]


@pytest.mark.parametrize("sign", ["x", "\U0001f30a"])
def test_all_together_stay_below_the_bound(sign):
    notices = Notices()
    for _ in range(limits.MAX_NOTICES):
        notices.post(Notice(sign * 10_000_000))
    held = sum(sys.getsizeof(text) for text in texts(notices.take()))
    assert limits.MAX_NOTICES_BYTES // 2 < held <= limits.MAX_NOTICES_BYTES + 1000


def test_shown_in_order_what_was_kept_first():
    notices, seen = Notices(), []
    notices.post(Notice("kept"))
    notices.show(lambda notice: seen.append(notice.text))
    notices.post(Notice("new"))
    notices.show(None)
    assert seen == ["kept", "new"]
    notices.post(Notice("later"))
    assert texts(notices.take()) == ["later"]


def test_a_sink_that_hangs_holds_up_nobody():
    notices, seen = Notices(), []
    blocked, free = threading.Event(), threading.Event()

    def hang(notice):
        blocked.set()
        free.wait()
        seen.append(notice.text)

    notices.show(hang)
    notices.post(Notice("first"))
    assert blocked.wait(10)
    for number in range(limits.MAX_NOTICES + 5):
        notices.post(Notice(str(number)))
    free.set()
    eventually(lambda: len(seen) == limits.MAX_NOTICES + 2, "all shown")
    assert seen[:3] == ["first", "5 messages of peers were dropped", "5"]
    notices.show(None)


def test_an_end_does_not_wait_for_a_sink_that_hangs():
    notices, seen = Notices(), []
    blocked, free = threading.Event(), threading.Event()

    def hang(notice):
        blocked.set()
        free.wait()

    notices.show(hang)
    notices.post(Notice("stuck"))
    notices.post(Notice("behind"))
    assert blocked.wait(10)
    notices.show(None)
    notices.show(lambda notice: seen.append(notice.text))
    eventually(lambda: seen == ["behind"], "the next sink's turn")
    free.set()
    notices.post(Notice("after"))
    eventually(lambda: seen == ["behind", "after"], "the next sink only")
    notices.show(None)


def test_a_sink_that_fails_is_asked_again(caplog):
    notices, seen = Notices(), []

    def fail_once(notice):
        seen.append(notice.text)
        if len(seen) == 1:
            raise ValueError("no terminal")

    notices.show(fail_once)
    notices.post(Notice("one"))
    notices.post(Notice("two"))
    notices.show(None)
    assert seen == ["one", "two"]
    assert "could not be shown" in caplog.text
