"""Transactions: gas, fees and nonces, signed here; sent once, and followed to their receipt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgelake import limits
from edgelake.errors import PlatformError, PlatformFailed, PlatformUncertain
from edgelake.platforms.account import Account
from edgelake.platforms.contract import address_of
from edgelake.platforms.rpc import JsonRpc, RpcRefused, block_hash, quantity

__all__ = ["Pending", "Receipt", "Writer"]

_GWEI = 10**9
_NONCE_TRIES = 3
_NONCE = "nonce"
_REPLACES = "replacement transaction"
_KNOWN = ("already known", "known transaction", "already imported")


@dataclass(frozen=True, slots=True)
class Pending:
    """A transaction that was sent.

    Attributes
    ----------
    hash : str
        ``0x…``
    what : str
        For messages: ``insert of ecd08d24…``.
    sent_s : float
        `time.monotonic` of its sending.
    """

    hash: str
    what: str
    sent_s: float

    @property
    def overdue(self) -> bool:
        """Whether its receipt is awaited no longer."""
        return time.monotonic() - self.sent_s > limits.PLATFORM_RECEIPT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that is in a block and succeeded.

    Attributes
    ----------
    hash : str
    block : int
    gas : int
        What it used.
    contract : str
        Address of the contract it deployed, or empty.
    """

    hash: str
    block: int
    gas: int
    contract: str = ""


class Writer:
    """Sends transactions of one platform. Thread-safe.

    Notes
    -----
    Only one transaction at a time gets its nonce and is sent, so that several
    writers do not take the same. While own transactions wait for their block
    the next nonce is also counted here: not every provider counts them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[tuple[str, int], int] = {}
        self._waiting: set[str] = set()

    def send(
        self, rpc: JsonRpc, account: Account, chain: int, signer: Any, to: str, data: str, what: str
    ) -> Pending:
        """Sign and send a transaction.

        Parameters
        ----------
        to : str
            Address of the contract, or empty to deploy one.

        Raises
        ------
        RpcRefused
            The contract or the provider refuses it; nothing was sent.
        PlatformError
            The provider does not answer, or asks too much; nothing was sent.
        """
        call: dict[str, Any] = {"from": account.address, "data": data, "value": "0x0"}
        if to:
            call["to"] = to
        gas = _gas(rpc, account, call)
        fees = _fees(rpc)
        least = 0
        with self._lock:
            for _ in range(_NONCE_TRIES):
                nonce = max(least, self._nonce(rpc, account.address, chain))
                made = {
                    "chainId": chain,
                    "nonce": nonce,
                    "value": 0,
                    "gas": gas,
                    "data": data,
                    **({"to": to} if to else {}),
                    **fees,
                }
                signed = signer.sign_transaction(made)
                sent = Pending(f"0x{bytes(signed.hash).hex()}", what, time.monotonic())
                try:
                    self._hand_over(rpc, f"0x{bytes(signed.raw_transaction).hex()}")
                except RpcRefused as exc:
                    refused = exc
                    if _REPLACES in str(exc).lower():
                        least = nonce + 1
                    elif _NONCE not in str(exc).lower():
                        raise
                    continue
                self._next[account.address, chain] = nonce + 1
                self._waiting.add(sent.hash)
                return sent
        raise refused

    def receipt(self, rpc: JsonRpc, sent: Pending) -> Receipt | None:
        """Return the receipt of a transaction that succeeded, ``None`` while there is none.

        Raises
        ------
        PlatformFailed
            It is in a block and failed.
        PlatformError
            The provider does not answer, or wrongly.
        """
        found = rpc.call("eth_getTransactionReceipt", sent.hash)
        if found is None:
            return None
        if not isinstance(found, dict):
            raise PlatformError("the provider's receipt is no object")
        if block_hash(found.get("transactionHash"), "receipt") != sent.hash:
            raise PlatformError("the provider sent the receipt of another transaction")
        block = quantity(found.get("blockNumber"), "number of a block")
        status = quantity(found.get("status"), "status of a receipt")
        self.forget(sent)
        if status != 1:
            raise PlatformFailed(f"{sent.what} failed in block {block}: transaction {sent.hash}")
        address = found.get("contractAddress")
        try:
            contract = address_of(address) if isinstance(address, str) else ""
        except ValueError:
            raise PlatformError("the provider's address of the contract is none") from None
        gas = quantity(found.get("gasUsed"), "gas of a receipt")
        return Receipt(sent.hash, block, gas, contract)

    def wait(
        self, rpc: JsonRpc, sent: Pending, pause: Callable[[float], object], shown: str
    ) -> Receipt:
        """Return the receipt of a transaction when it is there.

        Parameters
        ----------
        pause : callable
            Waits so many seconds, or raises to end the waiting.
        shown : str
            Where, for messages.

        Raises
        ------
        PlatformFailed
            The transaction failed.
        PlatformUncertain
            There is no receipt in time.
        """
        step_s = limits.PLATFORM_POLL_S / 16
        last = ""
        while True:
            try:
                found = self.receipt(rpc, sent)
                if found is not None:
                    return found
                last = ""
            except PlatformFailed:
                raise
            except PlatformError as exc:
                last = f"; {exc}"
            if sent.overdue:
                self.forget(sent)
                raise PlatformUncertain(
                    f"{sent.what}: no receipt of {shown} within"
                    f" {limits.PLATFORM_RECEIPT_TIMEOUT_S:g} s{last}",
                    hint=f"it may still come; look for transaction {sent.hash}",
                )
            pause(step_s)
            step_s = min(2 * step_s, limits.PLATFORM_POLL_S)

    def forget(self, sent: Pending) -> None:
        """Count no longer on a transaction."""
        with self._lock:
            self._waiting.discard(sent.hash)

    # --------------------------------------------------------------- parts

    def _nonce(self, rpc: JsonRpc, address: str, chain: int) -> int:
        known = quantity(rpc.call("eth_getTransactionCount", address, "pending"), "nonce")
        return max(known, self._next.get((address, chain), 0)) if self._waiting else known

    def _hand_over(self, rpc: JsonRpc, raw: str) -> None:
        """Give the provider a signed transaction; a second time if it does not answer.

        If it still does not, it may have taken it all the same, and the receipt tells. The
        same bytes twice are one transaction.
        """
        for _ in range(2):
            try:
                rpc.call("eth_sendRawTransaction", raw)
            except RpcRefused as exc:
                if not any(text in str(exc).lower() for text in _KNOWN):
                    raise
            except PlatformError:
                continue
            return


def _gas(rpc: JsonRpc, account: Account, call: dict[str, Any]) -> int:
    """Return the gas to offer: what the sender would need now, and a fifth more."""
    needed = quantity(rpc.call("eth_estimateGas", call), "estimate of gas")
    most = min(account.gas_write or limits.MAX_TRANSACTION_GAS, limits.MAX_TRANSACTION_GAS)
    if needed > most:
        raise PlatformError(
            f"the transaction needs {needed:,} gas, at most {most:,} are offered",
            hint="a shorter policy takes less gas"
            if not account.gas_write
            else "raise gas_write: blockchain set account info where …",
        )
    return min(needed + needed // 5, most)


def _fees(rpc: JsonRpc) -> dict[str, int]:
    """Return what is paid for gas: twice the base fee at most, or the price of older chains."""
    block = rpc.call("eth_getBlockByNumber", "latest", False)
    base = block.get("baseFeePerGas") if isinstance(block, dict) else None
    if base is None:
        price = quantity(rpc.call("eth_gasPrice"), "gas price")
        fees = {"gasPrice": price}
    else:
        try:
            tip = quantity(rpc.call("eth_maxPriorityFeePerGas"), "priority fee")
        except RpcRefused:
            tip = _GWEI
        price = 2 * quantity(base, "base fee") + tip
        fees = {"maxFeePerGas": price, "maxPriorityFeePerGas": tip}
    if price > limits.MAX_GAS_PRICE_GWEI * _GWEI:
        raise PlatformError(
            f"the provider asks {price // _GWEI:,} gwei for a unit of gas,"
            f" at most {limits.MAX_GAS_PRICE_GWEI:,} are paid"
        )
    return fees
