"""The contract as the node knows it: its byte code, its interface, calls and answers as bytes."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from edgelake.errors import LibraryMissing, PlatformError

__all__ = ["address_of", "byte_code", "call_data", "interface", "library", "number_in", "text_in"]


def library() -> Any:
    """Return the module web3.

    Raises
    ------
    LibraryMissing
    """
    try:
        import web3
    except ImportError as exc:
        raise LibraryMissing(
            f"platforms need the library web3, which cannot be imported: {exc}",
            hint="install it: pip install 'edgelake[ethereum]'",
        ) from None
    return web3


@cache
def _compiled() -> dict[str, Any]:
    text = (resources.files(__package__) / "contract.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def interface() -> list[dict[str, Any]]:
    """Return the contract's functions and events, in the form of Ethereum's ABI."""
    found: list[dict[str, Any]] = _compiled()["abi"]
    return found


def byte_code() -> str:
    """Return what deploys the contract: ``0x…``."""
    found: str = _compiled()["bytecode"]
    return found


@cache
def _contract() -> Any:
    return library().Web3().eth.contract(abi=interface())


def call_data(function: str, *arguments: Any) -> str:
    """Return the call of a function as ``0x…``."""
    return str(_contract().encode_abi(function, args=list(arguments)))


def number_in(content: bytes) -> int:
    """Return the number that a function answered.

    Raises
    ------
    PlatformError
        Nothing answered, or something else.
    """
    if not content:
        raise PlatformError(
            "no contract of policies is at the address",
            hint="set it: blockchain set account info where platform = … and contract = 0x…",
        )
    if len(content) != 32:
        raise PlatformError(f"the contract answered {len(content)} bytes instead of a number")
    return int.from_bytes(content, "big")


def text_in(content: bytes) -> bytes:
    """Return the text that a function answered, as its bytes: they need not be UTF-8.

    Raises
    ------
    PlatformError
    """
    start = int.from_bytes(content[:32], "big")
    size = int.from_bytes(content[32:64], "big")
    if len(content) < 64 or start != 32 or size > len(content) - 64:
        raise PlatformError(f"the contract answered {len(content)} bytes that are no text")
    return content[64 : 64 + size]


def address_of(text: str) -> str:
    """Return an address in the form with a check sum.

    Raises
    ------
    ValueError
        It is none; the message says why.
    """
    web3 = library().Web3
    if not web3.is_address(text):
        raise ValueError("not an address: 0x and 40 hexadecimal digits")
    return str(web3.to_checksum_address(text))
