"""The network is refused, here and in what a test starts."""

import socket
import subprocess
import sys

import pytest


def test_refuses_an_outside_address_by_number_and_by_name():
    with pytest.raises(OSError, match=r"asked for 192\.0\.2\.1"), socket.socket() as outside:  # TEST-NET-1: nobody's
        outside.connect(("192.0.2.1", 80))
    with pytest.raises(OSError, match=r"asked for example\.org"):
        socket.getaddrinfo("example.org", 80)


def test_subprocesses_are_refused_too():
    code = "import socket; socket.create_connection(('192.0.2.1', 80))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "without a network" in run.stderr


def test_loopback_works():
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
