"""Load servers in turns, and compare each with its floor.

The machine is never quiet, so a figure alone says little. Every comparison
runs its targets in the same minute, round after round, each round in another
order; a result is the median over the rounds, and a ratio is the median of the
ratios within each round.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.build import build
from bench.load import Load, LoadResult, holding, run_load
from bench.running import RunningTarget, Target, Unavailable, running
from bench.targets import FLOOR

__all__ = ["MEASURES", "Comparison", "Found", "compare"]

MEASURES = ("rate", "p50_us", "p99_us", "p999_us", "max_us", "settle_s", "cpu_us")
_WARM_UP_CLIENTS = 8
_WARM_UP_MESSAGES = 500
_WARM_UP_S = 5.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rounds of one load on several targets, by name of the target."""

    load: Load
    rounds: dict[str, list[LoadResult]]

    def value(self, target: str, field: str) -> float | None:
        """Return the median of a field over the rounds, ``None`` where it has no value."""
        values = [getattr(result, field) for result in self.rounds[target]]
        return None if None in values else float(median(values))

    def ratio(self, target: str, field: str) -> float | None:
        """Return the median of target / floor, each taken within one round."""
        pairs = zip(self.rounds[target], self.rounds[FLOOR], strict=True)
        ratios = []
        for ours, floor in pairs:
            top, bottom = getattr(ours, field), getattr(floor, field)
            if top is None or not bottom:
                return None
            ratios.append(top / bottom)
        return float(median(ratios))

    def errors(self, target: str) -> int:
        """Return the messages that failed, over all rounds."""
        return sum(result.errors for result in self.rounds[target])

    def as_json(self) -> dict[str, Any]:
        """Return medians, ratios and every round, as JSON data."""
        targets = {
            name: {
                "median": {field: self.value(name, field) for field in MEASURES},
                "ratio_to_floor": {field: self.ratio(name, field) for field in MEASURES},
                "errors": self.errors(name),
                "rounds": [asdict(result) for result in results],
            }
            for name, results in self.rounds.items()
        }
        return {"label": self.load.label, "load": asdict(self.load), "targets": targets}


@dataclass(frozen=True, slots=True)
class Found:
    """What `compare` found: one comparison for each load, and who is missing and why."""

    comparisons: list[Comparison]
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def compare(
    targets: Sequence[Target],
    loads: Iterable[Load],
    rounds: int,
    progress: Callable[[str], None] = lambda _step: None,
) -> Found:
    """Return one comparison per load; targets run side by side, loads in turns.

    Parameters
    ----------
    targets : sequence of Target
        One of them is named ``FLOOR``. All run the whole time; only one of
        them has work at a time. One that is optional may be missing in the
        result, and one that fails in a round is left out of it as a whole.
    loads : iterable of Load
        Measured in this order in each round.
    rounds : int
        At least 1; the order of the targets turns by one from round to round.
    progress : callable
        Gets a line before each run.

    Raises
    ------
    RuntimeError
        The floor or the load generator failed.
    """
    found = Found([Comparison(load, {}) for load in loads])
    programs = build()
    with ExitStack() as stack:
        servers = {}
        for target in targets:
            server = _Server(target)
            stack.callback(server.stack.close)
            if server.try_to(found, server.start, found.comparisons[0].load, programs):
                servers[target.name] = server
        for comparison in found.comparisons:
            comparison.rounds.update({name: [] for name in servers})
        for turn in range(rounds):
            _run_round(list(servers.values()), turn, rounds, programs, found, progress)
        for server in servers.values():
            server.try_to(found, server.stop)
    for name in found.failed:
        for comparison in found.comparisons:
            comparison.rounds.pop(name, None)
    return found


def _run_round(
    servers: Sequence[_Server],
    turn: int,
    rounds: int,
    programs: Mapping[str, Path],
    found: Found,
    progress: Callable[[str], None],
) -> None:
    first = turn % len(servers)
    for comparison in found.comparisons:
        for server in [*servers[first:], *servers[:first]]:
            if server.target.name not in found.failed:
                name = server.target.name
                progress(f"round {turn + 1}/{rounds}: {comparison.load.label}, {name}")
                server.try_to(found, server.measure, comparison, programs)


class _Server:
    """A target in its rounds: started, loaded, stopped, its messages counted."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.stack = ExitStack()
        self._sent = 0
        self._run: RunningTarget | None = None

    def try_to(self, found: Found, act: Callable[..., None], *arguments: object) -> bool:
        """Return whether ``act`` went well; note why not where the target is optional."""
        name = self.target.name
        try:
            act(*arguments)
        except Unavailable as exc:
            if not self.target.optional:
                raise
            found.missing[name] = str(exc)
        except (RuntimeError, OSError, subprocess.SubprocessError) as exc:
            if not self.target.optional:
                raise RuntimeError(f"{name}: {exc}") from exc
            found.failed[name] = str(exc)
        else:
            return True
        return False

    def start(self, load: Load, programs: Mapping[str, Path]) -> None:
        """Start it, and send a few messages of the kind that will follow."""
        self._run = self.stack.enter_context(running(self.target))
        warm_up = replace(
            self._own(load),
            clients=min(load.clients, _WARM_UP_CLIENTS),
            messages=_WARM_UP_MESSAGES,
            seconds=_WARM_UP_S,
            rate=None,
            burst_s=None,
            hold=None,
            timeout_s=1.0,
        )
        try:
            self._sent += run_load(self._run.port, warm_up, programs["load"]).messages
        except RuntimeError as exc:
            if "no session" not in str(exc):
                raise
            raise Unavailable("it accepts no sessions") from exc

    def measure(self, comparison: Comparison, programs: Mapping[str, Path]) -> None:
        """Add one result to the rounds of a comparison."""
        run, load = self._run, self._own(comparison.load)
        assert run is not None
        plain = load.mode != "session"
        with holding(run.port, load.hold, programs["hold"], plain=plain) as held:
            run.settle()
            before_s = run.cpu_s()
            result = run_load(run.port, load, programs["load"])
            settle_s = run.settle()
            used_s = run.cpu_s() - before_s
            memory = run.resident_bytes()
        self._sent += result.messages
        comparison.rounds[self.target.name].append(
            replace(
                result,
                rate=result.messages / (result.seconds + settle_s),
                sent_rate=result.rate,
                settle_s=settle_s,
                cpu_us=used_s * 1e6 / result.messages,
                resident_bytes=memory,
                held_closed=held.closed,
            )
        )

    def _own(self, load: Load) -> Load:
        return load if self.target.mode is None else replace(load, mode=self.target.mode)

    def stop(self) -> None:
        """End it; fails when it handled less than it took: its rate is worth nothing."""
        self.stack.close()
        assert self._run is not None
        handled = self._run.messages
        if handled is not None and handled < self._sent:
            raise RuntimeError(f"handled {handled} of {self._sent} messages")
