"""Blockchain platforms: connect, accounts, the contract, and policies in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.ledger_ready import ready_ledger
from edgelake.commands.platform_writes import PLATFORM, awaited, commit, written
from edgelake.commands.policies import checked
from edgelake.commands.reach import path_of, reach_of
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import BadArgument, MissingOption, PlatformError, PolicyInvalid
from edgelake.interfaces import Page, Permission, Result, Section, Table
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Integer,
    Json,
    OneOf,
    Option,
    PathType,
    Text,
    Where,
)
from edgelake.ledger import (
    Policy,
    complete,
    ledger_of_entries,
    parse_policy,
    policy_of,
)
from edgelake.platforms import Ethereum, new_account
from edgelake.storage import store_file

__all__ = ["commands"]

commands = CommandSet(group="blockchain", topics=("ledger", "platforms"))

_NAMED = Argument("platform", PLATFORM, help="the platform")
_OPTION = Option("platform", PLATFORM, required=True, help="the platform")
_WEI_PER_ETHER = 10**18
_ACCOUNT = (
    Option("private_key", Text(), secret=True, help="signs; kept in memory only"),
    Option("public_key", Text(), help="address of the account; by default that of the private key"),
    Option("contract", Text(), help="address of the contract"),
    Option("chain_id", Integer(1), help="what the chain has to be; default as the provider says"),
    Option("gas_read", Integer(21_000), help="most gas of a call that reads"),
    Option(
        "gas_write",
        Integer(21_000, limits.MAX_TRANSACTION_GAS),
        help="most gas of a transaction",
    ),
)


@commands.command(
    "blockchain connect to",
    summary="connect to a blockchain platform",
    arguments=(_NAMED,),
    where=Where.REQUIRED,
    options=(
        Option("provider", Text(), required=True, secret=True, help="URL of a JSON-RPC provider"),
        *_ACCOUNT,
    ),
    elsewhere=("network", "certificate_dir", "config_file"),
    permission=Permission.NEVER,
    details=(
        "The provider is asked who it is and which chain it serves. A second connection takes\n"
        "the place of the first; account and contract stay. Needs edgelake[ethereum]."
    ),
    examples=("blockchain connect to ethereum where provider = http://127.0.0.1:8545",),
    related=("blockchain set account info", "get platforms", "run blockchain sync"),
)
def _connect(context: Context, call: Call) -> Result:
    platform = context.node.platforms.connect(call.arguments["platform"], call.options["provider"])
    if any(call.options[option.key] is not None for option in _ACCOUNT):
        _set_account(platform, call)
    return Result({"platform": platform.name, "chain_id": platform.chain_id}, "")


@commands.command(
    "blockchain create account",
    summary="make a new account: its public and its private key",
    arguments=(_NAMED,),
    permission=Permission.NEVER,
    details="Nothing is stored: whoever has the private key owns the account, so keep it safe.",
    examples=("blockchain create account ethereum",),
    related=("blockchain set account info",),
)
def _create_account(context: Context, call: Call) -> Result:
    address, key = new_account()
    text = f"Public key:  {address}\nPrivate key: {key}"
    return Result({"public_key": address, "private_key": key}, text)


@commands.command(
    "blockchain set account info",
    summary="set keys, contract and gas of a connected platform",
    where=Where.REQUIRED,
    options=(_OPTION, *_ACCOUNT),
    permission=Permission.NEVER,
    details=(
        "May be repeated with parts. The private key is kept in memory, is in no file and no\n"
        "log, and is gone when the node ends: let a script read it from the environment,\n"
        "private_key = $ETHEREUM_KEY."
    ),
    examples=(
        "blockchain set account info where platform = ethereum and chain_id = 1"
        " and public_key = 0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf",
        "blockchain set account info where platform = ethereum"
        " and contract = 0x5FbDB2315678afecb367f032d93F642f64180aa3",
    ),
    related=("blockchain create account", "blockchain deploy contract", "get platforms"),
)
def _set_account_info(context: Context, call: Call) -> Result:
    platform = context.node.platforms.get(call.options["platform"])
    if all(call.options[option.key] is None for option in _ACCOUNT):
        raise MissingOption(
            "nothing to set is given",
            hint="add: private_key, public_key, contract, chain_id, gas_read or gas_write = …",
        )
    _set_account(platform, call)
    return Result({"public_key": platform.account.address or None}, "")


@commands.command(
    "blockchain deploy contract",
    summary="put the contract of policies on a platform; the answer is its address",
    where=Where.REQUIRED,
    options=(
        _OPTION,
        Option("public_key", Text(), help="the account that pays; the one that is set"),
    ),
    permission=Permission.NEVER,
    details="The address is not set: use it on each node with blockchain set account info.",
    examples=(
        "blockchain deploy contract where platform = ethereum",
        "contract = blockchain deploy contract where platform = ethereum",
    ),
    related=("blockchain set account info",),
)
def _deploy(context: Context, call: Call) -> Result:
    platform = context.node.platforms.get(call.options["platform"])
    given = call.options["public_key"]
    if given is not None and given.lower() != platform.account.address.lower():
        raise BadArgument(
            "the public key is not that of the account",
            hint="leave it out, or set its private key: blockchain set account info where …",
            column=call.column("public_key"),
        )
    address = awaited(context, platform, platform.deploy()).contract
    if not address:
        raise PlatformError("the provider's receipt names no contract")
    return Result(address, address)


# ---------------------------------------------------------------- policies


@commands.command(
    "blockchain commit to",
    summary="insert a policy into the contract of a platform",
    arguments=(_NAMED, Argument("policy", Json(), help="the policy")),
    permission=Permission.NEVER,
    details=(
        "Returns when the transaction is in a block and succeeded. The local ledger shows the\n"
        "policy after the next cycle of the synchronizer."
    ),
    examples=('blockchain commit to ethereum {"device": {"name": "d1"}}',),
    related=("blockchain insert", "blockchain update to", "blockchain drop policy from"),
)
def _commit(context: Context, call: Call) -> Result:
    platform = context.node.platforms.get(call.arguments["platform"])
    policy = complete(parse_policy(call.arguments["policy"]), datetime.now(UTC))
    policy = checked(context, policy)
    with platform.claimed(policy.id):
        receipt = commit(context, platform, policy)
    return Result({"id": policy.id, **written(receipt)}, "")


@commands.command(
    "blockchain update to",
    summary="put a policy in the place of one that this account inserted",
    arguments=(
        _NAMED,
        Argument("id", Text(), help="id of the policy"),
        Argument("policy", Json(), help="the new policy"),
    ),
    permission=Permission.NEVER,
    details="The policy gets the id; if it has one it has to be the same.",
    examples=(
        'blockchain update to ethereum ecd08d24 {"device": {"name": "d1", "kind": "gauge"}}',
    ),
    related=("blockchain commit to", "blockchain drop policy from"),
)
def _update(context: Context, call: Call) -> Result:
    platform = context.node.platforms.get(call.arguments["platform"])
    policy = _with_id(parse_policy(call.arguments["policy"]), call.arguments["id"])
    policy = complete(policy, datetime.now(UTC))
    with platform.claimed(policy.id):
        sent = platform.update(policy.id, policy.to_line())
        receipt = awaited(context, platform, sent)
    return Result({"id": policy.id, **written(receipt)}, "")


@commands.command(
    "blockchain drop policy from",
    summary="remove a policy from the contract of a platform",
    arguments=(_NAMED,),
    where=Where.REQUIRED,
    options=(Option("id", Text(), required=True, help="id of the policy"),),
    permission=Permission.NEVER,
    examples=("blockchain drop policy from ethereum where id = ecd08d24",),
    related=("blockchain delete policy", "blockchain commit to"),
)
def _drop(context: Context, call: Call) -> Result:
    platform = context.node.platforms.get(call.arguments["platform"])
    policy_id: str = call.options["id"]
    with platform.claimed(policy_id):
        receipt = awaited(context, platform, platform.delete(policy_id))
    return Result({"id": policy_id, **written(receipt)}, "")


@commands.command(
    "blockchain checkout from",
    summary="read all policies of a platform, into the local ledger, a file or the console",
    arguments=(
        _NAMED,
        Argument("to", OneOf("to"), required=False, help="to"),
        Argument("target", PathType(), required=False, help="path of a file, or stdout"),
    ),
    permission=Permission.NEVER,
    details=(
        "All are of one block. Without a target they become the shared part of the local\n"
        "ledger; policies that are only local stay."
    ),
    examples=(
        "blockchain checkout from ethereum",
        "blockchain checkout from ethereum to stdout",
        "blockchain checkout from ethereum to /tmp/policies.json",
    ),
    related=("run blockchain sync", "blockchain state"),
)
def _checkout(context: Context, call: Call) -> Result:
    platform = context.node.platforms.get(call.arguments["platform"])
    target = call.arguments.get("target")
    if call.arguments.get("to") is not None and target is None:
        raise MissingOption("no target behind 'to'", hint="write: to <file>, or: to stdout")
    if target is None:
        ready_ledger(context.node)
    state = platform.read(context.node.stopping.is_set)
    made = ledger_of_entries(state.entries)
    data = {
        "block": state.head.number,
        "policies": made.count,
        "left_out": [str(damage) for damage in made.quarantine],
    }
    if target == "stdout":
        return Result(data, made.content.decode().strip("\n"))
    if target is not None:
        store_file(path_of(context, call, "target"), made.content, reach_of(context))
        return Result(data, "")
    node = context.node
    node.ledger.adopt(
        made.content,
        platform.name,
        allow_empty=state.changes > 0 or node.ledger.master_count == 0,
        dropped=frozenset(),
    )
    return Result(data, "")


# ------------------------------------------------------------ information


@commands.command(
    "blockchain state",
    summary="show how often the contract of a platform was changed",
    where=Where.REQUIRED,
    options=(_OPTION, FORMAT),
    permission=Permission.ADMIN,
    examples=("blockchain state where platform = ethereum",),
    related=("get platforms", "get synchronizer"),
)
def _state(context: Context, call: Call) -> Result:
    platform = context.node.platforms.get(call.options["platform"])
    changes = platform.changes()
    data = {"platform": platform.name, "transaction_count": changes}
    return answer(data, str(changes), call.options)


@commands.command(
    "get platforms",
    summary="show the connected platforms, their accounts and contracts",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    details="Of the provider's URL only the host is shown: the rest may be a key.",
    examples=("get platforms", "get platforms where format = json"),
    related=("blockchain connect to", "blockchain state"),
    topics=("monitoring",),
)
def _get_platforms(context: Context, call: Call) -> Result:
    data = [_shown(platform) for platform in context.node.platforms.all()]
    if not data:
        return answer([], "No connections to blockchain platforms", call.options)
    rows: list[tuple[object, ...]] = []
    for entry in data:
        first = (entry["name"], entry["active"], _ether(entry), str(entry["chain_id"]))
        for kind, key in (
            ("Public Key", "public_key"),
            ("Contract", "contract"),
            ("URL/Config", "provider"),
        ):
            rows.append((*first, kind, entry[key] or ""))
            first = ("", "", "", "")
    columns = ("Name", "Active", "Balance", "Chain ID", "Key Types", "Keys")
    page = Page((Section("Blockchains connected", Table(columns, rows)),))
    return answer(data, page, call.options)


# ------------------------------------------------------------------- parts


def _set_account(platform: Ethereum, call: Call) -> None:
    try:
        platform.set_account(**{option.key: call.options[option.key] for option in _ACCOUNT})
    except BadArgument as exc:
        for option in _ACCOUNT:
            if option.key in exc.message.replace(" ", "_"):
                exc.column = call.column(option.key)
                break
        raise


def _with_id(policy: Policy, policy_id: str) -> Policy:
    if policy.id and policy.id != policy_id:
        raise PolicyInvalid(
            f"the policy has id '{policy.id}', not '{policy_id}'",
            hint="leave the id of the policy out, or write the same",
        )
    return policy_of({policy.type: {**policy.body, "id": policy_id}})


def _shown(platform: Ethereum) -> dict[str, Any]:
    account = platform.account
    balance: int | None = None
    reason: str | None = None
    try:
        balance = platform.balance()
    except PlatformError as exc:
        reason = str(exc)
    return {
        "name": platform.name,
        "active": reason is None,
        "balance_wei": balance,
        "chain_id": platform.chain_id,
        "public_key": account.address or None,
        "signs": account.signer is not None,
        "contract": account.contract or None,
        "provider": platform.shown,
        "error": reason,
    }


def _ether(entry: dict[str, Any]) -> str:
    if entry["balance_wei"] is None:
        return "Failed to extract balance" if entry["error"] else "No public key"
    ether, wei = divmod(entry["balance_wei"], _WEI_PER_ETHER)
    return f"Ether: {ether} Wei: {wei}"
