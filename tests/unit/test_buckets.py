"""Allowances that grow back."""

from __future__ import annotations

import pytest

from edgelake.services.buckets import Buckets


def test_an_allowance_is_used_up_and_grows_back() -> None:
    buckets = Buckets(3, 0.5, 10)
    assert [buckets.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("a", 0.0) == pytest.approx(2.0)
    assert buckets.take("a", 1.5) == pytest.approx(0.5)
    assert buckets.wait_s("a", 1.5) == pytest.approx(0.5)
    assert buckets.take("a", 2.0) == 0.0
    assert buckets.take("a", 2.0) > 0
    assert buckets.take("b", 2.0) == 0.0


def test_it_grows_no_further_than_its_room() -> None:
    buckets = Buckets(2, 1.0, 10)
    assert buckets.take("a", 0.0) == 0.0
    assert not buckets.full("a", 0.5)
    assert buckets.full("a", 100.0)
    assert [buckets.take("a", 100.0) > 0 for _ in range(3)] == [False, False, True]


def test_what_is_given_back_was_not_taken() -> None:
    buckets = Buckets(2, 1.0, 10)
    for _ in range(5):
        assert buckets.take("a", 0.0) == 0.0
        buckets.give_back("a", 0.0)
    assert buckets.full("a", 0.0)
    assert len(buckets) == 0


def test_the_longest_unused_is_forgotten() -> None:
    buckets = Buckets(1, 0.001, 2)
    for key in ("a", "b"):
        assert buckets.take(key, 0.0) == 0.0
    assert buckets.take("a", 1.0) > 0
    assert buckets.take("c", 1.0) == 0.0
    assert len(buckets) == 2
    assert buckets.take("b", 1.0) > 0
    assert buckets.take("a", 1.0) == 0.0
