"""Is S2-Lite's port open to the network? It listens on all interfaces and asks nobody who he is."""

import asyncio
import contextlib
import ipaddress
import socket
import struct
import sys
from collections.abc import Collection

CONNECT_S = 0.5
SIOCGIFADDR = 0x8915
ELSEWHERE = ("192.0.2.1", 9)  # an address for documentation (RFC 5737); nothing is sent to it


async def exposure_warning(port: int, addresses: Collection[str] | None = None) -> str | None:
    """A warning for the operator when the port answers at an address that is not loopback.

    `addresses`: where to look; None: this machine's own. Never fails: what cannot be found out is not warned of.
    """
    looked_at = own_addresses() if addresses is None else addresses
    open_at = [address for address, is_open in await _look(port, looked_at) if is_open]
    if not open_at:
        return None
    return f"""Warning: S2-Lite's port {port} answers at {", ".join(open_at)}, and S2-Lite asks for no password.
No text leaks, since streams are encrypted, but whoever reaches the port can delete them or append garbage.
Close it by one of
  iptables -I INPUT -p tcp --dport {port} ! -d 127.0.0.0/8 -j DROP
  nft 'add table inet streamtts; add chain inet streamtts in {{ type filter hook input priority 0; }};
       add rule inet streamtts in ip daddr != 127.0.0.0/8 tcp dport {port} drop'
  ufw deny {port}/tcp, or an S2-Lite in a container that publishes 127.0.0.1:{port} alone (STREAMTTS_S2_URL)
Not seen from here: a firewall in front of this machine, or one that lets its own traffic pass, as ufw does."""


def own_addresses() -> list[str]:
    """This machine's IPv4 addresses beyond loopback, sorted. IPv4 alone: S2-Lite listens on 0.0.0.0."""
    found = {*_of_host_name(), *_of_default_route(), *_of_interfaces()}
    return sorted(address for address in found if not ipaddress.IPv4Address(address).is_loopback)


def _of_host_name() -> set[str]:
    with contextlib.suppress(OSError, UnicodeError):
        answers = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
        return {str(answer[4][0]) for answer in answers}
    return set()


def _of_default_route() -> set[str]:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(ELSEWHERE)  # chooses a route and a source address, sends nothing
        return {str(probe.getsockname()[0])}
    return set()


def _of_interfaces() -> set[str]:
    if sys.platform != "linux":
        return set()
    import fcntl

    found = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):  # an interface without an IPv4 address
                answer = fcntl.ioctl(any_socket.fileno(), SIOCGIFADDR, request)
                found.add(socket.inet_ntoa(answer[20:24]))
    return found


async def _look(port: int, addresses: Collection[str]) -> list[tuple[str, bool]]:
    answers = await asyncio.gather(*(_connects(address, port) for address in addresses))
    return list(zip(addresses, answers, strict=True))


async def _connects(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
