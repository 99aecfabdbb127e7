"""The ledger kept in step with a contract: a node, a real EVM, and providers that misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgelake import Node, limits
from edgelake.platforms import Ethereum
from tests.evm import KEYS, Chain
from tests.waiting import eventually

FOLLOW = (
    "run blockchain sync where source = blockchain and platform = ethereum and time = 1 second"
    " and dest = "
)
INSERT = 'blockchain insert where policy = {"device": {"id": "mine"}} and blockchain = ethereum'
ACCOUNT = "blockchain set account info where platform = ethereum and "


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[Chain, Ethereum]]:
    """Make a chain with a contract, and another writer of it."""
    chain = Chain()
    writer = Ethereum("ethereum", chain.url)
    writer.set_account(private_key=KEYS[0])
    writer.set_account(contract=writer.wait(writer.deploy(), lambda seconds: None).contract)
    yield chain, writer
    writer.close()
    chain.close()


@pytest.fixture
def chain(deployed: tuple[Chain, Ethereum]) -> Iterator[Chain]:
    """Give the chain as it was before the first test."""
    chain, _ = deployed
    before = chain.evm.take_snapshot()
    yield chain
    chain.spoil = chain.body = chain.on_call = None
    chain.holds = False
    with chain.lock:
        chain.evm.revert_to_snapshot(before)


@pytest.fixture
def writer(chain: Chain, deployed: tuple[Chain, Ethereum]) -> Ethereum:
    return deployed[1]


@pytest.fixture
def node(tmp_path: Path, chain: Chain, writer: Ethereum) -> Iterator[Node]:
    with Node(tmp_path / "node") as node:
        connect(node, chain, writer)
        yield node


def connect(node: Node, chain: Chain, writer: Ethereum, key: str = KEYS[1]) -> None:
    node.run(f"blockchain connect to ethereum where provider = {chain.url}")
    node.run(
        f"blockchain set account info where platform = ethereum and private_key = {key}"
        f" and contract = {writer.account.contract}"
    )


def put(writer: Ethereum, policy: dict[str, Any] | str, name: str = "") -> None:
    text = policy if isinstance(policy, str) else json.dumps(policy)
    known = name or next(iter(json.loads(text).values()))["id"]
    writer.wait(writer.insert(known, text), lambda seconds: None)


def device(name: str, **more: Any) -> dict[str, Any]:
    return {"device": {"name": name, "id": name, "date": "2026-01-01T00:00:00.000000Z", **more}}


def remove(writer: Ethereum, policy_id: str) -> None:
    writer.wait(writer.delete(policy_id), lambda seconds: None)


def figures(node: Node) -> dict[str, Any]:
    return node.run("get synchronizer").data


def ids(node: Node) -> list[str]:
    found = node.run("blockchain get *").data
    return [next(iter(policy.values()))["id"] for policy in found]


def cycles(node: Node, count: int = 2) -> None:
    """Wait until that many more cycles ended."""
    goal = figures(node)["calls"] + count
    node.run("run blockchain sync")

    def reached() -> bool:
        if figures(node)["calls"] < goal:
            node.run("run blockchain sync")
            return False
        return True

    eventually(reached, f"{count} cycles")


def healthy(node: Node) -> bool:
    now = figures(node)
    if now["failures_in_a_row"]:
        node.run("run blockchain sync")
    return not now["failures_in_a_row"]


# ------------------------------------------------------------------ following


def test_changes_of_the_contract_arrive(node: Node, writer: Ethereum) -> None:
    for name in "abcd":
        put(writer, device(name))
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == list("abcd"), "first read")
    remove(writer, "b")
    writer.wait(writer.update("c", json.dumps(device("c", kind="new"))), lambda seconds: None)
    cycles(node)
    assert ids(node) == ["a", "d", "c"]
    assert node.run("blockchain get * where id = c").data[0]["device"]["kind"] == "new"
    for name in "adc":
        remove(writer, name)
    cycles(node)
    assert ids(node) == []
    shown = figures(node)
    assert (shown["source"], shown["connection"]) == ("blockchain", "ethereum")
    assert "with platform: ethereum" in node.run("get processes").text


def test_an_unchanged_contract_costs_one_small_request(
    node: Node, chain: Chain, writer: Ethereum
) -> None:
    for name in "abc":
        put(writer, device(name, text="x" * 2000))
    node.run(FOLLOW + "file")
    eventually(lambda: len(ids(node)) == 3, "first read")
    cycles(node, 1)
    before, reads = figures(node), chain.requests
    cycles(node, 4)
    after = figures(node)
    done = after["calls"] - before["calls"]
    assert after["reads"] == before["reads"]
    assert chain.requests - reads <= done + 1
    assert after["bytes"] - before["bytes"] < (done + 1) * 1000


def test_the_table_follows_too(node: Node, writer: Ethereum) -> None:
    node.run("connect dbms blockchain where type = sqlite")
    node.run("create table ledger where dbms = blockchain")
    put(writer, device("a"))
    put(writer, device("b"))
    node.run(FOLLOW + "file and dest = dbms")
    eventually(lambda: ids(node) == ["a", "b"], "first read")
    cycles(node)
    assert table(node) == {"a", "b"}
    remove(writer, "a")
    cycles(node)
    assert table(node) == {"b"}


def table(node: Node) -> set[str]:
    rows = node._parts.master_ledger().rows.read()
    return {json.loads(row)["device"]["id"] for row in rows}


# ------------------------------------------------- local changes, finding 5


def test_local_policies_are_never_lost(tmp_path: Path, chain: Chain, writer: Ethereum) -> None:
    put(writer, device("shared"))
    with Node(tmp_path / "node") as node:
        node.run(f"blockchain connect to ethereum where provider = {chain.url}")
        node.run(
            "blockchain set account info where platform = ethereum"
            f" and contract = {writer.account.contract}"
        )
        node.run(FOLLOW + "file")
        for number in range(5):
            node.run(
                f'blockchain insert where policy = {{"device": {{"id": "mine{number}"}}}}'
                " and local = true"
            )
        mine = {f"mine{number}" for number in range(5)}
        count = writer.changes()
        for name in "ab":
            put(writer, device(name))
            cycles(node)
            assert set(ids(node)) == mine | {"shared", "a"} | ({"b"} if name == "b" else set())
        assert writer.changes() == count + 2, "no key, nothing sent"
        assert figures(node)["pending_policies"] == 5
        assert figures(node)["last_error"] is None
        # With a key they are sent, and stay until the contract shows them.
        node.run(
            f"blockchain set account info where platform = ethereum and private_key = {KEYS[1]}"
        )
        eventually(lambda: (cycles(node, 1), figures(node)["pending_policies"] == 0)[1], "sent")
        assert writer.changes() == count + 7
    with Node(tmp_path / "node") as again:
        assert set(ids(again)) == mine | {"shared", "a", "b"}


def test_deletes_reach_the_contract(node: Node, writer: Ethereum, chain: Chain) -> None:
    put(writer, device("a"))
    put(writer, device("b"))
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == ["a", "b"], "first read")
    chain.spoil = lambda method, result: "0x" if method == "eth_estimateGas" else result
    node.run("blockchain delete policy where id = a and blockchain = ethereum")
    assert ids(node) == ["b"]
    assert figures(node)["pending_deletes"] == 1
    chain.spoil = None
    eventually(lambda: (cycles(node, 1), figures(node)["pending_deletes"] == 0)[1], "deleted")
    assert [json.loads(e)["device"]["id"] for e in writer.read().entries] == ["b"]
    assert ids(node) == ["b"]


def test_insert_while_the_synchronizer_runs_is_written_once(node: Node, writer: Ethereum) -> None:
    node.run(FOLLOW + "file")
    threads = [
        threading.Thread(
            target=node.run,
            args=(
                f'blockchain insert where policy = {{"device": {{"id": "n{number}"}}}}'
                " and blockchain = ethereum",
            ),
        )
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: (cycles(node, 1), figures(node)["pending_policies"] == 0)[1], "confirmed")
    assert writer.changes() == 4
    assert sorted(ids(node)) == [f"n{number}" for number in range(4)]
    assert figures(node)["last_error"] is None


def test_a_refused_change_is_kept_reported_and_stops_no_other(node: Node, writer: Ethereum) -> None:
    node.run(FOLLOW + "file")
    long = "x" * (limits.MAX_CONTRACT_POLICY_BYTES + 1)
    node.run(
        f'blockchain insert where policy = {{"device": {{"id": "{long[:9]}", "t": "{long}"}}}}'
        " and local = true"
    )
    node.run('blockchain insert where policy = {"device": {"id": "short"}} and local = true')
    eventually(lambda: (cycles(node, 1), writer.changes() == 1)[1], "the short one sent")
    assert set(ids(node)) == {"x" * 9, "short"}
    assert "a contract takes" in figures(node)["last_error"]
    eventually(lambda: (cycles(node, 1), figures(node)["pending_policies"] == 1)[1], "confirmed")


def test_few_writes_are_under_way_at_a_time(
    node: Node, chain: Chain, writer: Ethereum, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PLATFORM_WRITES", 2)
    chain.holds = True
    for number in range(3):
        node.run(
            f'blockchain insert where policy = {{"device": {{"id": "n{number}"}}}} and local = true'
        )
    node.run(FOLLOW + "file")
    eventually(lambda: figures(node).get("writes_under_way") == 2, "two sent")
    cycles(node)
    assert figures(node)["writes_under_way"] == 2
    chain.holds = False
    chain.mine()
    eventually(lambda: (cycles(node, 1), figures(node)["pending_policies"] == 0)[1], "all sent")
    assert writer.changes() == 3


# ------------------------------------ entries that are no policies, finding 16


def test_entries_that_are_no_policies_stop_nobody(node: Node, writer: Ethereum) -> None:
    entries = ["[]", "nonsense", '{"a":{},"b":{}}', '{"device":{"name":"no id"}}', '{"x":1}', ""]
    for number, entry in enumerate(entries):
        put(writer, entry, f"bad{number}")
    put(writer, {"deleted": {"id": "good", "ledger": "local"}}, "marker")
    put(writer, device("good"))
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == ["good"], "the policy")
    assert figures(node)["quarantine"] == len(entries) + 1
    assert "entry 1 of the contract is left out" in figures(node)["last_error"]
    assert figures(node)["failures_in_a_row"] == 0


def test_discards_of_any_kind_are_harmless(node: Node, writer: Ethereum) -> None:
    def discard(name: str, **body: Any) -> None:
        put(writer, {"discard": {"id": name, **body}})

    put(writer, device("a"))
    put(writer, device("b"))
    discard("d1", policy="nosuch", status="active", date="1")
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == ["a", "b", "d1"], "the discard of an unknown policy")
    discard("d2", policy="a", status="active", date="2")
    discard("d3", policy=["a"], status={"x": 1}, date="3")
    discard("d4", policy="b", status="active", date="2")
    discard("d5", policy="b", status="off", date="4")
    cycles(node)
    assert ids(node) == ["b", "d1", "d2", "d3", "d4", "d5"]
    discard("d6", policy="a", status="off", date="9")
    cycles(node)
    assert "a" in ids(node)
    assert figures(node)["status"] == "Running"


def test_the_latest_of_two_entries_with_one_id_counts(node: Node, writer: Ethereum) -> None:
    put(writer, {"device": {"id": "a", "date": "2", "n": "new"}}, "one")
    put(writer, {"device": {"id": "a", "date": "1", "n": "old"}}, "two")
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == ["a"], "one policy")
    assert node.run("blockchain get *").data[0]["device"]["n"] == "new"
    eventually(lambda: figures(node)["quarantine"] == 1, "the report of the other one")


# ------------------------------------------------------------ reorganisations


def test_a_reorganisation_is_read_again(node: Node, chain: Chain, writer: Ethereum) -> None:
    put(writer, device("a"))
    snapshot = chain.evm.take_snapshot()
    put(writer, device("lost"))
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == ["a", "lost"], "first read")
    with chain.lock:
        chain.evm.revert_to_snapshot(snapshot)
        chain.evm.mine_blocks(1)
    put(writer, device("other"))
    eventually(lambda: (cycles(node, 1), ids(node) == ["a", "other"])[1], "the other branch")


def test_own_policies_survive_a_reorganisation(node: Node, chain: Chain, writer: Ethereum) -> None:
    put(writer, device("a"))
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == ["a"], "first read")
    snapshot = chain.evm.take_snapshot()
    node.run(
        'blockchain insert where policy = {"device": {"id": "mine"}} and blockchain = ethereum'
    )
    eventually(lambda: (cycles(node, 1), figures(node)["pending_policies"] == 0)[1], "confirmed")
    with chain.lock:
        chain.evm.revert_to_snapshot(snapshot)
        chain.evm.mine_blocks(3)
    eventually(lambda: (cycles(node, 1), writer.changes() == 2)[1], "sent again")
    assert set(ids(node)) == {"a", "mine"}
    eventually(lambda: (cycles(node, 1), figures(node)["pending_policies"] == 0)[1], "confirmed")


def test_a_policy_that_somebody_deleted_does_not_return(node: Node, writer: Ethereum) -> None:
    node.run(FOLLOW + "file")
    node.run(
        'blockchain insert where policy = {"device": {"id": "mine"}} and blockchain = ethereum'
    )
    eventually(lambda: (cycles(node, 1), figures(node)["pending_policies"] == 0)[1], "confirmed")
    remove(writer, "mine")
    cycles(node, 3)
    assert ids(node) == []
    assert writer.changes() == 2


def test_a_provider_that_is_behind_changes_nothing(
    node: Node, chain: Chain, writer: Ethereum
) -> None:
    put(writer, device("a"))
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == ["a"], "first read")
    chain.spoil = lambda method, result: "0x0" if method == "eth_blockNumber" else result
    eventually(lambda: "is behind block" in str(figures(node)["last_error"]), "told")
    assert ids(node) == ["a"]
    chain.spoil = None
    eventually(lambda: healthy(node), "healthy again")


# -------------------------------------------------------- hostile providers


def drop(door: Any) -> None:
    door.close_connection = True


def status(code: int) -> Callable[[Any], None]:
    return lambda door: door.send(b"<html>down</html>", code)


def content(data: bytes) -> Callable[[Any], None]:
    return lambda door: door.send(data)


def half(door: Any) -> None:
    door.send_response(200)
    door.send_header("Content-Length", "1000")
    door.end_headers()
    door.wfile.write(b'{"jsonrpc"')
    door.close_connection = True


def endless(door: Any) -> None:
    door.send_response(200)
    door.end_headers()
    door.close_connection = True
    try:
        for _ in range(limits.MAX_PLATFORM_ANSWER_BYTES // 1000 + 2000):
            door.wfile.write(b" " * 1000)
    except OSError:
        pass


def dripping(door: Any) -> None:
    door.send_response(200)
    door.end_headers()
    door.close_connection = True
    try:
        for _ in range(100):
            door.wfile.write(b" ")
            threading.Event().wait(0.05)
    except OSError:
        pass


HOSTILE = {
    "drop": (drop, "could not be asked"),
    "status": (status(503), "HTTP 503"),
    "redirect": (status(302), "HTTP 302"),
    "html": (content(b"<html>"), "not answer in JSON"),
    "empty": (content(b""), "not answer in JSON"),
    "deep": (content(b"[" * 100_000), "not answer in JSON"),
    "digits": (content(b"9" * 10_000), "not answer in JSON"),
    "number": (content(b"7"), ""),
    "null": (content(b"null"), ""),
    "no ids": (content(b'[{"result": "0x1"}]'), ""),
    "wrong ids": (content(b'[{"id": {}}, {"id": -1}, {"id": 99}, 5]'), ""),
    "half": (half, "broke off"),
    "endless": (endless, "answered more than"),
    "dripping": (dripping, "did not answer within"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_provider_that_breaks_the_protocol_is_survived(
    node: Node, chain: Chain, writer: Ethereum, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave, says = HOSTILE[kind]
    put(writer, device("a"))
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == ["a"], "first read")
    if kind == "dripping":
        monkeypatch.setattr(limits, "PLATFORM_TIMEOUT_S", 0.3)
    if kind == "endless":
        monkeypatch.setattr(limits, "MAX_PLATFORM_ANSWER_BYTES", 1_000_000)
    chain.body = behave
    node.run("run blockchain sync")
    eventually(lambda: figures(node)["failures_in_a_row"] > 0, "a failure told")
    assert says in figures(node)["last_error"]
    assert ids(node) == ["a"]
    chain.body = None
    eventually(lambda: healthy(node), "healthy again")
    put(writer, device("b"))
    eventually(lambda: (cycles(node, 1), ids(node) == ["a", "b"])[1], "goes on")


LIES: dict[str, tuple[str, Any]] = {
    "count is a text": ("eth_call", "many"),
    "count is null": ("eth_call", None),
    "count is an object": ("eth_call", {"a": 1}),
    "count is half": ("eth_call", "0x0"),
    "count is short": ("eth_call", "0x01"),
    "no contract": ("eth_call", "0x"),
    "count without end": ("eth_call", "0x" + "f" * 64),
    "block is a list": ("eth_getBlockByNumber", []),
    "block has no hash": ("eth_getBlockByNumber", {"number": "0x1"}),
    "block with a short hash": ("eth_getBlockByNumber", {"number": "0x1", "hash": "0x12"}),
    "number is negative": ("eth_getBlockByNumber", {"number": "-0x1", "hash": "0x" + "1" * 64}),
    "block number is huge": ("eth_blockNumber", "0x" + "f" * 100),
    "another chain": ("eth_chainId", "0x1"),
}


@pytest.mark.parametrize("kind", LIES)
def test_a_provider_that_lies_changes_nothing(
    node: Node, chain: Chain, writer: Ethereum, kind: str
) -> None:
    method, lie = LIES[kind]
    put(writer, device("a"))
    node.run(FOLLOW + "file")
    eventually(lambda: ids(node) == ["a"], "first read")
    put(writer, device("b"))
    before = ids(node)
    chain.spoil = lambda called, result: lie if called == method else result
    node.run("run blockchain sync")
    eventually(lambda: figures(node)["failures_in_a_row"] > 0, "a failure told")
    assert ids(node) in (before, ["a", "b"])
    chain.spoil = None
    eventually(lambda: (cycles(node, 1), ids(node) == ["a", "b"])[1], "goes on")
    assert figures(node)["status"] == "Running"


def test_texts_of_a_liar_are_no_texts(node: Node, chain: Chain, writer: Ethereum) -> None:
    put(writer, device("a"))
    word = "0" * 62
    for lie in (
        "0x" + word + "20" + "f" * 64,
        "0x" + "f" * 64 + word + "01" + "61" * 32,
        "0x" + word + "20",
    ):
        # The second call of a read is the number of policies, later ones are policies.
        answers = {"seen": 0}

        def spoil(method: str, result: Any, lie: str = lie, answers: Any = answers) -> Any:
            if method == "eth_call":
                answers["seen"] += 1
                return lie if len(result) > 66 else result
            return result

        chain.spoil = spoil
        with pytest.raises(Exception, match="no text"):
            node.run("blockchain checkout from ethereum")
        assert answers["seen"]
    assert ids(node) == []


def test_pauses_grow_while_the_provider_is_down(node: Node, chain: Chain, writer: Ethereum) -> None:
    node.run(FOLLOW + "file")
    eventually(lambda: figures(node)["sync_ok"] > 0, "first read")
    chain.body = status(500)
    eventually(lambda: figures(node)["failures_in_a_row"] >= 2, "failures")
    assert "Retrying" in node.run("get processes").text
    assert "HTTP 500" in node.run("get synchronizer").text
    chain.body = None
    eventually(lambda: healthy(node), "healthy again")
