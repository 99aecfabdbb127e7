"""The contract on a real EVM: interface, effects, refusals, costs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_tester.exceptions import TransactionFailed
from eth_utils import event_abi_to_log_topic, function_abi_to_4byte_selector
from web3 import Web3
from web3.providers.eth_tester import EthereumTesterProvider

from edgelake import limits
from edgelake.platforms.contract import byte_code, interface
from tests.compile_contract import COMPILED

SELECTORS = {
    "insert": "06e63ff8",
    "updatePolicy": "2709a3f8",
    "deletePolicy": "a0e60c18",
    "getPolicy": "60dd5f90",
    "getPolicyOwner": "6c450e09",
    "num_policies": "cb5a56c7",
    "transaction_count": "f7ff50e2",
    "policies": "d3e89483",
    "policy_ids": "b13681dc",
}
TOPICS = {
    "delete_policy_event": "5939cc59f60051e79cb8108ce0404b75eab25be7ebff470256f6861b24cff9e0",
    "get_policy_event": "17b88547e856ab10e485425d4da97aa7af183cb4c2ba8cd590edb964a812af16",
    "get_policy_owner_event": "21f82dfd7e71adb54ffba84028263297f5ae30c611b9c52d19e68b408c49ae7f",
    "updated_policy_event": "4d00be5f2f42b7a46224e119195a7c9e9d6bd923a29acd6f54c11c8d134b9d98",
}


class Contract:
    """A deployed contract and two accounts."""

    def __init__(self) -> None:
        self.web3 = Web3(EthereumTesterProvider())
        self.owner, self.other = self.web3.eth.accounts[:2]
        made = self.web3.eth.contract(abi=interface(), bytecode=byte_code())
        self.deployed = self.receipt(made.constructor())
        self.made = self.web3.eth.contract(self.deployed["contractAddress"], abi=interface())

    def receipt(self, call: Any, sender: str | None = None) -> Any:
        sent = call.transact({"from": sender or self.owner})
        return self.web3.eth.wait_for_transaction_receipt(sent)

    def write(self, name: str, *arguments: Any, sender: str | None = None) -> Any:
        return self.receipt(self.made.functions[name](*arguments), sender)

    def read(self, name: str, *arguments: Any) -> Any:
        return self.made.functions[name](*arguments).call()

    def all(self) -> list[tuple[str, str]]:
        places = range(self.read("num_policies"))
        return [(self.read("policy_ids", n), self.read("policies", n)) for n in places]

    def events(self, name: str, receipt: Any) -> list[tuple[Any, ...]]:
        return [
            tuple(e["args"].values()) for e in self.made.events[name]().process_receipt(receipt)
        ]


@pytest.fixture
def contract() -> Contract:
    return Contract()


def test_functions_and_events_are_those_of_the_network() -> None:
    functions = [entry for entry in interface() if entry["type"] == "function"]
    assert {f["name"]: function_abi_to_4byte_selector(f).hex() for f in functions} == SELECTORS
    events = [entry for entry in interface() if entry["type"] == "event"]
    assert {e["name"]: event_abi_to_log_topic(e).hex() for e in events} == TOPICS
    assert not any(part["indexed"] for event in events for part in event["inputs"])
    views = {f["name"] for f in functions if f["stateMutability"] == "view"}
    assert views == {"num_policies", "transaction_count", "policies", "policy_ids"}
    assert all(f["stateMutability"] in ("view", "nonpayable") for f in functions)


def test_the_byte_code_is_what_the_compiler_makes_of_the_source() -> None:
    pytest.importorskip("vyper")
    from tests.compile_contract import compiled

    assert json.loads(COMPILED.read_text()) == compiled(), "run: python -m tests.compile_contract"


def test_insert_appends_and_counts(contract: Contract) -> None:
    assert contract.all() == []
    receipts = [contract.write("insert", f"id{n}", f'{{"device": {n}}}') for n in range(3)]
    assert contract.all() == [(f"id{n}", f'{{"device": {n}}}') for n in range(3)]
    assert contract.read("transaction_count") == 3
    assert not any(receipt["logs"] for receipt in receipts)


def test_an_id_is_inserted_once(contract: Contract) -> None:
    contract.write("insert", "a", "1")
    with pytest.raises(TransactionFailed, match="Policy with policy id already exists"):
        contract.write("insert", "a", "2", sender=contract.other)
    assert contract.all() == [("a", "1")]
    assert contract.read("transaction_count") == 1


def test_only_the_owner_updates(contract: Contract) -> None:
    contract.write("insert", "a", "1", sender=contract.other)
    contract.write("insert", "b", "2")
    with pytest.raises(TransactionFailed, match="Only policy owner can update policy"):
        contract.write("updatePolicy", "a", "x")
    with pytest.raises(TransactionFailed, match="Policy ID does not exist"):
        contract.write("updatePolicy", "c", "x")
    receipt = contract.write("updatePolicy", "a", "longer than before", sender=contract.other)
    assert contract.events("updated_policy_event", receipt) == [("a", "longer than before")]
    assert contract.all() == [("a", "longer than before"), ("b", "2")]
    assert contract.read("transaction_count") == 3


def test_delete_moves_the_last_into_the_free_place(contract: Contract) -> None:
    for name in "abcd":
        contract.write("insert", name, name * 40)
    receipt = contract.write("deletePolicy", "b", sender=contract.other)
    assert contract.events("delete_policy_event", receipt) == [(True,)]
    assert [name for name, _ in contract.all()] == ["a", "d", "c"]
    contract.write("deletePolicy", "c")
    assert contract.all() == [("a", "a" * 40), ("d", "d" * 40)]
    with pytest.raises(TransactionFailed, match="Policy ID does not exist"):
        contract.write("deletePolicy", "c")
    contract.write("insert", "b", "short")
    assert contract.all()[2] == ("b", "short")
    assert (contract.read("num_policies"), contract.read("transaction_count")) == (3, 7)


def test_policies_and_owners_come_as_events(contract: Contract) -> None:
    contract.write("insert", "a", "text", sender=contract.other)
    got = contract.write("getPolicy", "a")
    assert contract.events("get_policy_event", got) == [("text",)]
    owner = contract.write("getPolicyOwner", "a")
    assert contract.events("get_policy_owner_event", owner) == [(contract.other,)]
    contract.write("deletePolicy", "a")
    owner = contract.write("getPolicyOwner", "a")
    assert contract.events("get_policy_owner_event", owner) == [("0x" + 40 * "0",)]
    with pytest.raises(TransactionFailed, match="Policy does not exist"):
        contract.write("getPolicy", "a")


def test_nothing_is_beyond_the_end(contract: Contract) -> None:
    contract.write("insert", "a", "1")
    contract.write("insert", "b", "2")
    contract.write("deletePolicy", "b")
    for name in ("policies", "policy_ids"):
        with pytest.raises(TransactionFailed):
            contract.read(name, 1)


def test_costs_stay_below_those_of_the_reference(contract: Contract) -> None:
    assert contract.deployed["gasUsed"] < 1_460_000
    contract.write("insert", "the first", "fills the counters")
    assert contract.write("insert", "i" * 32, "x" * 31)["gasUsed"] < 202_000
    assert contract.write("insert", "j" * 32, "x" * 1000)["gasUsed"] < 1_640_000
    assert contract.write("deletePolicy", "i" * 32)["gasUsed"] < 95_000


def test_the_longest_policy_fits_into_one_transaction(contract: Contract) -> None:
    longest = "x" * limits.MAX_CONTRACT_POLICY_BYTES
    name = "i" * limits.MAX_CONTRACT_ID_BYTES
    receipt = contract.write("insert", name, longest)
    assert receipt["gasUsed"] <= limits.MAX_TRANSACTION_GAS
    assert contract.all() == [(name, longest)]
    with pytest.raises(TransactionFailed):
        contract.write("insert", "other", "x" * (24 * 1024 + 1))
