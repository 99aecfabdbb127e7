"""Blockchain platforms: a contract on an Ethereum-compatible chain keeps the policies.

What this is: the contract and its interface, a bounded JSON-RPC client, reads that
are pinned to one block, writes that are signed here. What it is not: it knows no
policies and no ledger, only ids and texts. The library web3 is imported when a
platform is used for the first time (extra ``edgelake[ethereum]``).
"""

from __future__ import annotations

from edgelake.platforms.account import Account, new_account
from edgelake.platforms.ethereum import ContractState, Ethereum, Head
from edgelake.platforms.registry import PLATFORM_NAMES, Platforms
from edgelake.platforms.writing import Pending, Receipt

__all__ = [
    "PLATFORM_NAMES",
    "Account",
    "ContractState",
    "Ethereum",
    "Head",
    "Pending",
    "Platforms",
    "Receipt",
    "new_account",
]
