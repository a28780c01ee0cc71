"""Downloads from a server on this machine that breaks off, lies, or is not there."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dlbook._files import DamagedFileError
from dlbook.data.downloads import fetch

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """Serve CONTENT with ranges; ``server.breaks`` closes that many answers half-way, ``server.asked`` lists ranges."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            self.server.asked.append(first)
            if first and not self.server.ranges:
                first = 0
            self.send_response(206 if first else 200)
            rest = self.server.content[first:]
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            if self.server.breaks:
                self.server.breaks -= 1
                rest = rest[: len(rest) // 2]
            self.wfile.write(rest)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.breaks, server.asked, server.ranges = CONTENT, 0, [], True
    server.url = f"http://127.0.0.1:{server.server_port}/set.bin"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_is_fetched_once(server, own_cache):
    path = fetch("set.bin", server.url, SHA256, instead="nothing")
    assert path.read_bytes() == CONTENT
    assert fetch("set.bin", server.url, SHA256, instead="nothing") == path
    assert len(server.asked) == 1
    assert [p.name for p in own_cache.iterdir()] == ["set.bin"]


def test_a_broken_download_is_resumed_where_it_broke(server, own_cache):
    server.breaks = 1
    with pytest.raises(ConnectionError, match=r"set\.bin is not in the cache"):
        fetch("set.bin", server.url, SHA256, instead="use mnist()")
    assert not (own_cache / "set.bin").exists()
    assert fetch("set.bin", server.url, SHA256, instead="use mnist()").read_bytes() == CONTENT
    assert server.asked[0] == 0
    assert 0 < server.asked[1] <= len(CONTENT) // 2


def test_a_server_without_ranges_sends_it_all_again(server, own_cache):
    server.breaks, server.ranges = 1, False
    with pytest.raises(ConnectionError):
        fetch("set.bin", server.url, SHA256, instead="nothing")
    assert fetch("set.bin", server.url, SHA256, instead="nothing").read_bytes() == CONTENT


def test_other_content_is_refused_and_not_kept(server, own_cache):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(DamagedFileError, match=r"is not set\.bin"):
        fetch("set.bin", server.url, SHA256, instead="nothing")
    assert not [p for p in own_cache.iterdir() if p.name.startswith("set.bin")]


def test_without_a_network_the_error_says_what_to_do(own_cache):
    with pytest.raises(ConnectionError) as caught:
        fetch("set.bin", "http://192.0.2.1/set.bin", SHA256, instead="use the bundled subset: cifar10()")
    said = str(caught.value)
    assert "http://192.0.2.1/set.bin" in said
    assert str(own_cache / "set.bin") in said
    assert "or use the bundled subset: cifar10()" in said


def test_a_file_put_there_by_hand_is_used(own_cache):
    own_cache.mkdir()
    (own_cache / "set.bin").write_bytes(CONTENT)
    assert fetch("set.bin", "http://192.0.2.1/set.bin", SHA256, instead="nothing").read_bytes() == CONTENT
