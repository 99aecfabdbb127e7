"""Calls by the program curl, as examples and documentation write them, to two live nodes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.conftest import NodeProcess

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "rest"
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """What one call was answered.

    Attributes
    ----------
    status : int
    kind : str
        Its content type, without parameters.
    text : str
    """

    status: int
    kind: str
    text: str

    @property
    def data(self) -> Any:
        """The answer as JSON, which it must say it is."""
        assert self.kind == "application/json", (self.kind, self.text[:200])
        return json.loads(self.text)


@dataclass(slots=True)
class Pair:
    """A follower with a REST server, and its master.

    Attributes
    ----------
    node : str
        ``ip:port`` of the follower's REST server.
    here, peer : str
        The same of the TCP servers of the follower, and of its master.
    """

    folder: Path
    follower: NodeProcess
    master: NodeProcess
    node: str
    here: str
    peer: str

    def run(self, lines: str, script: str = "sh") -> Said:
        """Run lines of a shell with one curl in them; ``$node`` and the others are there."""
        head = self.folder / "head"
        head.unlink(missing_ok=True)
        told = {"node": self.node, "here": self.here, "peer": self.peer}
        done = subprocess.run(
            ["sh", "-c", lines, script],
            env={**os.environ, **told, "CURL_HOME": str(self.folder)},
            cwd=self.folder,
            capture_output=True,
            timeout=PATIENCE_S,
        )
        assert (done.returncode, done.stderr) == (0, b""), (lines, done)
        # There may be a word in between that more may be sent.
        *_, last = re.split(r"\r\n(?=HTTP/)", head.read_text("latin-1"))
        status = re.match(r"HTTP/\S+ (\d+)", last)
        kind = re.search(r"(?im)^content-type: *([^;\s]*)", last)
        assert status is not None, last
        return Said(int(status[1]), kind[1] if kind else "", done.stdout.decode())


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Have two nodes, and let callers of the follower's REST server do all."""
    listen = "external_ip = 127.0.0.1 and external_port = 0 and bind = true"
    with ExitStack() as stack:
        nodes = []
        for name in ("master", "follower"):
            node = stack.enter_context(NodeProcess(folder / name))
            assert node.ask("create work directories") == []
            (told,) = node.ask(f"run tcp server where {listen}")
            nodes.append((node, told.rpartition(" ")[2]))
        (master, peer), (follower, here) = nodes
        master.ask("connect dbms blockchain where type = sqlite")
        master.ask("create table ledger where dbms = blockchain")
        sync = "run blockchain sync where time = 1 second and dest = file and source"
        assert master.ask(f"{sync} = dbms") == []
        assert follower.ask(f"{sync} = master and connection = {peer}") == []
        (told,) = follower.ask(f"run rest server where {listen}")
        assert follower.ask("set rest anonymous = admin") == []
        curlrc = f'silent\nshow-error\ndump-header = "{folder}/head"\n'
        (folder / ".curlrc").write_text(curlrc)
        yield Pair(folder, follower, master, told.rpartition("//")[2], here, peer)


def blocks(script: str) -> dict[str, str]:
    """Return the calls of an example by the comment above them, in their order."""
    _, *found = re.split(r"\n\n(?=# )", (EXAMPLES / script).read_text().rstrip())
    titles = [block.partition("\n")[0].removeprefix("# ") for block in found]
    assert len(set(titles)) == len(titles)
    assert all(block.count("curl -") + block.count('curl "') == 1 for block in found)
    return dict(zip(titles, found, strict=True))


def documented(page: str) -> list[str]:
    """Return what the blocks of a page tell to type: calls by curl, and commands of a node."""
    text = (ROOT / "docs" / page).read_text()
    found = []
    for block in re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if "curl" in block:
            joined = re.sub(r"(\\\n|\n(?=\s)) *", " ", block)
            found += [line for line in joined.splitlines() if not line.startswith("{")]
    return found
