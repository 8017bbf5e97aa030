"""The warning about an open port of S2-Lite. All of 127.0.0.0/8 is this machine on Linux, so that another
address of it stands for one that the network reaches."""

import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from cli.exposure import exposure_warning, own_addresses

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only 127.0.0.1 is loopback")

OUTSIDE = "127.0.0.2"
Listen = Callable[[str], int]


@pytest.fixture
def listen() -> Iterator[Listen]:
    sockets = []

    def on(address: str) -> int:
        listening = socket.create_server((address, 0))
        sockets.append(listening)
        return int(listening.getsockname()[1])

    yield on
    for listening in sockets:
        listening.close()


async def test_exposure_of_a_port_on_all_interfaces_is_warned_of(listen: Listen) -> None:
    port = listen("0.0.0.0")
    warning = await exposure_warning(port, [OUTSIDE])
    assert warning is not None
    assert OUTSIDE in warning
    assert "streams are encrypted" in warning
    assert "delete" in warning
    assert f"tcp dport {port} drop" in warning
    assert f"ufw deny {port}/tcp" in warning
    assert f"127.0.0.1:{port}" in warning


async def test_exposure_names_only_the_addresses_that_answer(listen: Listen) -> None:
    warning = await exposure_warning(listen(OUTSIDE), ["127.0.0.3", OUTSIDE])
    assert warning is not None
    assert "127.0.0.3" not in warning


async def test_exposure_of_a_loopback_port_is_none(listen: Listen) -> None:
    assert await exposure_warning(listen("127.0.0.1"), [OUTSIDE]) is None


async def test_exposure_without_other_addresses_is_none(listen: Listen) -> None:
    assert await exposure_warning(listen("0.0.0.0"), []) is None


async def test_exposure_is_found_at_the_machines_own_addresses(listen: Listen) -> None:
    port = listen("0.0.0.0")
    warning = await exposure_warning(port)
    assert (warning is not None) == bool(own_addresses())
    for address in own_addresses():
        assert warning is not None
        assert address in warning


def test_own_addresses_leave_out_loopback() -> None:
    assert not any(address.startswith("127.") for address in own_addresses())
