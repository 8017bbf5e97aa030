"""The worker's stable name: random, kept and locked in its data folder.

A restarted worker finds its name again and takes its own casts back at once; two workers that share a folder get
different names.
"""

import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

MAX_WORKERS_A_FOLDER = 64
NAME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Identity:
    """A name that nobody else uses while `lock_fd` is open."""

    name: str
    lock_fd: int

    def release(self) -> None:
        os.close(self.lock_fd)


def take_identity(data: Path) -> Identity:
    """The first name in the folder that no living worker holds; a new one where all are held.

    Raises:
        OSError: the folder cannot be written, or more than 64 workers share it.
    """
    folder = data / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(1, MAX_WORKERS_A_FOLDER + 1):
        lock_fd = os.open(folder / f"{place}.name", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock_fd)
            continue
        name = os.pread(lock_fd, 2 * NAME_BYTES, 0).decode("ascii", "replace")
        if len(name) != 2 * NAME_BYTES or not name.isalnum():  # new, or torn by a crash at its first writing
            name = secrets.token_hex(NAME_BYTES)
            os.pwrite(lock_fd, name.encode(), 0)
            os.fsync(lock_fd)
        return Identity(name, lock_fd)
    raise OSError(f"more than {MAX_WORKERS_A_FOLDER} workers share {folder}")
