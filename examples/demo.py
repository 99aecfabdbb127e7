"""A master and two nodes, three processes: policies inserted on each reach all.

Run it with ``make demo``. Everything happens on 127.0.0.1 and in a temporary
folder that is removed at the end.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from edgelake import Client
from edgelake.errors import EdgeLakeError

HERE = Path(__file__).resolve().parent
PORTS = {"master": 32051, "node 1": 32052, "node 2": 32053}
MASTER = f"127.0.0.1:{PORTS['master']}"
ROUNDS = 6
DEADLINE_S = 60.0


class Process:
    """One node as its own process, driven through standard input."""

    def __init__(self, name: str, port: int, home: Path) -> None:
        self.name = name
        self.address = f"127.0.0.1:{port}"
        self.ledger = home / "EdgeLake" / "blockchain" / "blockchain.json"
        self._child = subprocess.Popen(
            [sys.executable, "-m", "edgelake", "--serve", "--home", str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.send("create work directories")
        self.send("connect dbms blockchain where type = sqlite")
        self.send("create table ledger where dbms = blockchain")
        self.send(
            f"run tcp server where external_ip = 127.0.0.1 and external_port = {port}"
            " and bind = true and threads = 2"
        )
        if self.address == MASTER:
            self.send("run blockchain sync where source = dbms and time = 1 second and dest = file")
        else:
            self.send(
                "run blockchain sync where source = master and time = 1 second and dest = file"
                f" and dest = dbms and connection = {MASTER}"
            )

    def send(self, command: str) -> None:
        """Type a command."""
        assert self._child.stdin is not None
        self._child.stdin.write(command + "\n")
        self._child.stdin.flush()

    def wait_ready(self, deadline: float) -> None:
        """Wait until the node answers."""
        while True:
            try:
                with Client(self.address) as client:
                    client.request("get status", timeout=1.0)
                return
            except EdgeLakeError:
                if time.monotonic() > deadline:
                    raise

    def policies(self) -> list[str]:
        """Return the names of the policies in the node's ledger file."""
        try:
            lines = self.ledger.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [next(iter(json.loads(line).values()))["name"] for line in lines if line]

    def __enter__(self) -> Process:
        """Return the process."""
        return self

    def __exit__(self, *error: object) -> None:
        """Ask the node to end, and wait until it has."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.terminate()
        try:
            self._child.wait(15)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def picture(nodes: list[Process], inserted: dict[str, list[str]]) -> Table:
    """Return the table of who inserted what and who has it."""
    wanted = sum(len(names) for names in inserted.values())
    table = Table(title="policies inserted on each node, and seen by each node")
    table.add_column("node")
    table.add_column("address")
    table.add_column("inserted here", justify="right")
    for other in nodes:
        table.add_column(f"from {other.name}", justify="right")
    table.add_column("state")
    for node in nodes:
        seen = node.policies()
        row = [node.name, node.address, str(len(inserted[node.name]))]
        row += [str(sum(name in seen for name in inserted[other.name])) for other in nodes]
        state = "[green]in step" if len(seen) == wanted else f"[yellow]{len(seen)} of {wanted}"
        table.add_row(*row, state)
    return table


def converged(nodes: list[Process], inserted: dict[str, list[str]]) -> bool:
    """Return whether every node holds every policy, byte for byte the same."""
    wanted = sum(len(names) for names in inserted.values())
    if any(len(node.policies()) != wanted for node in nodes):
        return False
    return len({node.ledger.read_bytes() for node in nodes}) == 1


def main() -> int:
    """Run the demonstration; return 0 when the nodes converged."""
    console = Console()
    root = Path(tempfile.mkdtemp(prefix="edgelake-demo-"))
    deadline = time.monotonic() + DEADLINE_S
    try:
        with (
            Process("master", PORTS["master"], root / "master") as master,
            Process("node 1", PORTS["node 1"], root / "node1") as one,
            Process("node 2", PORTS["node 2"], root / "node2") as two,
        ):
            nodes = [master, one, two]
            for node in nodes:
                node.wait_ready(deadline)
            inserted: dict[str, list[str]] = {node.name: [] for node in nodes}
            with Live(picture(nodes, inserted), console=console, refresh_per_second=8) as live:
                for number in range(ROUNDS):
                    for node in nodes:
                        name = f"{node.name} sensor {number}"
                        node.send(
                            'blockchain insert where policy = {"sensor": {"name": "'
                            + name
                            + f'"}}}} and local = true and master = {MASTER}'
                        )
                        inserted[node.name].append(name)
                    pause = time.monotonic() + 0.7
                    while time.monotonic() < pause:
                        live.update(picture(nodes, inserted))
                        time.sleep(0.1)  # the picture's own pace
                while not converged(nodes, inserted) and time.monotonic() < deadline:
                    live.update(picture(nodes, inserted))
                    time.sleep(0.1)
                live.update(picture(nodes, inserted))
            done = converged(nodes, inserted)
        console.print(
            "[green]the three ledgers are the same, byte for byte; all processes have ended"
            if done
            else "[red]the ledgers did not converge in time"
        )
        return 0 if done else 1
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
