"""Addresses of a site: nobody is given what somebody else will open."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from emulator import addresses


class Named:
    """A socket that the system gives the next of some ports."""

    ports: Iterator[int]

    def __enter__(self) -> Named:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def bind(self, address: tuple[str, int]) -> None:
        self.host = address[0]

    def getsockname(self) -> tuple[str, int]:
        return self.host, next(self.ports)


def test_a_port_that_the_system_names_twice_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Named.ports = iter([5000, 5000, 5000, 5001, 5000])
    monkeypatch.setattr(socket, "socket", Named)
    assert [addresses.free_port("127.9.9.1"), addresses.free_port("127.9.9.1")] == [5000, 5001]
    assert addresses.free_port("127.9.9.2") == 5000
