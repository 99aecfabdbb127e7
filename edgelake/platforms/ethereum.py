"""One connected platform: its state read at one block, and its changes written."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgelake import limits
from edgelake.errors import PlatformError, PolicyConflict, PolicyInvalid, PolicyMissing
from edgelake.platforms.account import Account
from edgelake.platforms.contract import byte_code, call_data, library, number_in, text_in
from edgelake.platforms.rpc import JsonRpc, RpcRefused, block_hash, quantity, raw_bytes
from edgelake.platforms.writing import Pending, Receipt, Writer

__all__ = ["ContractState", "Ethereum", "Head"]

_BEHIND_TRIES = 3
_EXISTS = "already exists"
_UNKNOWN = "does not exist"
_NOT_OWNER = "only policy owner"


@dataclass(frozen=True, slots=True)
class Head:
    """One block: its number and its hash."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class ContractState:
    """All that the contract held at one block.

    Attributes
    ----------
    head : Head
    changes : int
        The contract's counter of changes.
    entries : tuple of bytes
        The policies' texts, in the contract's order, as they are there.
    """

    head: Head
    changes: int
    entries: tuple[bytes, ...]


class Ethereum:
    """A platform: a provider, an account, a contract. Thread-safe.

    Parameters
    ----------
    name : str
        As commands call it.
    url : str
        The provider.

    Raises
    ------
    LibraryMissing
    WrongValue
        The URL is none.
    PlatformError
        The provider does not answer.
    """

    def __init__(self, name: str, url: str) -> None:
        library()
        self.name = name
        self.account = Account()
        self._lock = threading.Lock()
        self._writer = Writer()
        self._claimed: set[str] = set()
        self._behind = 0
        self._rpc, self.version, self.chain_id = _reached(url)

    @property
    def shown(self) -> str:
        """The provider without what may be secret in its URL."""
        return self._rpc.shown

    @property
    def rpc(self) -> JsonRpc:
        """The client of the provider."""
        return self._rpc

    def reconnect(self, url: str) -> None:
        """Take another provider; the account stays.

        Raises
        ------
        WrongValue, PlatformError
            Nothing was changed.
        """
        rpc, version, chain = _reached(url)
        self._require_chain(self.account, chain)
        before, self._rpc = self._rpc, rpc
        self.version, self.chain_id = version, chain
        before.close()

    def set_account(self, **parts: Any) -> Account:
        """Put parts of the account in their place, see `Account.updated`; return it.

        Raises
        ------
        BadArgument, PlatformError
            Nothing was changed.
        """
        with self._lock:
            account = self.account.updated(**parts)
            self._require_chain(account, self.chain_id)
            self.account = account
        return account

    def balance(self) -> int | None:
        """Return what the account has in wei, ``None`` without a public key.

        Raises
        ------
        PlatformError
        """
        if not self.account.address:
            return None
        return quantity(self._rpc.call("eth_getBalance", self.account.address, "latest"), "balance")

    def close(self) -> None:
        """Close connections to the provider."""
        self._rpc.close()

    def _require_chain(self, account: Account, chain: int) -> None:
        if account.chain_id not in (None, chain):
            raise PlatformError(
                f"provider {self.shown} serves chain {chain}, not {account.chain_id}",
                hint="correct chain_id, or connect to another provider",
            )

    # ------------------------------------------------------------- reading

    def changes(self) -> int:
        """Return the contract's counter of changes.

        Raises
        ------
        MissingOption
            No contract is set.
        PlatformError
        """
        method, parameters = self._asked("transaction_count", tag="latest")
        answer = self._rpc.call(method, *parameters)
        return number_in(raw_bytes(answer, "answer of the contract"))

    def unchanged(self, before: ContractState) -> bool:
        """Return whether the contract is as it was; one small request.

        A counter that went back, or a block that is no longer of the chain, is a change.

        Raises
        ------
        PlatformError
            Also if the provider is behind what it showed before, a few times.
        """
        tag = hex(before.head.number)
        requests: list[tuple[str, tuple[Any, ...]]] = [
            self._asked("transaction_count", tag="latest"),
            ("eth_blockNumber", ()),
            ("eth_getBlockByNumber", (tag, False)),
        ]
        count, newest, block = self._rpc.batch(requests)
        if quantity(newest, "number of the newest block") < before.head.number:
            self._behind += 1
            if self._behind <= _BEHIND_TRIES:
                raise PlatformError(
                    f"provider {self.shown} is behind block {before.head.number},"
                    " which it has shown"
                )
            return False
        self._behind = 0
        if block is None or _head(block).hash != before.head.hash:
            return False
        return number_in(raw_bytes(count, "answer of the contract")) == before.changes

    def holds(self, head: Head) -> bool:
        """Return whether a block is still of the chain.

        Raises
        ------
        PlatformError
        """
        block = self._rpc.call("eth_getBlockByNumber", hex(head.number), False)
        return block is not None and _head(block) == head

    def read(self, stopped: Callable[[], bool] = lambda: False) -> ContractState:
        """Return all that the contract holds, at one block.

        Parameters
        ----------
        stopped : callable
            Whether to give up.

        Raises
        ------
        MissingOption
            No contract is set.
        PlatformError
            The provider does not answer, answers wrongly, or the chain was reorganised
            meanwhile.
        """
        head = _head(self._rpc.call("eth_getBlockByNumber", "latest", False))
        tag = hex(head.number)
        chain, number, changes = self._rpc.batch(
            [
                ("eth_chainId", ()),
                self._asked("num_policies", tag=tag),
                self._asked("transaction_count", tag=tag),
            ]
        )
        if quantity(chain, "chain id") != self.chain_id:
            raise PlatformError(f"provider {self.shown} serves another chain than before")
        count = number_in(raw_bytes(number, "number of policies"))
        if count > limits.MAX_PLATFORM_POLICIES:
            raise PlatformError(
                f"the contract says that it has {count} policies,"
                f" at most {limits.MAX_PLATFORM_POLICIES} are read"
            )
        entries: list[bytes] = []
        size = 0
        while len(entries) < count:
            if stopped():
                raise PlatformError("reading the contract was ended")
            end = min(len(entries) + limits.PLATFORM_BATCH, count)
            found = self._rpc.batch(
                [self._asked("policies", n, tag=tag) for n in range(len(entries), end)]
            )
            texts = [text_in(raw_bytes(answer, "policy")) for answer in found]
            size += sum(map(len, texts))
            if size > limits.MAX_LEDGER_BYTES:
                raise PlatformError(
                    f"the contract holds more than {limits.MAX_LEDGER_BYTES} bytes of policies"
                )
            entries += texts
        if not self.holds(head):
            raise PlatformError("the chain was reorganised while the contract was read")
        state = number_in(raw_bytes(changes, "counter of changes"))
        return ContractState(head, state, tuple(entries))

    def _asked(self, function: str, *arguments: Any, tag: str) -> tuple[str, tuple[Any, ...]]:
        account = self.account
        to = account.require_contract(self.name)
        call: dict[str, Any] = {"to": to, "data": call_data(function, *arguments)}
        if account.gas_read:
            call["gas"] = hex(account.gas_read)
        return "eth_call", (call, tag)

    # ------------------------------------------------------------- writing

    def insert(self, policy_id: str, text: str) -> Pending:
        """Send a new policy.

        Raises
        ------
        PolicyConflict
            The contract has one of that id.
        PolicyInvalid
            It is too long for the contract.
        MissingOption
            A key or the contract is not set.
        PlatformError
        """
        _check_sizes(policy_id, text)
        return self._send(f"insert of {policy_id}", "insert", policy_id, text)

    def check(self, policy_id: str, text: str) -> None:
        """Check that a policy could be sent, as far as that is known here.

        Raises
        ------
        PolicyInvalid, MissingOption
        """
        _check_sizes(policy_id, text)
        self.require_account()

    def require_account(self) -> None:
        """Check that there is a key and a contract.

        Raises
        ------
        MissingOption
        """
        self.account.require_contract(self.name)
        self.account.require_signer(self.name)

    def update(self, policy_id: str, text: str) -> Pending:
        """Send another text for a policy that this account inserted.

        Raises
        ------
        PolicyMissing, PolicyInvalid, MissingOption, PlatformError
        """
        _check_sizes(policy_id, text)
        return self._send(f"update of {policy_id}", "updatePolicy", policy_id, text)

    def delete(self, policy_id: str) -> Pending:
        """Send the delete of a policy.

        Raises
        ------
        PolicyMissing, MissingOption, PlatformError
        """
        return self._send(f"delete of {policy_id}", "deletePolicy", policy_id)

    def deploy(self) -> Pending:
        """Send the contract.

        Raises
        ------
        MissingOption, PlatformError
        """
        return self._transact("deployment of the contract", "", byte_code())

    def receipt(self, sent: Pending) -> Receipt | None:
        """Return the receipt of what was sent, see `Writer.receipt`."""
        return self._writer.receipt(self._rpc, sent)

    def forget(self, sent: Pending) -> None:
        """Count no longer on what was sent."""
        self._writer.forget(sent)

    def wait(self, sent: Pending, pause: Callable[[float], object]) -> Receipt:
        """Return the receipt of what was sent when it is there, see `Writer.wait`."""
        return self._writer.wait(self._rpc, sent, pause, self.name)

    @contextlib.contextmanager
    def claimed(self, policy_id: str) -> Iterator[None]:
        """Let nobody else write a policy of that id.

        Raises
        ------
        PolicyConflict
            Somebody writes it.
        """
        with self._lock:
            if policy_id in self._claimed:
                raise PolicyConflict(f"policy '{policy_id}' is on its way to {self.name}")
            self._claimed.add(policy_id)
        try:
            yield
        finally:
            with self._lock:
                self._claimed.discard(policy_id)

    def is_claimed(self, policy_id: str) -> bool:
        """Return whether somebody writes a policy of that id."""
        with self._lock:
            return policy_id in self._claimed

    def _send(self, what: str, function: str, policy_id: str, *more: str) -> Pending:
        to = self.account.require_contract(self.name)
        try:
            return self._transact(what, to, call_data(function, policy_id, *more))
        except RpcRefused as exc:
            said = str(exc).lower()
            if _EXISTS in said:
                raise PolicyConflict(f"policy '{policy_id}' exists already on {self.name}") from exc
            if _UNKNOWN in said:
                raise PolicyMissing(
                    f"no policy with id '{policy_id}' is on {self.name}",
                    hint="list ids with: blockchain get *",
                ) from exc
            if _NOT_OWNER in said:
                raise PlatformError(
                    f"only the account that inserted policy '{policy_id}' may update it"
                ) from exc
            raise PlatformError(f"{what} was refused by {self.name}: {exc}") from exc

    def _transact(self, what: str, to: str, data: str) -> Pending:
        account = self.account
        signer = account.require_signer(self.name)
        return self._writer.send(self._rpc, account, self.chain_id, signer, to, data, what)


# ------------------------------------------------------------------- parts


def _reached(url: str) -> tuple[JsonRpc, str, int]:
    """Return a client of a provider, what it is, and its chain."""
    rpc = JsonRpc(url)
    version = rpc.call("web3_clientVersion")
    chain = quantity(rpc.call("eth_chainId"), "chain id")
    return rpc, version if isinstance(version, str) else "", chain


def _head(block: Any) -> Head:
    if not isinstance(block, dict):
        raise PlatformError("the provider's block is no object")
    number = quantity(block.get("number"), "number of a block")
    return Head(number, block_hash(block.get("hash"), "hash of a block"))


def _check_sizes(policy_id: str, text: str) -> None:
    for what, size, most in (
        ("id", len(policy_id.encode()), limits.MAX_CONTRACT_ID_BYTES),
        ("text", len(text.encode()), limits.MAX_CONTRACT_POLICY_BYTES),
    ):
        if size > most:
            raise PolicyInvalid(
                f"the {what} of the policy has {size} bytes, a contract takes {most}"
            )
