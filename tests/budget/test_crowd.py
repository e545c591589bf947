"""What one connection costs does not grow with how many there are: counted among few, and among many."""

import socket

from harness.redis import Redis

from callgrind import CountedRelay
from gate import rest
from paths import OPTIONS

FEW, MANY = 100, 3000
COUNTED = 50
HALF_A_REQUEST = b"GET /ws HTTP/1.1\r\nHost: "


def stranger(node):
    tcp = socket.create_connection(("127.0.0.1", node.port))
    tcp.sendall(HALF_A_REQUEST)
    return tcp


def test_a_request_that_never_comes_whole(tmp_path):
    """Who opens thousands of them, and leaves them to their deadline, must not stop the loop for all others."""
    redis = Redis(tmp_path)
    node = CountedRelay(tmp_path, redis_url=redis.url, handshake_seconds_max=300, **OPTIONS)
    waiting = []

    def instructions(among):
        waiting.extend(stranger(node) for _ in range(among - len(waiting)))
        rest(node)
        node.start_counting()
        waiting.extend(stranger(node) for _ in range(COUNTED))
        rest(node)
        for oldest in waiting[:COUNTED]:
            oldest.close()
        del waiting[:COUNTED]
        rest(node)
        return node.stop_counting().total() / COUNTED

    try:
        node.wait_ready()
        few = instructions(FEW)
        many = instructions(MANY)
    finally:
        node.kill()
        redis.stop()
    assert many < 1.5 * few, f"{few:.0f} among {FEW}, {many:.0f} among {MANY}"
