"""The shared ledger: insert, get, delete; and what a master does for its peers."""

from __future__ import annotations

import hashlib
from concurrent.futures import wait
from datetime import UTC, datetime

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.forwarding import SEEN, forwarded_drop, forwarded_push, seen_by
from edgelake.commands.ledger_ready import ready_ledger
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
    PeerError,
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
from edgelake.services.courier import drop_command
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint, wire_code

__all__ = ["commands", "store_confirmed"]

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
    details=(
        "The policy gets an id and a date if it has none, and is durable on this node when\n"
        "the command returns. It is sent to the master again and again until it comes back\n"
        "with the master's ledger. " + _DETAILS_PLACE
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
    line = policy.with_ledger("global").to_line()
    if tcp is not None:
        # A running synchronizer may bring the policy to the same master first.
        shared = local and context.node.services.runs(Synchronizer.name)
        verb = "blockchain push\tignore" if shared else "blockchain push"
        _send(context, tcp, masters, f"{verb} {line}", must_arrive=not local)
    _wake(context)
    return Result({"id": policy.id}, "")


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
    if tcp is not None:
        _send(context, tcp, masters, drop_command(policy_id), must_arrive=not local)
    _wake(context)
    return Result({"id": policy_id}, "")


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
    if forwarded_push(context, call, silent=True):
        return Result()
    _store(context, call, ignore=False)
    return Result()


@commands.command(
    "blockchain push ignore",
    summary="store a policy in this node's table ledger unless its id is there",
    arguments=(Argument("policy", Json(), help="the policy"),),
    permission=Permission.METADATA,
    examples=('blockchain push ignore {"device": {"name": "d1"}}',),
    related=("blockchain push",),
)
def _push_ignore(context: Context, call: Call) -> Result:
    if forwarded_push(context, call, silent=True):
        return Result()
    _store(context, call, ignore=True)
    return Result()


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
    if forwarded_push(context, call):
        return Result()
    return store_confirmed(context, call)


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
    policy = _store(context, call, ignore=True, host=host)
    master = context.node.master_ledger()
    stored = master.stored(policy.id)
    if stored is not None and not stored.same_content(policy):
        raise PolicyConflict(f"policy '{policy.id}' exists already, with other content")
    place = master.position()
    digest = hashlib.sha256(policy.text.encode()).hexdigest()
    return Result(
        {"id": policy.id, "epoch": place.epoch, "sequence": place.seq, "sha256": digest},
        f"stored {place.seq} {place.epoch} {digest} {policy.id}",
    )


@commands.command(
    "blockchain drop policy",
    summary="remove policies from this node's table ledger",
    arguments=(Argument("policy", Json(), required=False, help="the policy, in place of its id"),),
    where=Where.OPTIONAL,
    options=(
        Option("id", Text(), required=True, help="id, or ids separated by commas"),
        *SEEN,
    ),
    permission=Permission.METADATA,
    details=(
        "All of the ids are removed, or none of them. Of a policy without id, the id is\n"
        "computed as it is when it is inserted. With a place in the master's log, as nodes\n"
        "that follow it send it, what was stored after that is not removed."
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
        policy = complete(parse_policy(call.arguments["policy"]), datetime.now(UTC))
        if not forwarded_drop(context, [policy.id], silent=True):
            context.node.master_ledger().drop([policy.id])
        return Result()
    if not call.given:
        raise MissingOption("no policy to drop", hint="write: blockchain drop policy where id = …")
    ids = [part.strip() for part in call.options["id"].split(",")]
    if not all(ids):
        raise PolicyInvalid(f"'{call.options['id']}' holds an empty id")
    seen = seen_by(call)
    if not forwarded_drop(context, ids, seen=seen, silent=True):
        context.node.master_ledger().drop(ids, seen)
    return Result()


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


def _send(
    context: Context,
    tcp: TcpService,
    masters: tuple[Endpoint, ...],
    command: str,
    *,
    must_arrive: bool,
) -> None:
    """Send a change to masters; wait for delivery only if it is kept nowhere else.

    What is kept here, and whose master the synchronizer follows, is sent by
    the synchronizer alone: at once, and until the master has it.
    """
    sync = context.node.services.find(Synchronizer)
    source = sync.source if sync is not None and not must_arrive else None
    for to in masters:
        if source is not None and source.follows((to,)):
            continue
        try:
            sent = tcp.request(to, command, retry_pause_s=limits.CLIENT_RETRY_PAUSE_S)
        except EdgeLakeError as exc:
            if must_arrive:
                raise
            _warn(context, exc)
            continue
        if must_arrive:
            wait([sent])
            sent.result()
        else:
            sent.add_done_callback(lambda done: _warn(context, done.exception()))


def _wake(context: Context) -> None:
    """Let the synchronizer take up a change at once."""
    sync = context.node.services.find(Synchronizer)
    if sync is not None:
        sync.trigger()


def _warn(context: Context, error: BaseException | None) -> None:
    """Tell the console that a master did not get a change that is kept here."""
    if error is not None:
        told = PeerError(f"the change is kept here but did not reach the master: {error}")
        told.code = wire_code(error)
        context.node.report("blockchain insert", told)


def _store(context: Context, call: Call, *, ignore: bool, host: str = "") -> Policy:
    policy = complete(parse_policy(call.arguments["policy"]), datetime.now(UTC))
    host = host or context.node.host_of(context.origin)
    context.node.master_ledger().push(policy, host, ignore=ignore, again=context.origin.local)
    return policy
