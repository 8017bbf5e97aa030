"""Ports before they are used: a free one, or a clear word about who has the wanted one."""

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

from casts.errors import StreamTTSError

LISTEN = "0A"
SHOWN_CHARACTERS = 60


class PortUnavailable(StreamTTSError):
    """A service cannot listen where it should. The message names the port, its holder and the setting."""


def choose_port(host: str, wanted: int, setting: str) -> int:
    """`wanted`, or a free port where it is 0.

    `setting` is the variable that changes it. The port is free at this moment; nobody reserves it.

    Raises:
        PortUnavailable: it is taken, not allowed, or `host` is no address of this machine.
    """
    try:
        answers = socket.getaddrinfo(host, wanted, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise PortUnavailable(f"{host} is no address to listen on ({error.strerror}): check STREAMTTS_HOST") from error
    port = wanted
    for family, kind, protocol, _, address in answers:
        port = _try(family, kind, protocol, (address[0], port, *address[2:]), setting)
    return port


def _try(family: int, kind: int, protocol: int, address: tuple[str | int, ...], setting: str) -> int:
    host, port = address[0], int(address[1])
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the services do
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise PortUnavailable(_why(error, host, port, setting)) from error
        return int(probe.getsockname()[1])


def _why(error: OSError, host: str | int, port: int, setting: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            holder = port_holder(port)
            by = f" by {holder}" if holder else ""
            return f"port {port} is taken{by}: stop that, or set {setting} to another port (0 takes a free one)"
        case errno.EACCES:
            return f"port {port} needs rights that this user lacks: set {setting} to a port above 1023"
        case errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine: check STREAMTTS_HOST"
        case _:
            return f"port {port} on {host} cannot be used ({error.strerror}): check {setting}"


def port_holder(port: int) -> str | None:
    """`name (pid n)` of a process that listens on the port, where the system lets us see it (Linux, same user)."""
    if sys.platform != "linux":
        return None
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone by now
            if any(os.readlink(entry) in sockets for entry in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                return f"`{words[:SHOWN_CHARACTERS]}` (pid {process.name})"
    return None


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                    found.add(columns[9])
    return found
