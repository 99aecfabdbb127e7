"""A chain for tests: a real EVM in this process behind a real door of JSON-RPC over HTTP."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import (
    BlockNotFound,
    TransactionFailed,
    TransactionNotFound,
)
from eth_utils import keccak

sys.setrecursionlimit(1000)
"""Python's own, as nodes run with it: the import of the EVM raises it to where hostile text
overflows the stack of the machine."""

CHAIN_ID = 131277322940537
KEYS = [f"0x{number:064x}" for number in range(1, 11)]
"""Private keys of the accounts that own something."""


class Refused(Exception):
    """What a provider answers with an error."""


class Chain:
    """A chain, its provider, and ways to make the provider behave badly.

    Attributes
    ----------
    calls : list of str
        Methods that were called, in order.
    requests : int
        HTTP requests that came.
    spoil : callable or None
        Takes a method and its honest result, returns what is answered instead.
    holds : bool
        Transactions wait for `mine` instead of being mined at once.
    lagging : bool
        Transactions that wait are not counted in nonces.
    body : callable or None
        Takes the handler of one HTTP request and writes the whole answer itself.
    """

    def __init__(self) -> None:
        self.evm = EthereumTester(PyEVMBackend())
        self.lock = threading.RLock()
        self.calls: list[str] = []
        self.requests = 0
        self.batches = True
        self.holds = False
        self.lagging = False
        self._waiting: list[str] = []
        self.spoil: Callable[[str, Any], Any] | None = None
        self.body: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.on_call: Callable[[str], None] | None = None
        self._server = _Server(("127.0.0.1", 0), _Door)
        self._server.chain = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def mine(self) -> None:
        """Mine what waits."""
        with self.lock:
            waiting, self._waiting = self._waiting, []
            for raw in waiting:
                self.evm.send_raw_transaction(raw)

    def answer(self, request: Any) -> dict[str, Any]:
        method, params = request["method"], request["params"]
        self.calls.append(method)
        if self.on_call is not None:
            self.on_call(method)
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            with self.lock:
                result = getattr(self, f"_{method}")(*params)
            if self.spoil is not None:
                result = self.spoil(method, result)
        except Refused as exc:
            reply["error"] = {"code": -32000, "message": f"{type(exc).__name__}: {exc}"}
        except TransactionFailed as exc:
            reply["error"] = {"code": 3, "message": "execution reverted"}
            cause = exc.args[0].args[0] if isinstance(exc.args[0], Exception) else exc.args[0]
            if isinstance(cause, bytes):
                reply["error"]["data"] = f"0x{cause.hex()}"
            else:
                reply["error"]["message"] += f": {cause}"
        except Exception as exc:
            reply["error"] = {"code": -32602, "message": f"{type(exc).__name__}: {exc}"}
        else:
            reply["result"] = result
        return reply

    # ------------------------------------------------------------- methods

    def _web3_clientVersion(self) -> str:
        return "evm-for-tests/1"

    def _eth_chainId(self) -> str:
        return hex(CHAIN_ID)

    def _eth_blockNumber(self) -> str:
        return hex(self.evm.get_block_by_number("latest")["number"])

    def _eth_getBlockByNumber(self, tag: str, full: bool) -> Any:
        try:
            block = self.evm.get_block_by_number(_block(tag), full_transactions=full)
        except BlockNotFound:
            return None
        return {
            "number": hex(block["number"]),
            "hash": block["hash"],
            "baseFeePerGas": hex(block["base_fee_per_gas"]),
        }

    def _eth_call(self, call: dict[str, str], tag: str) -> str:
        given = {"from": call.get("from", self.evm.get_accounts()[0]), "to": call["to"]}
        given |= {"data": call["data"], "gas": int(call.get("gas", "0x989680"), 16)}
        if not self.evm.get_code(call["to"], _block(tag))[2:]:
            return "0x"
        return self.evm.call(given, _block(tag))

    def _eth_estimateGas(self, call: dict[str, str]) -> str:
        given = {key: call[key] for key in ("from", "to", "data") if key in call}
        given.setdefault("to", "")
        return hex(self.evm.estimate_gas(given))

    def _eth_getTransactionCount(self, address: str, tag: str) -> str:
        waiting = 0 if self.lagging else len(self._waiting)
        return hex(self.evm.get_nonce(address, "latest") + (waiting if tag == "pending" else 0))

    def _eth_getBalance(self, address: str, tag: str) -> str:
        return hex(self.evm.get_balance(address, _block(tag)))

    def _eth_gasPrice(self) -> str:
        return hex(2 * 10**9)

    def _eth_maxPriorityFeePerGas(self) -> str:
        return hex(10**9)

    def _eth_sendRawTransaction(self, raw: str) -> str:
        if not self.holds:
            return self.evm.send_raw_transaction(raw)
        self._waiting.append(raw)
        return f"0x{keccak(hexstr=raw).hex()}"

    def _eth_getTransactionReceipt(self, name: str) -> Any:
        try:
            found = self.evm.get_transaction_receipt(name)
        except TransactionNotFound:
            return None
        if found["block_number"] is None:
            return None
        return {
            "transactionHash": found["transaction_hash"],
            "blockNumber": hex(found["block_number"]),
            "status": hex(found["status"]),
            "gasUsed": hex(found["gas_used"]),
            "contractAddress": found["contract_address"] or None,
        }


def _block(tag: str) -> Any:
    return int(tag, 16) if tag.startswith("0x") else tag


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    chain: Chain


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        chain = self.server.chain
        chain.requests += 1
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if chain.body is not None:
            chain.body(self)
            return
        if isinstance(request, list) and not chain.batches:
            answer: Any = {"jsonrpc": "2.0", "id": None, "error": {"message": "no batches"}}
        elif isinstance(request, list):
            answer = [chain.answer(one) for one in reversed(request)]
        else:
            answer = chain.answer(request)
        self.send(json.dumps(answer).encode())

    def send(self, content: bytes, status: int = 200) -> None:
        with contextlib.suppress(OSError):
            self._send(content, status)

    def _send(self, content: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass
