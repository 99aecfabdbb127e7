"""The home folder: tree, names, lock."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edgelake.errors import HomeLocked, StorageError
from edgelake.storage import Home

DATA = (
    "archive",
    "bkup",
    "blobs",
    "bwatch",
    "dbms",
    "distr",
    "pem",
    "prep",
    "test",
    "tmp",
    "watch",
)

HOLD = """
import sys
from pathlib import Path
from edgelake.storage import Home
home = Home(Path(sys.argv[1]))
home.lock()
print("locked", flush=True)
sys.stdin.read()
"""


def test_the_tree_is_that_of_the_network(tmp_path):
    home = Home(tmp_path / "deep" / "home")
    assert not home.root.exists()
    home.create_work_directories()
    home.create_work_directories()
    made = {str(p.relative_to(home.root)) for p in home.root.rglob("*") if p.is_dir()}
    assert made == {
        "EdgeLake",
        "EdgeLake/blockchain",
        "EdgeLake/anylog",
        "EdgeLake/scripts",
        "EdgeLake/data",
        *(f"EdgeLake/data/{name}" for name in ("error", *DATA)),
    }


def test_existing_files_are_kept(tmp_path):
    home = Home(tmp_path)
    home.create_work_directories()
    home.ledger_file.write_text("kept")
    home.create_work_directories()
    assert home.ledger_file.read_text() == "kept"


def test_the_dictionary_names_the_folders(tmp_path):
    home = Home(tmp_path)
    variables = home.variables()
    base = f"{tmp_path}/EdgeLake"
    assert variables["edgelake_path"] == str(tmp_path)
    assert variables["blockchain_file"] == f"{base}/blockchain/blockchain.json"
    assert variables["blockchain_new"] == f"{base}/blockchain/blockchain.new"
    assert variables["blockchain_sql"] == f"{base}/blockchain/blockchain.sql"
    assert variables["local_scripts"] == f"{base}/scripts"
    assert variables["err_dir"] == f"{base}/data/error"
    assert variables["id_dir"] == f"{base}/anylog"
    for name in DATA:
        assert variables[f"{name}_dir"] == f"{base}/data/{name}"
    home.create_work_directories()
    assert all(
        os.path.isdir(path) for name, path in variables.items() if name.endswith(("_dir", "_path"))
    )


def test_a_relative_home_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = Home("here")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert home.root == tmp_path / "here"


def test_one_process_at_a_time(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"
        home = Home(tmp_path)
        with pytest.raises(HomeLocked, match=f"is used by process {owner.pid}$"):
            home.lock()
        assert not home.locked
        owner.kill()
        owner.wait(30)
        home.lock()
        assert home.locked
        home.unlock()


def test_one_object_at_a_time(tmp_path):
    first, second = Home(tmp_path), Home(tmp_path)
    first.lock()
    first.lock()
    with pytest.raises(HomeLocked, match=f"process {os.getpid()}$"):
        second.lock()
    first.unlock()
    first.unlock()
    second.lock()
    second.unlock()


def test_locking_clears_what_a_dead_writer_left(tmp_path):
    home = Home(tmp_path)
    home.create_work_directories()
    left = home.blockchain_dir / ".blockchain.json.0123456789abcdef.edgelake-tmp"
    left.touch()
    home.lock()
    home.unlock()
    assert not left.exists()


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    home = Home(tmp_path / "file" / "home")
    for attempt in (home.create_root, home.lock, home.create_work_directories):
        with pytest.raises(StorageError, match=r"cannot make folder .*file/home"):
            attempt()


def test_the_lock_does_not_follow_links(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StorageError, match="cannot open"):
        Home(tmp_path).lock()
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_lock_that_cannot_be_written_is_a_storage_error_and_is_let_go(tmp_path):
    script = """
import resource, sys
from pathlib import Path
from edgelake.errors import StorageError
from edgelake.storage import Home
root = Path(sys.argv[1])
root.mkdir()
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
home = Home(root)
try:
    home.lock()
except StorageError as exc:
    print(exc)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
Home(root).lock()
print(home.locked)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "node")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    message, locked = done.stdout.splitlines()
    assert message.startswith(f"cannot write the lock of home '{tmp_path / 'node'}': file too")
    assert locked == "False"
