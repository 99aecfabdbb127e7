"""Latency histograms against plain sorted lists."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgelake._native import latency_bucket
from edgelake.wire import Latency, bucket_bounds, counts_of, percentile
from edgelake.wire.latencies import BUCKETS

LONGEST = 2**40 - 1
TIMES = st.one_of(
    st.integers(0, LONGEST),
    st.integers(0, 40).flatmap(lambda bits: st.integers(0, min(2**bits, LONGEST))),
)


def histogram(times: Sequence[int]) -> bytes:
    """Return the histogram that the native server makes of these times."""
    counts = array("Q", [0] * BUCKETS)
    for time in times:
        counts[latency_bucket(time)] += 1
    return counts.tobytes()


def test_bounds_grow_and_end_at_18_minutes() -> None:
    bounds = bucket_bounds()
    assert len(bounds) == BUCKETS == 592
    assert all(low < high for low, high in pairwise(bounds))
    assert (bounds[0], bounds[-1]) == (0, LONGEST)


@given(TIMES)
@example(0)
@example(15)
@example(16)
@example(LONGEST)
def test_each_time_lies_in_its_bucket(time: int) -> None:
    bounds, bucket = bucket_bounds(), latency_bucket(time)
    below = bounds[bucket - 1] if bucket else -1
    assert below < time <= bounds[bucket]
    assert bounds[bucket] - time <= time / 16


@given(st.sampled_from(range(BUCKETS)))
def test_each_bound_is_the_last_of_its_bucket(bucket: int) -> None:
    bound = bucket_bounds()[bucket]
    assert latency_bucket(bound) == bucket
    assert latency_bucket(bound + 1) == min(bucket + 1, BUCKETS - 1)


@pytest.mark.parametrize(
    ("time", "bucket"), [(-1, 0), (-(2**62), 0), (2**40, BUCKETS - 1), (2**62, BUCKETS - 1)]
)
def test_times_beyond_the_buckets_count_at_the_ends(time: int, bucket: int) -> None:
    assert latency_bucket(time) == bucket


@given(st.lists(TIMES, min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]))
def test_percentiles_are_in_the_bucket_of_the_exact_ones(times: list[int], part: float) -> None:
    exact = sorted(times)[math.ceil(part * len(times)) - 1]
    found = percentile(histogram(times), part)
    assert found is not None
    assert latency_bucket(found) == latency_bucket(exact)
    assert exact <= found <= exact + exact / 16


@given(st.lists(TIMES, max_size=300))
def test_a_summary_is_what_the_percentiles_are(times: list[int]) -> None:
    made = histogram(times)
    latency = Latency.of(made)
    assert latency.count == sum(counts_of(made)) == len(times)
    shown = (latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us)
    if not times:
        assert shown == (None,) * 5
        assert percentile(made, 0.5) is None
        return
    for part, time_us in zip((0.5, 0.9, 0.99, 0.999, 1.0), shown, strict=True):
        found = percentile(made, part)
        assert found is not None
        assert time_us == found / 1000
