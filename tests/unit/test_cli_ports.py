"""A port before it is used: a free one, or who has it and what to set."""

import os
import socket
import sys
from collections.abc import Iterator

import pytest

from cli.ports import PortUnavailable, choose_port, port_holder


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_port_zero_is_a_free_one(host: str) -> None:
    port = choose_port(host, 0, "STREAMTTS_PORT")
    with socket.create_server((host, port)) as listening:
        assert listening.getsockname()[1] == port


def test_port_that_is_free_stays() -> None:
    port = free_port()
    assert choose_port("127.0.0.1", port, "STREAMTTS_PORT") == port


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_port_taken_names_the_port_the_setting_and_the_holder(host: str, taken: int) -> None:
    with pytest.raises(PortUnavailable, match=f"port {taken} is taken") as raised:
        choose_port(host, taken, "STREAMTTS_S2_PORT")
    assert "set STREAMTTS_S2_PORT" in str(raised.value)
    if sys.platform == "linux":
        assert f"(pid {os.getpid()})" in str(raised.value)


def test_port_of_an_address_that_is_not_here_names_the_setting() -> None:
    with pytest.raises(PortUnavailable, match="STREAMTTS_HOST"):
        choose_port("203.0.113.7", 0, "STREAMTTS_PORT")


def test_port_of_a_host_that_is_none_names_the_setting() -> None:
    with pytest.raises(PortUnavailable, match="STREAMTTS_HOST"):
        choose_port("not a host", 0, "STREAMTTS_PORT")


def test_port_that_nobody_holds_has_no_holder() -> None:
    assert port_holder(free_port()) is None
