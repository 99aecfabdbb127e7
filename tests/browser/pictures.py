"""Pictures of the console for the documentation: ``python -m tests.browser.pictures <folder>``.

A node with a small ledger is started, asked for something again and again, and looked at.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from edgelake import Client, Node
from tests.browser.visits import Visit, browser, visit
from tests.http_calls import rest_node, rest_port, tcp_place

WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 390, "height": 844}
COLOURS = 96
TRAFFIC_S = 40


def fill(node: Node) -> None:
    """Give a node a name and a ledger."""
    node.run("set remote permission = admin")
    node.run("set node name fen-01")
    node.run("connect dbms blockchain where type = sqlite")
    node.run("create table ledger where dbms = blockchain")
    host, port = tcp_place(node).split(":")
    nodes = (("fen-01", host, int(port)), ("weir-02", host, 1), ("lock-03", host, 2))
    policies: list[dict[str, object]] = [
        {"query": {"name": name, "ip": ip, "port": at, "company": "acme"}} for name, ip, at in nodes
    ]
    policies += [
        {
            "pump": {
                "name": f"pump-{number:02}",
                "company": "acme",
                "level": number % 7,
                "tags": ["water", "north"],
                "place": {"lat": round(52.4 + number / 100, 2), "lon": 0.26},
            }
        }
        for number in range(40)
    ]
    for policy in policies:
        node.run(f"blockchain push {json.dumps(policy)}")
    node.run("run blockchain sync where source = dbms and time = 1 second and dest = file")


@contextmanager
def traffic(node: Node) -> Iterator[None]:
    """Ask the node for something all the time."""
    over = threading.Event()

    def ask() -> None:
        with Client(tcp_place(node)) as client:
            number = 0
            while not over.wait(0.02):
                number += 1
                for _ in range(1 + number // 150 % 4):
                    client.request("blockchain get pump where name = pump-03", timeout=30)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def take(at: Visit, folder: Path, name: str) -> None:
    """Put a small picture of what is seen into the folder."""
    image = Image.open(io.BytesIO(at.page.screenshot())).convert("RGB")
    image.quantize(COLOURS).save(folder / f"{name}.png", optimize=True)


def look(at: Visit, folder: Path) -> None:
    """Go through the sections in a wide window."""
    at.go("overview")
    at.page.wait_for_timeout(TRAFFIC_S * 1000)
    take(at, folder, "overview")
    at.go("ledger", "?type=pump&where=level%20%3E%204")
    at.page.locator("tbody tr").first.wait_for()
    take(at, folder, "ledger")
    at.page.locator("tbody a").first.click()
    at.page.locator(".tree").wait_for()
    take(at, folder, "policy")
    at.go("peers")
    at.page.get_by_role("button", name="Ask all").click()
    at.page.locator(".state.on").wait_for()
    at.page.locator(".state.failed").nth(1).wait_for()
    take(at, folder, "peers")
    at.go("command")
    at.run("get processes")
    at.run("get statsu")
    at.type("blockchain get pump where name = pump-03 ")
    at.page.get_by_role("option").first.wait_for()
    take(at, folder, "command")


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        rest_node(Path(home)) as (node, _),
        browser() as chromium,
    ):
        fill(node)
        url = f"http://127.0.0.1:{rest_port(node)}"
        with traffic(node):
            with visit(chromium, url, viewport=WIDE, color_scheme="light") as at:
                look(at, folder)
            with visit(chromium, url, viewport=WIDE, color_scheme="dark") as at:
                at.go("overview")
                at.page.wait_for_timeout(2000)
                take(at, folder, "overview-dark")
            with visit(chromium, url, viewport=NARROW, color_scheme="dark") as at:
                at.go("ledger", "?type=pump")
                at.page.locator("tbody tr").first.wait_for()
                take(at, folder, "narrow")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
