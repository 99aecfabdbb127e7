"""What the server part measures: loads, and the servers that get them.

One scenario is one floor, and what is divided by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.load import Hold, Load
from bench.part import Settings
from bench.running import Target
from bench.targets import edgelake_target, floor_target, peer_targets
from edgelake.limits import BLOCK_BYTES

__all__ = ["Scenario", "scenarios"]

_MIXED = ("set a = 5", "get status", "set b = hello", "event metadata_ping")
_STATUS = ("get status",)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Loads that the same servers get in turns.

    Attributes
    ----------
    name : str
    title : str
        For its table.
    targets : list of Target
        The floor is the first.
    loads : list of Load
    missing : dict of str to str
        Servers that are not there on this machine, and why.
    """

    name: str
    title: str
    targets: list[Target]
    loads: list[Load]
    missing: dict[str, str] = field(default_factory=dict)

    def steps(self, rounds: int) -> int:
        """Return how many loads are run."""
        return len(self.targets) * len(self.loads) * rounds


def scenarios(settings: Settings) -> list[Scenario]:
    """Return what is measured: a part of everything in a quick run."""
    found = [
        _noise(settings),
        _connection(settings),
        _streams(settings),
        _exchange(settings),
        _rate(settings),
        _held(settings),
    ]
    if settings.quick:
        return found
    return [
        *found,
        *(_blocks(settings, blocks) for blocks in (4, 64)),
        _long_streams(settings, 64),
        _mixed(settings),
        _bursts(settings),
        _slow_readers(settings),
    ]


def _modes(settings: Settings, *modes: str, load_mode: str | None = None) -> list[Target]:
    return [edgelake_target(settings.threads, mode, load_mode=load_mode) for mode in modes]


def _noise(settings: Settings) -> Scenario:
    threads = settings.threads
    targets = [floor_target(threads), floor_target(threads, name="floor again")]
    loads = [Load(16, settings.seconds)]
    return Scenario("noise", "the floor beside a second copy of itself", targets, loads)


def _connection(settings: Settings) -> Scenario:
    peers, missing = peer_targets()
    clients = (16,) if settings.quick else (1, 16, 64, 256)
    modes: tuple[str, ...] = ("drop", "count", "batch", "language")
    if settings.quick:
        modes = ("drop", "count", "language")
        peers = [peer for peer in peers if peer.name == "asyncio"]
        missing = {}
    return Scenario(
        "connection",
        "one connection per message",
        [floor_target(settings.threads), *_modes(settings, *modes), *peers],
        [Load(count, settings.seconds) for count in clients],
        missing,
    )


def _streams(settings: Settings) -> Scenario:
    modes = ("drop", "batch") if settings.quick else ("drop", "count", "batch", "language")
    return Scenario(
        "streams",
        "kept streams: messages back to back on 2 connections",
        [floor_target(settings.threads, kind="stream"), *_modes(settings, *modes)],
        [Load(2, settings.seconds, mode="kept")],
    )


def _exchange(settings: Settings) -> Scenario:
    modes = ("native", "python") if settings.quick else ("native", "python", "language")
    depths = ((1, 1),) if settings.quick else ((1, 1), (1, 16), (16, 1), (16, 16))
    return Scenario(
        "exchange",
        "requests and replies on kept connections (floor: ping-pong, edgelake: sessions)",
        [
            floor_target(settings.threads, kind="answer"),
            *_modes(settings, *modes, load_mode="session"),
        ],
        [
            Load(clients, settings.seconds, mode="exchange", depth=depth, commands=_STATUS)
            for clients, depth in depths
        ],
    )


def _rate(settings: Settings) -> Scenario:
    modes = ("language",) if settings.quick else ("drop", "count", "language")
    rates = (5_000,) if settings.quick else (5_000, 15_000)
    return Scenario(
        "rate",
        "one connection per message at a fixed rate; latency from when a message was due",
        [floor_target(settings.threads), *_modes(settings, *modes)],
        [Load(64, settings.seconds, rate=rate) for rate in rates],
    )


def _held(settings: Settings) -> Scenario:
    load = Load(16, settings.seconds)
    holds = [Hold("stalled", 500), Hold("idle", 1_000)]
    if not settings.quick:
        holds.append(Hold("idle", 9_000))
    modes = ("count",) if settings.quick else ("drop", "count", "language")
    return Scenario(
        "held",
        "one connection per message beside connections that wait",
        [floor_target(settings.threads), *_modes(settings, *modes)],
        [load, *(replace(load, hold=hold) for hold in holds)],
    )


def _blocks(settings: Settings, blocks: int) -> Scenario:
    return Scenario(
        f"{blocks} blocks",
        f"one connection per message of {blocks} blocks",
        [floor_target(settings.threads, blocks * BLOCK_BYTES), *_modes(settings, "count", "batch")],
        [Load(16, settings.seconds, blocks=blocks)],
    )


def _long_streams(settings: Settings, blocks: int) -> Scenario:
    floor = floor_target(settings.threads, blocks * BLOCK_BYTES, kind="stream")
    return Scenario(
        f"streams of {blocks} blocks",
        f"kept streams of messages of {blocks} blocks",
        [floor, *_modes(settings, "count", "batch")],
        [Load(2, settings.seconds, mode="kept", blocks=blocks)],
    )


def _mixed(settings: Settings) -> Scenario:
    return Scenario(
        "mixed",
        "one connection per message, commands in turns",
        [floor_target(settings.threads), *_modes(settings, "count", "language")],
        [Load(16, settings.seconds, commands=_MIXED)],
    )


def _bursts(settings: Settings) -> Scenario:
    return Scenario(
        "bursts",
        "one connection per message, all clients at once ten times a second",
        [floor_target(settings.threads), *_modes(settings, "drop", "count", "language")],
        [Load(256, settings.seconds, burst_s=0.1)],
    )


def _slow_readers(settings: Settings) -> Scenario:
    load = Load(16, settings.seconds, mode="exchange", commands=_STATUS)
    return Scenario(
        "slow readers",
        "requests and replies on kept connections beside peers that never read",
        [
            floor_target(settings.threads, kind="answer"),
            *_modes(settings, "native", "python", load_mode="session"),
        ],
        [load, replace(load, hold=Hold("slow", 50))],
    )
