"""Who writes to a platform: keys and settings, in memory only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from edgelake.errors import BadArgument, MissingOption
from edgelake.platforms.contract import address_of, library

__all__ = ["Account", "new_account"]


@dataclass(frozen=True, slots=True)
class Account:
    """Keys and settings of one platform; what is not set is empty or ``None``.

    Attributes
    ----------
    signer : object or None
        Signs transactions; holds the private key, which nothing shows or stores.
    address : str
        Public address with check sum.
    contract : str
        Address of the contract.
    chain_id : int or None
        What the chain has to be; ``None`` takes what the provider says.
    gas_read, gas_write : int or None
        Most gas that a call and a transaction may take.
    """

    signer: Any = field(default=None, repr=False)
    address: str = ""
    contract: str = ""
    chain_id: int | None = None
    gas_read: int | None = None
    gas_write: int | None = None

    def updated(
        self,
        *,
        private_key: str | None = None,
        public_key: str | None = None,
        contract: str | None = None,
        chain_id: int | None = None,
        gas_read: int | None = None,
        gas_write: int | None = None,
    ) -> Account:
        """Return the account with what is given put in its place.

        Raises
        ------
        BadArgument
            A key or address is none, or the two keys do not belong together.
        """
        signer, address = self.signer, self.address
        if private_key is not None:
            signer = _signer(private_key)
            address = str(signer.address)
        if public_key is not None:
            given = _address(public_key, "public_key")
            if private_key is not None and given != address:
                raise BadArgument(
                    "the public key does not belong to the private key",
                    hint=f"leave public_key out, or write {address}",
                )
            if given != address:
                signer, address = None, given
        return replace(
            self,
            signer=signer,
            address=address,
            contract=self.contract if contract is None else _address(contract, "contract"),
            chain_id=self.chain_id if chain_id is None else chain_id,
            gas_read=self.gas_read if gas_read is None else gas_read,
            gas_write=self.gas_write if gas_write is None else gas_write,
        )

    def require_signer(self, platform: str) -> Any:
        """Return what signs transactions.

        Raises
        ------
        MissingOption
        """
        if self.signer is None:
            raise MissingOption(
                f"no private key is set for {platform}",
                hint=f"blockchain set account info where platform = {platform}"
                " and private_key = $KEY",
            )
        return self.signer

    def require_contract(self, platform: str) -> str:
        """Return the address of the contract.

        Raises
        ------
        MissingOption
        """
        if not self.contract:
            raise MissingOption(
                f"no contract is set for {platform}",
                hint=f"blockchain set account info where platform = {platform} and contract = 0x…",
            )
        return self.contract


def new_account() -> tuple[str, str]:
    """Return the address and the private key of a new account.

    Raises
    ------
    LibraryMissing
    """
    made = library().Account.create()
    return str(made.address), f"0x{bytes(made.key).hex()}"


def _signer(private_key: str) -> Any:
    accounts = library().Account
    try:
        return accounts.from_key(private_key)
    except Exception:
        # What the library says may quote the key.
        raise BadArgument(
            "the private key is none", hint="write 64 hexadecimal digits, or $NAME that holds them"
        ) from None


def _address(text: str, what: str) -> str:
    try:
        return address_of(text)
    except ValueError as exc:
        raise BadArgument(f"{what} is {exc}", hint="write 0x and 40 hexadecimal digits") from None
