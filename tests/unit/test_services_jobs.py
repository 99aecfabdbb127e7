"""Jobs find their answers, and nobody else's."""

from __future__ import annotations

import threading

import pytest

from edgelake import limits
from edgelake.errors import Overloaded, PeerRefused, RemoteProtocolError
from edgelake.services.jobs import Answer, Jobs, answer_from
from edgelake.wire import Assembler, InfoType, encode_message

ANSWER = Answer("127.0.0.1:1", "text")


def test_an_answer_reaches_its_job():
    jobs = Jobs()
    with jobs.open(2) as job:
        assert jobs.deliver(job.location, job.number, 1, ANSWER)
        assert not job.wait(0.0)
        assert jobs.deliver(job.location, job.number, 0, ANSWER)
        assert job.wait(0.0)
        assert job.answers == {0: ANSWER, 1: ANSWER}
    assert jobs.strays == 0


def test_strangers_do_not():
    jobs = Jobs()
    with jobs.open() as job:
        assert not jobs.deliver(job.location, job.number + 1, 0, ANSWER)
        assert not jobs.deliver(job.location + 1, job.number, 0, ANSWER)
        assert not jobs.deliver(65_535, job.number, 0, ANSWER)
        assert not jobs.deliver(job.location, job.number, 1, ANSWER)
        assert not jobs.deliver(job.location, job.number, 65_535, ANSWER)
        assert jobs.deliver(job.location, job.number, 0, ANSWER)
        assert not jobs.deliver(job.location, job.number, 0, ANSWER)
    assert not jobs.deliver(job.location, job.number, 0, ANSWER)
    assert jobs.strays == 7


def test_a_failure_ends_the_wait():
    jobs = Jobs()
    with jobs.open(2) as job:
        job.fail(0, PeerRefused("refused"))
        timer = threading.Timer(0.01, jobs.deliver, (job.location, job.number, 1, ANSWER))
        timer.start()
        assert job.wait(10.0)
        timer.join()
        assert list(job.failures) == [0]


def test_slots_end_and_come_back():
    jobs = Jobs()
    held = [jobs.open() for _ in range(limits.JOB_SLOTS)]
    assert {job.location for job in held} == set(range(limits.JOB_SLOTS))
    with pytest.raises(Overloaded, match="500"):
        jobs.open()
    jobs.close(held[7])
    jobs.close(held[7])
    assert jobs.open().location == 7
    assert all(1 <= job.number <= limits.MAX_JOB_ID for job in held)


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1])
def test_an_answer_is_text_and_bytes_whatever_its_size(size: int) -> None:
    text = "ü" * (size // 2) + "x" * (size % 2)
    (message,) = Assembler().feed(
        encode_message(b"print", text.encode(), info_type=InfoType.TEXT, job_id=5)
    )
    answer = answer_from(message)
    assert answer is not None
    assert answer.text == text
    assert answer.data == text.encode()
    assert isinstance(answer.said, bytes) is (size > 64 * 1024)


def test_a_large_answer_that_is_no_text_is_refused() -> None:
    (message,) = Assembler().feed(
        encode_message(b"print", b"\xff" * 70_000, info_type=InfoType.TEXT, text=False)
    )
    with pytest.raises(RemoteProtocolError):
        answer_from(message)
