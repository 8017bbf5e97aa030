"""The data folder: made on first start, held by one `up` at a time, and home of the keys."""

import base64
import binascii
import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from casts.errors import SettingsError, StreamTTSError
from casts.settings import Settings
from cli.file_lock import open_locked
from streams.admin_key import admin_key_path, read_admin_key

FOLDER_MODE = 0o700
KEY_MODE = 0o600
KEY_BYTES = 32
LOCK_NAME = "lock"
KEY_NAME = "s2.key"
STORE_NAME = "s2"


class DataFolderError(StreamTTSError):
    """The data folder cannot be used. The message says why and what to do."""


@contextmanager
def held_data_folder(data: Path, command: str) -> Iterator[Path]:
    """Make the folder where it is missing and hold it: its absolute path.

    Two S2-Lites on one folder would cut each other's writes off, so a second start must fail here, early.

    Raises:
        DataFolderError: it cannot be made or written, or another process holds it.
    """
    folder = data.expanduser().absolute()
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = open_locked(folder / LOCK_NAME)
    except OSError as error:
        raise DataFolderError(
            f"the data folder {folder} cannot be used: {error.strerror}; STREAMTTS_DATA names another one"
        ) from error
    if descriptor is None:
        raise DataFolderError(_held_by(folder))
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = f"pid {os.getpid()}\nhost {socket.gethostname()}\nsince {since}\ncommand {command}\n"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield folder
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _held_by(folder: Path) -> str:
    lines = (folder / LOCK_NAME).read_text(errors="replace").splitlines()
    holder = dict(line.partition(" ")[::2] for line in lines)
    pid = holder.get("pid", "unknown")
    here = holder.get("host") in (None, socket.gethostname())
    where = "" if here else f" on {holder['host']}"
    return (
        f"the data folder {folder} is in use by `{holder.get('command', 'another start')}`, pid {pid}{where}, "
        f"since {holder.get('since', 'an unknown time')}: stop that one first (Ctrl-C there, "
        f"or `kill {pid}`{where}), or give this one its own folder and port with --data and --port"
    )


def load_or_make_key(settings: Settings, data: Path | None = None) -> str:
    """The base64 key of the stream cipher: the setting's, else the file's, which is made when there is none.

    `data` is the folder where it is not `settings.data`.

    Raises:
        SettingsError: STREAMTTS_S2_KEY is no base64 of 32 bytes.
        DataFolderError: the file cannot be read or written, holds no key, or is missing beside a store that was
            written with one.
    """
    if settings.s2_key:
        if not _is_key(settings.s2_key):
            raise SettingsError(f"STREAMTTS_S2_KEY is not the base64 of {KEY_BYTES} bytes")
        return settings.s2_key
    folder = (data or settings.data).expanduser().absolute()
    path = folder / KEY_NAME
    try:
        if not path.exists():
            _refuse_orphaned_store(folder)
            _make_secret(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)))
        key = path.read_text("ascii", errors="replace").strip()
    except OSError as error:
        raise DataFolderError(f"the key file {path} cannot be used: {error.strerror}") from error
    if not _is_key(key):
        raise DataFolderError(f"{path} holds no key: restore it from a backup; the store cannot be read without it")
    return key


def make_admin_key(settings: Settings) -> None:
    """See to it that there is an admin key: the setting's, else the file's, which is made when there is none.

    Raises:
        SettingsError: the setting or the file holds something that is no admin key.
        DataFolderError: the file cannot be read or written.
    """
    path = admin_key_path(settings.data)
    try:
        if read_admin_key(settings) is None:
            _make_secret(path, secrets.token_urlsafe(KEY_BYTES).encode())
    except OSError as error:
        raise DataFolderError(f"the key file {path} cannot be used: {error.strerror}") from error


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _refuse_orphaned_store(folder: Path) -> None:
    store = folder / STORE_NAME
    if store.is_dir() and any(store.iterdir()):
        raise DataFolderError(
            f"{store} holds a store, but its key {folder / KEY_NAME} is gone: restore the file from a backup, set "
            f"STREAMTTS_S2_KEY if the key came from there, or move {store} away to begin anew"
        )


def _make_secret(path: Path, secret: bytes) -> None:
    """Put a new key in place whole and on disk; where another start was faster, its key stays."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, KEY_MODE)
    try:
        os.write(descriptor, secret + b"\n")
        os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.close(descriptor)
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
