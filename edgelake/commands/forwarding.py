"""What a relay passes on to its master for the nodes that follow it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.errors import LedgerCircle, PeerError
from edgelake.language import Call
from edgelake.ledger import complete, parse_policy
from edgelake.services.courier import drop_command, forward_drop_command, forward_push_command
from edgelake.services.forwarding import Forwarded
from edgelake.services.master_source import MasterSource
from edgelake.services.synchronizer import Synchronizer

__all__ = ["forwarded_drop", "forwarded_push"]


def forwarded_push(
    context: Context,
    call: Call,
    *,
    host: str = "",
    relays: int = limits.MAX_RELAYS,
    word: str = "push",
    silent: bool = False,
) -> bool:
    """Pass a peer's policy on to the master if this node is a relay; return whether it is.

    Parameters
    ----------
    host : str
        Address of the node that made the change; by default who asks.
    relays : int
        How many relays may pass it on, this one included.
    word : str
        Second word of the command, for refusals.
    silent : bool
        Success is not answered.
    """
    if context.origin.answer_later is None or not context.node.relay.on:
        return False
    policy = complete(parse_policy(call.arguments["policy"]), datetime.now(UTC))
    policy.check_size()
    host = host or context.node.host_of(context.origin)
    _pass_on(
        context,
        lambda left: forward_push_command(host, left, policy.text),
        f"blockchain push\tignore {policy.text}",
        relays,
        word,
        silent=silent,
    )
    return True


def forwarded_drop(
    context: Context,
    ids: list[str],
    *,
    host: str = "",
    relays: int = limits.MAX_RELAYS,
    word: str = "drop",
    silent: bool = False,
) -> bool:
    """Pass a peer's delete on to the master; see `forwarded_push`."""
    if context.origin.answer_later is None or not context.node.relay.on:
        return False
    host = host or context.node.host_of(context.origin)
    wanted = ",".join(ids)
    _pass_on(
        context,
        lambda left: forward_drop_command(host, left, wanted),
        drop_command(wanted),
        relays,
        word,
        silent=silent,
    )
    return True


def _pass_on(
    context: Context,
    text: Callable[[int], str],
    old_text: str,
    relays: int,
    word: str,
    *,
    silent: bool,
) -> None:
    node = context.node
    if node.relay.broken:
        raise PeerError(f"this relay reaches no master: {node.relay.broken}")
    if relays < 1:
        raise LedgerCircle(
            f"the change came over {limits.MAX_RELAYS} relays and reached no master",
            hint="do the relays follow one another in a circle? look at: get relay",
        )
    sync = node.services.find(Synchronizer)
    if sync is None or not isinstance(sync.source, MasterSource):
        raise PeerError("this relay follows no master now")
    answer_later = context.origin.answer_later
    assert answer_later is not None
    sync.source.forwarder.forward(
        Forwarded(text(relays - 1), old_text, word, silent, context.origin.ip, answer_later)
    )
