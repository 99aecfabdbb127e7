"""The shared ledger: insert, get, delete; and what a master does for its peers."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from datetime import UTC, datetime

from edgelake.commands.context import Context
from edgelake.commands.forwarding import delete_of, forwarded_drop, forwarded_push
from edgelake.commands.ledger_ready import ready_ledger
from edgelake.commands.ledger_sending import change_on, pass_on, wake
from edgelake.commands.platform_writes import (
    PLATFORM,
    keep_and_commit,
    keep_and_withdraw,
    own_platform,
)
from edgelake.commands.policies import checked
from edgelake.commands.rendering import answer
from edgelake.errors import (
    BadArgument,
    EdgeLakeError,
    MissingOption,
    PolicyConflict,
    PolicyInvalid,
)
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    AddressType,
    Argument,
    Boolean,
    Call,
    CommandSet,
    Json,
    Option,
    Text,
    Where,
)
from edgelake.ledger import (
    Policy,
    complete,
    parse_policy,
)
from edgelake.services.ledger_writer import Dropped, Stored
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint

__all__ = ["commands", "drop_confirmed", "store_confirmed"]

commands = CommandSet(group="blockchain", topics=("ledger", "policies"))

_LOCAL = Option("local", Boolean(), help="write it to this node's ledger, until the master has it")
_MASTER = Option("master", AddressType(), repeatable=True, help="the node that keeps the ledger")
_BLOCKCHAIN = Option("blockchain", PLATFORM, help="the platform that keeps the ledger")
_DETAILS_PLACE = (
    "One of local, master and\nblockchain must be given; with one of the other two, local is"
    " assumed. A change of a platform\nis waited for."
)


@commands.command(
    "blockchain insert",
    summary="add a policy to the ledger",
    where=Where.REQUIRED,
    options=(
        Option("policy", Json(), required=True, help='{"type": {…}} or !variable'),
        _LOCAL,
        _MASTER,
        _BLOCKCHAIN,
    ),
    elsewhere=("operator",),
    permission=Permission.ADMIN,
    user_permission=Permission.METADATA,
    details=(
        "The policy gets an id and a date if it has none, and is durable on this node when\n"
        "the command returns. It is sent to the master again and again until it comes back\n"
        "with the master's ledger. With local = false nothing is kept here: the command returns\n"
        "when the master says that it has stored the policy; one that keeps no log of changes\n"
        "says nothing, and that is told. " + _DETAILS_PLACE
    ),
    examples=(
        'blockchain insert where policy = {"device": {"name": "d1"}} and local = true'
        " and master = 10.0.0.7:32048",
        'blockchain insert where policy = {"device": {"name": "d1"}} and blockchain = ethereum',
    ),
    related=("blockchain get", "blockchain delete policy", "run blockchain sync"),
)
def _insert(context: Context, call: Call) -> Result:
    masters, local = _place(call)
    policy = complete(parse_policy(call.options["policy"]), datetime.now(UTC))
    on_platform = call.options["blockchain"] is not None
    platform = own_platform(context, call) if on_platform else None
    tcp = context.node.tcp() if masters else None
    ready_ledger(context.node)
    policy = checked(context, policy)
    if platform is not None:
        return Result(keep_and_commit(context, platform, policy, local=local), "")
    if local:
        context.node.ledger.insert_local(policy.with_ledger("local"))
    return _sent(context, tcp, masters, policy, local=local)


@commands.command(
    "blockchain delete policy",
    summary="remove a policy from the ledger",
    where=Where.REQUIRED,
    options=(
        Option("id", Text(), required=True, help="id of the policy"),
        _LOCAL,
        _MASTER,
        _BLOCKCHAIN,
    ),
    permission=Permission.ADMIN,
    user_permission=Permission.METADATA,
    details=(
        "With a master the policy is hidden here at once and the master is asked again until\n"
        "its ledger no longer has it. " + _DETAILS_PLACE
    ),
    examples=("blockchain delete policy where id = ecd08d24 and master = 10.0.0.7:32048",),
    related=("blockchain insert", "blockchain drop policy"),
)
def _delete(context: Context, call: Call) -> Result:
    masters, local = _place(call)
    policy_id: str = call.options["id"]
    if call.options["blockchain"] is not None:
        platform = own_platform(context, call)
        ready_ledger(context.node)
        return Result(keep_and_withdraw(context, platform, policy_id, local=local), "")
    tcp = context.node.tcp() if masters else None
    ready_ledger(context.node)
    if local:
        context.node.ledger.delete_local(policy_id, master=str(masters[0]) if masters else None)
    return _sent(context, tcp, masters, policy_id, local=local)


# ------------------------------------------------------------ on a master


@commands.command(
    "blockchain push",
    summary="store a policy in this node's table ledger",
    arguments=(Argument("policy", Json(), help="the policy"),),
    permission=Permission.METADATA,
    details="What a master does when a node inserts; id and date are added if missing.",
    examples=('blockchain push {"device": {"name": "d1"}}',),
    related=("blockchain insert", "blockchain drop policy"),
)
def _push(context: Context, call: Call) -> Result:
    passed = forwarded_push(context, call, silent=True)
    if passed is not None:
        return passed
    return context.when(_store(context, call, ignore=False)[1], lambda _: Result())


@commands.command(
    "blockchain push ignore",
    summary="store a policy in this node's table ledger unless its id is there",
    arguments=(Argument("policy", Json(), help="the policy"),),
    permission=Permission.METADATA,
    examples=('blockchain push ignore {"device": {"name": "d1"}}',),
    related=("blockchain push",),
)
def _push_ignore(context: Context, call: Call) -> Result:
    passed = forwarded_push(context, call, silent=True)
    if passed is not None:
        return passed
    return context.when(_store(context, call, ignore=True)[1], lambda _: Result())


@commands.command(
    "blockchain push confirm",
    summary="store a policy in this node's table ledger unless its id is there, and say so",
    arguments=(Argument("policy", Json(), help="the policy"),),
    permission=Permission.METADATA,
    details=(
        "How a node sends what was inserted on it to a master that keeps a log of changes.\n"
        "The answer names a number of the log that is not before this change, the log, the\n"
        "policy's SHA-256 and its id: stored 17 5b0c… 9f86d0… ecd08d24…"
    ),
    examples=('blockchain push confirm {"device": {"name": "d1"}}',),
    related=("blockchain push ignore", "get synchronizer"),
)
def _push_confirm(context: Context, call: Call) -> Result:
    passed = forwarded_push(context, call)
    return store_confirmed(context, call) if passed is None else passed


def store_confirmed(context: Context, call: Call, host: str = "") -> Result:
    """Store the policy of a call in the table ledger; return the acknowledgement.

    Parameters
    ----------
    host : str
        Address of the node that made the change; by default who asks.

    Raises
    ------
    PolicyConflict
        The id is there with other content.
    """
    policy, stored = _store(context, call, ignore=True, host=host)
    digest = hashlib.sha256(policy.text.encode()).hexdigest()

    def told(found: Stored) -> Result:
        if not found.policy.same_content(policy):
            raise PolicyConflict(f"policy '{policy.id}' exists already, with other content")
        place = found.place
        return Result(
            {"id": policy.id, "epoch": place.epoch, "sequence": place.seq, "sha256": digest},
            f"stored {place.seq} {place.epoch} {digest} {policy.id}",
        )

    return context.when(stored, told)


@commands.command(
    "blockchain drop policy",
    summary="remove policies from this node's table ledger",
    arguments=(Argument("policy", Json(), required=False, help="the policy, in place of its id"),),
    where=Where.OPTIONAL,
    options=(Option("id", Text(), required=True, help="id, or ids separated by commas"),),
    permission=Permission.METADATA,
    details=(
        "All of the ids are removed, or none of them. Of a policy without id, the id is\n"
        "computed as it is when it is inserted."
    ),
    examples=(
        "blockchain drop policy where id = ecd08d244827f712918005b1a06f6519",
        'blockchain drop policy {"device": {"name": "d1"}}',
    ),
    related=("blockchain delete policy",),
)
def _drop(context: Context, call: Call) -> Result:
    if call.given and call.arguments["policy"] is not None:
        raise BadArgument("both a policy and an id", hint="leave one of them out")
    if call.arguments["policy"] is not None:
        ids = [complete(parse_policy(call.arguments["policy"]), datetime.now(UTC)).id]
    elif not call.given:
        raise MissingOption("no policy to drop", hint="write: blockchain drop policy where id = …")
    else:
        ids = [part.strip() for part in call.options["id"].split(",")]
        if not all(ids):
            raise PolicyInvalid(f"'{call.options['id']}' holds an empty id")
    passed = forwarded_drop(context, ids, silent=True)
    if passed is not None:
        return passed
    dropped = context.node.master_ledger().drop_later(ids, waits=not context.defers)
    return context.when(dropped, lambda _: Result())


@commands.command(
    "blockchain drop confirm",
    summary="remove a policy from this node's table ledger, and say so",
    arguments=(Argument("id", Json(), help='{"id": "ecd08d24"}'),),
    permission=Permission.METADATA,
    details=(
        "How a node sends a delete to a master that keeps a log of changes. The answer names a\n"
        "number of the log at which the policy is gone, the log and the id: dropped 17 5b0c…\n"
        "ecd08d24…, or absent 17 5b0c… ecd08d24… if there was none. With epoch and sequence,\n"
        "the place in the log that is known to who deletes, what was stored later stays."
    ),
    examples=(
        'blockchain drop confirm {"id": "ecd08d244827f712918005b1a06f6519"}',
        'blockchain drop confirm {"id": "ecd08d24", "epoch": "5b0c9f86", "sequence": 16}',
    ),
    related=("blockchain drop policy", "blockchain push confirm"),
)
def _drop_confirm(context: Context, call: Call) -> Result:
    policy_id, seen = delete_of(call, 'blockchain drop confirm {"id": "…"}')
    if not isinstance(policy_id, str):
        raise BadArgument(
            "more than one id to drop",
            hint='write: blockchain drop confirm {"id": "…"}',
            column=call.column("id"),
        )
    passed = forwarded_drop(context, policy_id, seen=seen)
    return drop_confirmed(context, policy_id, seen) if passed is None else passed


def drop_confirmed(context: Context, policy_id: str, seen: tuple[str, int] | None = None) -> Result:
    """Remove a policy from the table ledger, if it is there; return the acknowledgement.

    Parameters
    ----------
    seen : tuple of str and int or None
        Epoch and number of the log that is known to who deletes.

    Raises
    ------
    PolicyConflict
        It was stored later than that.
    """
    master = context.node.master_ledger()
    dropped = master.drop_later([policy_id], ignore=True, seen=seen, waits=not context.defers)

    def told(found: Dropped) -> Result:
        place, word = found.place, "dropped" if found.found else "absent"
        return Result(
            {"id": policy_id, "found": found.found, "epoch": place.epoch, "sequence": place.seq},
            f"{word} {place.seq} {place.epoch} {policy_id}",
        )

    return context.when(dropped, told)


@commands.command(
    "event get_blockchain",
    summary="send the ledger to the node that asks, if it has another one",
    arguments=(
        Argument("file", Text(), required=False, help="name under which the ledger is sent"),
        Argument("hash", Text(), required=False, help="MD5 of what the node has, or 0"),
        Argument("trace", Text(), required=False, help="0, or 2 to be told what happened"),
    ),
    permission=Permission.READ,
    details="What a follower asks its master at each cycle of its synchronizer.",
    examples=("event get_blockchain /var/edgelake/blockchain.new 0 0",),
    related=("run blockchain sync",),
)
def _get_blockchain(context: Context, call: Call) -> Result:
    words = [call.arguments.get(name) for name in ("file", "hash", "trace")]
    name, known, trace = (str(word) if word is not None else "" for word in words)
    if not (name and known and trace):
        raise _RequestIncomplete(
            "the request lacks a file name, a hash or a trace level",
            hint="write: event get_blockchain <file> <hash> <trace>",
        )
    try:
        snapshot = context.node.look_up_ledger()
    except EdgeLakeError as exc:
        raise _LedgerUnreadable(str(exc)) from exc
    if context.origin.peer is None:
        return answer({"hash": snapshot.md5}, f"hash of the ledger: {snapshot.md5}", {})
    if snapshot.md5 == known:
        text = f"Process: Hash value of ledger was not changed: '{snapshot.md5}'"
    else:
        context.node.serve_ledger(context.origin, name, snapshot)
        text = f"Copied blockchain file with hash value: {snapshot.md5}"
    return Result(None, f"Master {text}") if trace == "2" else Result()


class _RequestIncomplete(EdgeLakeError):
    """A ledger request lacks words."""

    code = 64
    exit_status = 2


class _LedgerUnreadable(EdgeLakeError):
    """The table ``ledger`` cannot be read."""

    code = 68


# ------------------------------------------------------------------ parts


def _place(call: Call) -> tuple[tuple[Endpoint, ...], bool]:
    """Return the masters a change goes to, and whether it is kept here."""
    masters = tuple(Endpoint(a.host, a.port) for a in call.options["master"])
    local, platform = call.options["local"], call.options["blockchain"]
    if not masters and not local and platform is None:
        raise MissingOption("no place for the change", hint="add local = true or master = ip:port")
    if masters and platform is not None:
        raise BadArgument(
            "a change goes to a master or to a platform, not to both",
            hint="leave one of the two out",
            column=call.column("blockchain"),
        )
    return masters, local is not False


def _sent(
    context: Context,
    tcp: TcpService | None,
    masters: tuple[Endpoint, ...],
    change: Policy | str,
    *,
    local: bool,
) -> Result:
    """Bring a change to its masters; one that is kept nowhere else has to be stored there."""
    key = change if isinstance(change, str) else change.id
    if tcp is None or local:
        if tcp is not None:
            pass_on(context, tcp, masters, change)
        wake(context)
        return Result({"id": key}, "")
    done = change_on(context, tcp, masters, change)
    wake(context)
    silent = [one["master"] for one in done if one["sequence"] is None]
    said = "\n".join(f"{to} has taken it, and does not say whether it is stored" for to in silent)
    return Result({"id": key, "masters": done}, said)


def _store(
    context: Context, call: Call, *, ignore: bool, host: str = ""
) -> tuple[Policy, Future[Stored]]:
    """Have the policy of a command stored; return it with what tells the outcome."""
    policy = complete(parse_policy(call.arguments["policy"]), datetime.now(UTC))
    host = host or context.node.host_of(context.origin)
    master = context.node.master_ledger()
    again = context.origin.local
    waits = not context.defers
    return policy, master.push_later(policy, host, ignore=ignore, again=again, waits=waits)
