"""Refuse every address but this machine's own, in this process and (through PYTHONPATH) in all that it starts.

Blocking sockets altogether would end asyncio, and with it every kernel.
"""

import ipaddress
import socket


class NetworkRefusedError(OSError):
    """A test tried to reach the network."""


def _refuse(address: object) -> None:
    if isinstance(address, tuple):
        host = str(address[0])
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            local = host in ("localhost", "")
        if not local:
            raise NetworkRefusedError(f"tests run without a network, and this one asked for {host}")


class _Socket(socket.socket):
    def connect(self, address: object) -> None:  # type: ignore[override]
        _refuse(address)
        super().connect(address)  # type: ignore[arg-type]

    def connect_ex(self, address: object) -> int:  # type: ignore[override]
        _refuse(address)
        return super().connect_ex(address)  # type: ignore[arg-type]


def _getaddrinfo(host, *args, **kwargs):  # type: ignore[no-untyped-def]
    _refuse((host.decode() if isinstance(host, bytes) else host or "",))
    return _resolve(host, *args, **kwargs)


if socket.socket is not _Socket:
    _resolve = socket.getaddrinfo
    socket.socket = _Socket  # type: ignore[misc]
    socket.getaddrinfo = _getaddrinfo
