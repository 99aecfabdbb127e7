"""Commands on platforms, on a node and a real EVM behind JSON-RPC."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgelake import Node, limits
from edgelake.errors import (
    BadArgument,
    EdgeLakeError,
    LibraryMissing,
    MissingOption,
    NotPermitted,
    PlatformError,
    PlatformFailed,
    PlatformNotConnected,
    PlatformUncertain,
    PolicyConflict,
    PolicyInvalid,
    PolicyMissing,
    RemoteError,
    WrongValue,
)
from tests.evm import CHAIN_ID, KEYS, Chain, Refused

INSERT = 'blockchain insert where policy = {"device": {"name": "d1"}} and blockchain = ethereum'
CONNECT = "blockchain connect to ethereum where provider = "


@pytest.fixture
def chain() -> Iterator[Chain]:
    chain = Chain()
    yield chain
    chain.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "node") as node:
        yield node


@pytest.fixture
def ready(node: Node, chain: Chain) -> Node:
    return prepare(node, chain)


def prepare(node: Node, chain: Chain, key: str = KEYS[0], contract: str = "") -> Node:
    node.run(f"blockchain connect to ethereum where provider = {chain.url}")
    node.run(f"blockchain set account info where platform = ethereum and private_key = {key}")
    if not contract:
        contract = node.run("blockchain deploy contract where platform = ethereum").data
    node.run(f"blockchain set account info where platform = ethereum and contract = {contract}")
    return node


def changes(node: Node) -> int:
    shown = node.run("blockchain state where platform = ethereum").text
    return int(shown)


def stored(node: Node) -> list[dict[str, Any]]:
    text = node.run("blockchain checkout from ethereum to stdout").text
    return [json.loads(line) for line in text.splitlines()]


def names(node: Node) -> list[str]:
    return [next(iter(policy.values()))["name"] for policy in stored(node)]


# ------------------------------------------------------------- connecting


def test_a_platform_is_connected_and_shown(node: Node, chain: Chain) -> None:
    assert "No connections" in node.run("get platforms").text
    url = chain.url.replace("//", "//user:s3cret@") + "/v3/s3cret"
    node.run(f"blockchain connect to ethereum where provider = {url}")
    node.run(f"blockchain set account info where platform = ethereum and private_key = {KEYS[0]}")
    shown = node.run("get platforms where format = json")
    (entry,) = json.loads(shown.text)
    assert entry["chain_id"] == CHAIN_ID
    assert entry["public_key"] == "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
    assert entry["balance_wei"] == 1_000_000 * 10**18
    assert entry["provider"] == chain.url
    assert entry["active"] is True
    table = node.run("get platforms").text
    assert "Ether: 1000000 Wei: 0" in table
    assert str(CHAIN_ID) in table


def test_secrets_are_shown_nowhere(node: Node, chain: Chain) -> None:
    url = f"{chain.url}/v3/s3cret"
    node.run(f"blockchain connect to ethereum where provider = {url}")
    node.run(f"blockchain set account info where platform = ethereum and private_key = {KEYS[3]}")
    with pytest.raises(BadArgument) as wrong:
        node.run("blockchain set account info where platform = ethereum and private_key = 0xs3cret")
    chain.close()
    with pytest.raises(PlatformError) as down:
        node.run(f"blockchain connect to optimism where provider = {url}")
    seen = [node.run(f"get {what}").text for what in ("event log", "error log", "platforms")]
    for text in (*seen, str(wrong.value), str(down.value), str(down.value.hint)):
        assert "s3cret" not in text
        assert KEYS[3] not in text
        assert KEYS[3][2:] not in text


def test_keys_are_in_no_file(ready: Node, tmp_path: Path) -> None:
    ready.run(
        'blockchain insert where policy = {"device": {"name": "d1"}} and blockchain = ethereum'
    )
    for path in (tmp_path / "node").rglob("*"):
        if path.is_file():
            assert KEYS[0][2:].encode() not in path.read_bytes()


def test_another_provider_takes_the_place_of_the_first(ready: Node, chain: Chain) -> None:
    count = changes(ready)
    ready.run(f"blockchain connect to ethereum where provider = {chain.url}/other")
    assert changes(ready) == count


@pytest.mark.parametrize(
    ("command", "error", "says"),
    [
        (
            "blockchain connect to hyperledger where provider = http://x",
            EdgeLakeError,
            "not available",
        ),
        (f"{CONNECT}ftp://127.0.0.1", WrongValue, "HTTP"),
        (
            "blockchain connect to ethereum where provider = http://127.0.0.1:1",
            PlatformError,
            "asked",
        ),
        ("blockchain connect to ethereum where contract = 0x1", MissingOption, "provider"),
        ("blockchain state where platform = ethereum", PlatformNotConnected, "not connected"),
        ("blockchain checkout from ethereum", PlatformNotConnected, "not connected"),
        (
            'blockchain insert where policy = {"device": {}} and blockchain = ethereum',
            PlatformNotConnected,
            "not connected",
        ),
        (
            "run blockchain sync where source = blockchain and platform = ethereum"
            " and time = 1 second and dest = file",
            PlatformNotConnected,
            "not connected",
        ),
        (
            "run blockchain sync where source = blockchain and time = 1 second and dest = file",
            MissingOption,
            "platform",
        ),
        (
            "run blockchain sync where source = dbms and platform = ethereum and time = 1 second"
            " and dest = file",
            BadArgument,
            "platform needs source = blockchain",
        ),
    ],
)
def test_wrong_commands_say_what_is_wrong(
    node: Node, command: str, error: type[EdgeLakeError], says: str
) -> None:
    with pytest.raises(error) as found:
        node.run(command)
    assert says in f"{found.value} {found.value.hint}"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("", "nothing to set"),
        ("and private_key = abc", "private key"),
        ("and public_key = 0x12", "public_key"),
        ("and contract = 0x12", "contract"),
        (f"and private_key = {KEYS[0]} and public_key = 0x{'1' * 40}", "does not belong"),
        ("and chain_id = 1", "serves chain"),
        ("and gas_write = 1", "gas_write"),
    ],
)
def test_wrong_accounts_change_nothing(node: Node, chain: Chain, options: str, says: str) -> None:
    node.run(f"blockchain connect to ethereum where provider = {chain.url}")
    before = node.run("get platforms where format = json").text
    with pytest.raises(EdgeLakeError) as found:
        node.run(f"blockchain set account info where platform = ethereum {options}")
    assert says in f"{found.value} {found.value.hint}"
    assert node.run("get platforms where format = json").text == before


def test_without_the_library_one_error_names_the_extra(
    node: Node, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "web3", None)
    for command in (
        f"blockchain connect to ethereum where provider = {chain.url}",
        "blockchain create account ethereum",
    ):
        with pytest.raises(LibraryMissing) as found:
            node.run(command)
        assert "edgelake[ethereum]" in str(found.value.hint)
    assert node.run("get status").text


def test_a_new_account_signs(ready: Node, chain: Chain) -> None:
    made = ready.run("blockchain create account ethereum").data
    again = ready.run("blockchain create account ethereum").data
    assert made["private_key"] != again["private_key"]
    ready.run(
        "blockchain set account info where platform = ethereum"
        f" and private_key = {made['private_key']} and public_key = {made['public_key']}"
    )
    with pytest.raises(PlatformError):  # it owns nothing
        ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}')


# ---------------------------------------------------------------- writing


def test_policies_are_committed_updated_and_dropped(ready: Node) -> None:
    made = ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}').data
    assert made["block"] > 0
    assert changes(ready) == 1
    (policy,) = stored(ready)
    assert policy["device"]["id"] == made["id"]
    assert policy["device"]["date"]
    ready.run(f'blockchain update to ethereum {made["id"]} {{"device": {{"name": "d2"}}}}')
    (policy,) = stored(ready)
    assert (policy["device"]["name"], policy["device"]["id"]) == ("d2", made["id"])
    ready.run(f"blockchain drop policy from ethereum where id = {made['id']}")
    assert stored(ready) == []
    assert changes(ready) == 3


def test_refusals_of_the_contract_are_told(ready: Node, chain: Chain, tmp_path: Path) -> None:
    made = ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}').data
    with pytest.raises(PolicyConflict, match="exists already on ethereum"):
        ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}')
    with pytest.raises(PolicyMissing):
        ready.run("blockchain drop policy from ethereum where id = nosuch")
    with pytest.raises(PolicyMissing):
        ready.run('blockchain update to ethereum nosuch {"device": {"name": "d1"}}')
    with pytest.raises(PolicyInvalid, match="has id 'x', not"):
        ready.run('blockchain update to ethereum nosuch {"device": {"id": "x"}}')
    contract = ready.run("get platforms").data[0]["contract"]
    with Node(tmp_path / "other") as other:
        prepare(other, chain, KEYS[1], contract)
        with pytest.raises(PlatformError, match="only the account that inserted"):
            other.run(f'blockchain update to ethereum {made["id"]} {{"device": {{"name": "x"}}}}')
        other.run(f"blockchain drop policy from ethereum where id = {made['id']}")
    assert changes(ready) == 2


def test_the_longest_policy_at_its_limit(ready: Node) -> None:
    frame = '{"device": {"id": "%s", "date": "d", "t": "%s"}}'
    room = limits.MAX_CONTRACT_POLICY_BYTES - len(frame % ("a" * 256, ""))
    ready.run("blockchain commit to ethereum " + frame % ("a" * 256, "x" * room))
    for wrong in (frame % ("b" * 256, "x" * (room + 1)), frame % ("a" * 257, "x")):
        with pytest.raises(PolicyInvalid, match="a contract takes"):
            ready.run(f"blockchain commit to ethereum {wrong}")
    assert changes(ready) == 1


@pytest.mark.parametrize("lagging", [False, True])
def test_several_writers_at_once(ready: Node, chain: Chain, lagging: bool) -> None:
    chain.holds, chain.lagging = True, lagging
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            ready.run(f'blockchain commit to ethereum {{"device": {{"name": "d{number}"}}}}')
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        chain.mine()
        for thread in threads:
            thread.join(0.02)
    assert failures == []
    assert sorted(names(ready)) == [f"d{number}" for number in range(6)]


def test_a_nonce_that_somebody_took_is_taken_anew(ready: Node, chain: Chain) -> None:
    refusals = iter([True, True])

    def spoil(method: str, result: Any) -> Any:
        if method == "eth_getTransactionCount" and next(refusals, False):
            return hex(int(result, 16) - 1)
        return result

    chain.spoil = spoil
    ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}')
    assert changes(ready) == 1


def test_other_commands_run_while_a_receipt_is_awaited(ready: Node, chain: Chain) -> None:
    chain.holds = True
    command = 'blockchain commit to ethereum {"device": {"name": "d1"}}'
    chain.calls.clear()
    writer = threading.Thread(target=ready.run, args=(command,))
    writer.start()
    while "eth_getTransactionReceipt" not in chain.calls:
        writer.join(0.01)
    assert writer.is_alive()
    assert ready.run("get status").text
    with pytest.raises(PolicyConflict, match="on its way"):
        ready.run(command)
    chain.mine()
    writer.join(10)
    assert not writer.is_alive()


def test_a_receipt_that_does_not_come_is_told(
    ready: Node, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PLATFORM_RECEIPT_TIMEOUT_S", 0.2)
    chain.holds = True
    with pytest.raises(PlatformUncertain, match="no receipt") as found:
        ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}')
    assert "0x" in str(found.value.hint)


def test_a_transaction_that_fails_in_its_block_is_told(ready: Node, chain: Chain) -> None:
    def spoil(method: str, result: Any) -> Any:
        if method == "eth_getTransactionReceipt" and result:
            return {**result, "status": "0x0"}
        return result

    chain.spoil = spoil
    with pytest.raises(PlatformFailed, match="failed in block"):
        ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}')


def test_a_send_whose_answer_is_lost_is_found_by_its_receipt(ready: Node, chain: Chain) -> None:
    def spoil(method: str, result: Any) -> Any:
        if method == "eth_sendRawTransaction":
            chain.spoil = None
            raise Refused("already known")
        return result

    chain.spoil = spoil
    ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}')
    assert changes(ready) == 1


def test_gas_is_estimated_for_the_sender_and_bounded(ready: Node, chain: Chain) -> None:
    ready.run("blockchain set account info where platform = ethereum and gas_write = 50000")
    with pytest.raises(PlatformError, match="at most 50,000"):
        ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}')
    assert changes(ready) == 0


@pytest.mark.parametrize("method", ["eth_maxPriorityFeePerGas", "eth_estimateGas"])
def test_a_provider_cannot_empty_the_account(ready: Node, chain: Chain, method: str) -> None:
    chain.spoil = lambda called, result: hex(10**30) if called == method else result
    with pytest.raises(PlatformError, match="at most"):
        ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}')
    chain.spoil = None
    assert changes(ready) == 0


def test_no_key_and_no_contract_are_told(node: Node, chain: Chain) -> None:
    node.run(f"blockchain connect to ethereum where provider = {chain.url}")
    with pytest.raises(MissingOption, match="no contract"):
        node.run("blockchain state where platform = ethereum")
    with pytest.raises(MissingOption, match="no private key"):
        node.run("blockchain deploy contract where platform = ethereum")
    nowhere = f"0x{'1' * 40}"
    node.run(f"blockchain set account info where platform = ethereum and contract = {nowhere}")
    with pytest.raises(PlatformError, match="no contract of policies"):
        node.run("blockchain state where platform = ethereum")


# ----------------------------------------- insert and delete, findings 17, 18


def test_insert_for_the_platform_alone(ready: Node) -> None:
    made = ready.run(
        'blockchain insert where policy = {"device": {"name": "d1"}} and local = false'
        " and blockchain = ethereum"
    ).data
    assert made["block"] > 0
    (policy,) = stored(ready)
    assert policy["device"]["ledger"] == "global"
    assert ready.run("blockchain get *").text == ""
    assert ready.run("get status").text


def test_insert_here_and_on_the_platform(ready: Node) -> None:
    ready.run(
        'blockchain insert where policy = {"device": {"name": "d1"}} and blockchain = ethereum'
    )
    assert names(ready) == ["d1"]
    (policy,) = ready.run("blockchain get *").data
    assert policy["device"]["ledger"] == "local"
    ready.run("blockchain checkout from ethereum")
    (policy,) = ready.run("blockchain get *").data
    assert policy["device"]["ledger"] == "global"


def test_insert_is_kept_when_the_platform_is_down(ready: Node, chain: Chain) -> None:
    chain.spoil = lambda method, result: "nonsense"
    ready.run(INSERT)
    assert any("kept here" in notice.text for notice in ready.notices())
    assert len(ready.run("blockchain get *").data) == 1
    with pytest.raises(PlatformError):
        ready.run(INSERT.replace("d1", "d2") + " and local = false")
    assert len(ready.run("blockchain get *").data) == 1


def test_delete_reaches_the_contract(ready: Node) -> None:
    made = ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}').data
    count = changes(ready)
    ready.run("blockchain checkout from ethereum")
    ready.run(f"blockchain delete policy where id = {made['id']} and blockchain = ethereum")
    assert changes(ready) == count + 1
    assert stored(ready) == []
    assert ready.run("blockchain get *").text == ""
    with pytest.raises(PolicyMissing):
        ready.run(
            f"blockchain delete policy where id = {made['id']} and local = false"
            " and blockchain = ethereum"
        )


def test_a_master_and_a_platform_exclude_each_other(ready: Node) -> None:
    with pytest.raises(BadArgument, match="not to both"):
        ready.run(
            'blockchain insert where policy = {"device": {}} and master = 127.0.0.1:1'
            " and blockchain = ethereum"
        )


# --------------------------------------------------------------- checkout


def test_checkout_keeps_what_is_only_local(ready: Node, tmp_path: Path) -> None:
    ready.run('blockchain insert where policy = {"device": {"name": "mine"}} and local = true')
    ready.run('blockchain commit to ethereum {"device": {"name": "theirs"}}')
    ready.run("blockchain checkout from ethereum")
    found = {policy["device"]["name"] for policy in ready.run("blockchain get *").data}
    assert found == {"mine", "theirs"}
    path = tmp_path / "out.json"
    ready.run(f"blockchain checkout from ethereum to {path}")
    assert [json.loads(line)["device"]["name"] for line in path.read_text().splitlines()] == [
        "theirs"
    ]
    with pytest.raises(MissingOption, match="behind 'to'"):
        ready.run("blockchain checkout from ethereum to")


def test_a_read_is_of_one_block(ready: Node, chain: Chain) -> None:
    for number in range(3):
        ready.run(f'blockchain commit to ethereum {{"device": {{"name": "d{number}"}}}}')
    first = ready.run("blockchain checkout from ethereum to stdout").data["policies"]
    late: list[str] = []

    def spoil(method: str, result: Any) -> Any:
        if method == "eth_chainId" and not late:
            late.append(method)
            chain.evm.mine_blocks(2)
        return result

    chain.spoil = spoil
    before = chain.requests
    assert ready.run("blockchain checkout from ethereum to stdout").data["policies"] == first
    assert chain.requests - before <= 4


def test_reads_are_bounded_and_in_batches(
    ready: Node, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PLATFORM_POLICIES", 3)
    monkeypatch.setattr(limits, "PLATFORM_BATCH", 2)
    for number in range(3):
        ready.run(f'blockchain commit to ethereum {{"device": {{"name": "d{number}"}}}}')
    before = chain.requests
    assert names(ready) == ["d0", "d1", "d2"]
    assert chain.requests - before == 5, "block, numbers, two batches, block"
    ready.run('blockchain commit to ethereum {"device": {"name": "d3"}}')
    with pytest.raises(PlatformError, match="at most 3 are read"):
        stored(ready)


def test_providers_without_batches_are_asked_one_by_one(ready: Node, chain: Chain) -> None:
    chain.batches = False
    ready.run('blockchain commit to ethereum {"device": {"name": "d1"}}')
    assert names(ready) == ["d1"]


def test_a_peer_spends_nothing(ready: Node, tmp_path: Path) -> None:
    run = "run tcp server where external_ip = 127.0.0.1 and external_port = 0 and threads = 1"
    ready.run(run)
    ready.run("set remote permission = admin")
    address = ready.run("get connections").data["TCP"]["external"]
    with Node(tmp_path / "peer") as peer:
        peer.run(run)
        for command in (INSERT, "blockchain drop policy from ethereum where id = x"):
            with pytest.raises(RemoteError) as found:
                peer.run(f"run client ({address}) {command}")
            assert found.value.code == NotPermitted.code
    assert changes(ready) == 0
