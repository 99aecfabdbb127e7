"""First inputs for the fuzz targets: real traffic, and orders that reach what lies deep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

CAPTURES = Path(__file__).parents[1] / "data" / "captures"

# Orders of fuzz_worker.pyx; the peer stands in the upper four bits.
ARRIVE, RAW, BLOCK, OFFER, FINISH, RESET, POST, WINDOW = range(8)
PASS, HAND_OVER, TAKE, FAULT, EXCHANGE, READ_AT_MOST, ROUTES, STOP = range(8, 16)
WAIT = b"\xff"
GOES_ON = 8  # in the byte behind BLOCK and OFFER: the message has more blocks


def order(what: int, *operands: int, peer: int = 0) -> bytes:
    return bytes([peer << 4 | what, *operands])


def _assembly() -> Iterator[bytes]:
    for path in sorted(CAPTURES.glob("*.json")):
        for connection in json.loads(path.read_text(encoding="utf-8"))["connections"]:
            stream = b"".join(
                bytes.fromhex(message["bytes_hex"]) for message in connection["messages"]
            )
            # Limits that let the message pass, then the blocks as they came.
            yield bytes([0xE1, 0xFF, 0xFF, 0xFF, 0xFF]) + stream[: 2 * 2048]
    for how in range(0, 256, 8):
        limits = bytes([how, 0x40, 0x00, 0x40, 0x00])
        yield limits + bytes([0, 4, 7, 0x2F]) * 3 + bytes([1, 4, 7, 0x2F])
        yield limits + bytes([34, 4, 7, 0x2F, 2, 14, 0, 1, 0, 65, 0, 2, 1, 66, 67]) * 2
    yield bytes([0, 1, 0, 1, 0]) + bytes([0x51, 3, 0, 9, 4]) + "é☃\U0001f600".encode()


def _worker() -> Iterator[bytes]:
    arrive = order(ARRIVE, 255, peer=1)
    offered = arrive + order(OFFER, 0) + WAIT
    opened = order(HAND_OVER, 1) + order(WINDOW, 64, 0) + WAIT
    for how in (0, 1, 2, 3, 5, 17, 33, 65, 67):
        begin = bytes([how, 15])
        yield begin + arrive + order(BLOCK, 3, 0) + WAIT + order(FINISH) + WAIT
        yield begin + arrive + order(BLOCK, 3 + GOES_ON, 0) + WAIT + order(BLOCK, 3, 0) + WAIT
        yield begin + arrive + order(RAW, 5, *range(5)) + WAIT + order(PASS, 90) + WAIT
        yield begin + arrive * 3 + WAIT + order(RESET, peer=1) + WAIT + order(STOP, 0, 20, peer=15)
        yield begin + order(ROUTES, 3) + offered + order(BLOCK, 0, 5) * 4 + WAIT
        yield begin + order(ROUTES, 3) + offered + order(BLOCK, 4, 0) * 4 + WAIT + WAIT
        yield begin + offered + order(BLOCK, 3, 5) + WAIT + order(PASS, 3) + WAIT + order(TAKE, 9)
        yield (
            begin + offered + order(POST, 5, 3) + WAIT + order(BLOCK, 3, 3) + WAIT + order(EXCHANGE)
        )
        yield begin + offered + order(POST, 4, 3) + order(BLOCK, 3, 4) + WAIT + order(EXCHANGE)
        yield begin + opened + order(POST, 9, 2) * 3 + WAIT + order(BLOCK, 3, 3) + WAIT
        yield begin + opened + order(POST, 9, 255) * 3 + WAIT + order(WINDOW, 255, 0) + WAIT
        yield begin + opened + order(POST, 9, 15) + WAIT + order(RESET) + WAIT + order(EXCHANGE)
        yield begin + opened + order(PASS, 250) + WAIT + order(BLOCK, 3, 4) + WAIT + order(FINISH)
        yield begin + opened + order(STOP, 0, 90, peer=15) + WAIT + order(POST, 9, 2) + WAIT
        for fault in range(12):
            yield begin + order(FAULT, fault) + offered + opened + order(POST, 5, 2) + WAIT


def write_seeds(target: str, folder: Path) -> None:
    """Write the inputs of a target into a folder; those of one name are the same each time."""
    for number, seed in enumerate({"assembly": _assembly, "worker": _worker}[target]()):
        (folder / f"seed-{number:03}").write_bytes(seed)
