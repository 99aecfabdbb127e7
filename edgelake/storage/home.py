"""The home folder of a node: its tree, its names in the language, and its lock."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from edgelake.errors import HomeLocked, StorageError
from edgelake.storage.atomic import make_folder, remove_stale_temporaries
from edgelake.storage.reach import Reach

__all__ = ["Home"]

_DATA = (
    "archive",
    "bkup",
    "blobs",
    "bwatch",
    "dbms",
    "distr",
    "error",
    "pem",
    "prep",
    "test",
    "tmp",
    "watch",
)
_CLOSED_TO_PEERS = ("dbms", "pem")
_MAX_PID_BYTES = 20


class Home:
    """The folders of one node.

    Parameters
    ----------
    root : Path
        The home folder; nothing is made before it is asked for.

    Notes
    -----
    Thread-safe. Owns the descriptor of the lock file while locked; the kernel
    frees the lock when the process dies.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self._guard = threading.Lock()
        self._lock_file: int | None = None

    # ------------------------------------------------------------- the tree

    @property
    def base(self) -> Path:
        """The folder ``EdgeLake`` that holds everything but the console's history."""
        return self.root / "EdgeLake"

    @property
    def blockchain_dir(self) -> Path:
        """Folder of the ledger's files."""
        return self.base / "blockchain"

    @property
    def ledger_file(self) -> Path:
        """The local ledger."""
        return self.blockchain_dir / "blockchain.json"

    @property
    def users_file(self) -> Path:
        """Who may call by REST, with hashes of their passwords; out of reach of all peers."""
        return self.base / "users.json"

    @property
    def databases_dir(self) -> Path:
        """Folder of SQLite files."""
        return self.base / "data" / "dbms"

    @property
    def prep_dir(self) -> Path:
        """Folder where data gathers before it is whole."""
        return self.base / "data" / "prep"

    @property
    def watch_dir(self) -> Path:
        """Folder where data files wait for who takes them."""
        return self.base / "data" / "watch"

    @property
    def scripts_dir(self) -> Path:
        """Folder of the operator's scripts."""
        return self.base / "scripts"

    @property
    def log_file(self) -> Path:
        """The log file; older ones lie beside it."""
        return self.base / "log" / "edgelake.log"

    def work_directories(self) -> tuple[Path, ...]:
        """Return every folder of the tree, parents before their children."""
        data = self.base / "data"
        return (
            self.base,
            self.blockchain_dir,
            self.base / "anylog",
            data,
            *(data / name for name in _DATA),
            self.scripts_dir,
        )

    def reach_of_peers(self) -> Reach:
        """Return which files peers may touch at the level ``admin``.

        They depend on the home folder alone and not on variables, which peers of
        that level can change. Keys, ids and scripts are not among them; the ledger's
        and the databases' files can only be read.
        """
        data = self.base / "data"
        shared = [data / name for name in _DATA if name not in _CLOSED_TO_PEERS]
        return Reach([*shared, self.databases_dir, self.blockchain_dir], shared)

    def reach_of_strangers(self) -> Reach:
        """Return which files peers may read at every level: the ledger, which is for all."""
        return Reach((), (), (self.ledger_file,))

    def create_root(self) -> None:
        """Make the home folder and its parents; one that exists is kept.

        Raises
        ------
        StorageError
        """
        _make_folder(self.root)

    def create_work_directories(self) -> None:
        """Make every folder of the tree; those that exist are kept.

        Raises
        ------
        StorageError
        """
        self.create_root()
        for folder in self.work_directories():
            _make_folder(folder)

    def variables(self) -> dict[str, str]:
        """Return the entries that the node's dictionary has at start.

        Notes
        -----
        Source: command reference, "Reserved dictionary entries present at start".
        """
        data = self.base / "data"
        ledger = self.ledger_file
        entries = {
            "edgelake_path": self.root,
            "blockchain_dir": self.blockchain_dir,
            "blockchain_file": ledger,
            "blockchain_new": ledger.with_suffix(".new"),
            "blockchain_sql": ledger.with_suffix(".sql"),
            "local_scripts": self.scripts_dir,
            "id_dir": self.base / "anylog",
            "err_dir": data / "error",
            **{f"{name}_dir": data / name for name in _DATA if name != "error"},
        }
        return {name: str(path) for name, path in entries.items()}

    # ------------------------------------------------------------- the lock

    @property
    def locked(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock_file is not None

    def lock(self) -> None:
        """Keep other processes from writing here, until `unlock` or the end of the process.

        Makes the home folder if needed and removes what a process that died
        left half written. A second call changes nothing.

        Raises
        ------
        HomeLocked
            Another process, or another object of this one, has the lock.
        StorageError
            The lock file cannot be made.
        """
        with self._guard:
            if self._lock_file is not None:
                return
            self.create_root()
            descriptor = self._open_lock()
            try:
                _take(descriptor, self.root)
                for folder in self.work_directories():
                    remove_stale_temporaries(folder)
            except BaseException:
                os.close(descriptor)
                raise
            self._lock_file = descriptor

    def unlock(self) -> None:
        """Let other processes write here; may be called twice."""
        with self._guard:
            descriptor, self._lock_file = self._lock_file, None
            if descriptor is not None:
                os.close(descriptor)

    def _open_lock(self) -> int:
        path = self.root / ".lock"
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as exc:
            raise StorageError(f"cannot open '{path}': {(exc.strerror or '').lower()}") from exc


def _take(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, _MAX_PID_BYTES, 0).decode(errors="replace").strip()
        by = f"process {owner}" if owner.isdigit() else "another process"
        raise HomeLocked(
            f"home '{root}' is used by {by}",
            hint="stop it first, or choose another folder with --home",
        ) from None
    except OSError as exc:
        raise StorageError(f"cannot lock home '{root}': {(exc.strerror or '').lower()}") from exc
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as exc:
        raise StorageError(
            f"cannot write the lock of home '{root}': {(exc.strerror or str(exc)).lower()}"
        ) from exc


def _make_folder(path: Path) -> None:
    try:
        make_folder(path)
    except OSError as exc:
        raise StorageError(
            f"cannot make folder '{path}': {(exc.strerror or str(exc)).lower()}"
        ) from exc
