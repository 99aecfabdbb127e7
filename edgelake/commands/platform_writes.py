"""Writes to a platform that a command waits for, until their receipt is there."""

from __future__ import annotations

from typing import Any

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.errors import EdgeLakeError, NotPermitted, PlatformError, PlatformUncertain
from edgelake.language import Call, OneOf
from edgelake.ledger import Policy
from edgelake.platforms import PLATFORM_NAMES, Ethereum, Pending, Receipt
from edgelake.services.synchronizer import Synchronizer

__all__ = [
    "PLATFORM",
    "awaited",
    "commit",
    "keep_and_commit",
    "keep_and_withdraw",
    "own_platform",
    "written",
]

PLATFORM = OneOf(*PLATFORM_NAMES, elsewhere=("hyperledger",))
"""The name of a platform."""


def awaited(context: Context, platform: Ethereum, sent: Pending) -> Receipt:
    """Return the receipt of what was sent; wakes the synchronizer.

    Raises
    ------
    PlatformFailed
        The transaction failed.
    PlatformUncertain
        The receipt did not come in time, or the node ends.
    ScriptStopped
    """

    def pause(seconds: float) -> None:
        context.pause(seconds)
        if context.node.stopping.is_set():
            raise PlatformUncertain(
                f"{sent.what}: the node ends before the receipt is there",
                hint=f"look for transaction {sent.hash}",
            )

    try:
        return platform.wait(sent, pause)
    finally:
        sync = context.node.services.find(Synchronizer)
        if sync is not None:
            sync.trigger()


def commit(context: Context, platform: Ethereum, policy: Policy) -> Receipt:
    """Insert a policy into the contract and return the receipt.

    Raises
    ------
    PolicyConflict, PolicyInvalid, MissingOption, PlatformError
    """
    sent = platform.insert(policy.id, policy.to_line())
    return awaited(context, platform, sent)


def keep_and_commit(
    context: Context, platform: Ethereum, policy: Policy, *, local: bool
) -> dict[str, Any]:
    """Insert a policy here, if ``local``, and into the contract; return what came of it.

    What is kept here is durable before it is sent, and a failure of the sending is a notice.

    Raises
    ------
    PolicyConflict, PolicyInvalid, MissingOption
        Nothing was changed.
    PlatformError
        Only without ``local``.
    """
    shared = policy.with_ledger("global")
    platform.check(shared.id, shared.to_line())
    with platform.claimed(policy.id):
        if local:
            context.node.ledger.insert_local(policy.with_ledger("local"))
        try:
            receipt = commit(context, platform, shared)
        except EdgeLakeError as exc:
            if not local:
                raise
            _kept(context, "blockchain insert", platform, exc)
            return {"id": policy.id}
    return {"id": policy.id, **written(receipt)}


def keep_and_withdraw(
    context: Context, platform: Ethereum, policy_id: str, *, local: bool
) -> dict[str, Any]:
    """Delete a policy here, if ``local``, and from the contract; return what came of it.

    Raises
    ------
    PolicyMissing, PolicyConflict, MissingOption
        Nothing was changed.
    PlatformError
        Only without ``local``.
    """
    platform.require_account()
    with platform.claimed(policy_id):
        if local:
            context.node.ledger.delete_local(policy_id, master=platform.name)
        try:
            receipt = awaited(context, platform, platform.delete(policy_id))
        except EdgeLakeError as exc:
            if not local:
                raise
            _kept(context, "blockchain delete policy", platform, exc)
            return {"id": policy_id}
    return {"id": policy_id, **written(receipt)}


def own_platform(context: Context, call: Call) -> Ethereum:
    """Return the platform that the option ``blockchain`` names.

    Raises
    ------
    NotPermitted
        A peer asks: it would spend what belongs to this node's account.
    PlatformNotConnected
    """
    if not context.origin.local:
        raise NotPermitted(
            "a peer may not write to a platform by the account of this node",
            hint="leave blockchain out, and use local = true",
            column=call.column("blockchain"),
        )
    return context.node.platforms.get(call.options["blockchain"])


def written(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as JSON data."""
    return {"transaction": receipt.hash, "block": receipt.block, "gas": receipt.gas}


def _kept(context: Context, where: str, platform: Ethereum, error: EdgeLakeError) -> None:
    """Tell the console that a change is here and not known to be on the platform."""
    told = PlatformError(
        f"the change is kept here but {platform.name} did not confirm it: {error}",
        hint=error.hint
        or f"run blockchain sync where source = blockchain and platform = {platform.name}"
        f" and time = {limits.SYNC_BACKOFF_MAX_S:g} seconds and dest = file"
        " sends it until it is there",
    )
    told.code = error.code
    context.node.report(where, told)
