"""Moving all clients away."""

import json
import threading
import time

from client import request, upgrade


def test_spread(start):
    node = start("--drain-seconds", 3)
    clients = [node.client() for _ in range(60)]
    ends = [None] * len(clients)
    told = [None] * len(clients)

    def stay(i):
        word, told[i] = clients[i].receive().split()
        assert word == "drain"
        ends[i] = (clients[i].closing(), time.monotonic())

    threads = [threading.Thread(target=stay, args=(i,)) for i in range(len(clients))]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    node.signal()
    while request(node.port, path="/readyz")[0] == 200:
        assert time.monotonic() - begun < 15

    # HTTP goes on, for whoever asks whether the node is ready; newcomers are sent elsewhere.
    status, _, body = request(node.port, path="/readyz")
    assert (status, json.loads(body)) == (503, {"status": "unready", "reason": "draining"})
    status, headers, _ = upgrade(node.port)
    assert (status, headers["retry-after"]) == (503, "0")
    assert request(node.port, path="/livez")[0] == 200
    assert request(node.port, path="/ping")[0] == 200

    for thread in threads:
        thread.join()
    node.wait()
    assert time.monotonic() - begun < 15
    assert {closed.code for closed, _ in ends} == {1012}
    # Over the window, evenly; a busy machine may tell late, and then of less time to go.
    moments = sorted(int(ms) for ms in told)
    assert moments[-1] < 3000 and moments[-1] - moments[0] > 2000
    assert abs(moments[30] - (moments[0] + moments[-1]) / 2) < 300
    # Those that stayed were closed in the same rhythm, none before its moment.
    times = sorted(moment - begun for _, moment in ends)
    assert times[30] > 1.2 and times[-1] > 2.6


def test_who_goes_is_not_waited_for(start):
    node = start("--drain-seconds", 30)
    clients = [node.client() for _ in range(5)]
    node.signal()
    for client in clients:
        client.receive()
        client.close(1000)
    begun = time.monotonic()
    node.wait()
    assert time.monotonic() - begun < 15


def test_nobody_there(start):
    node = start("--drain-seconds", 30)
    begun = time.monotonic()
    node.signal()
    node.wait()
    assert time.monotonic() - begun < 15


def test_at_once(start):
    node = start("--drain-seconds", 0)
    clients = [node.client() for _ in range(200)]
    begun = time.monotonic()
    node.signal()
    for client in clients:
        client.receive()
        assert client.closing().code == 1012
    node.wait()
    assert time.monotonic() - begun < 15


def test_patience_lost(start):
    node = start("--drain-seconds", 60)
    clients = [node.client() for _ in range(20)]
    node.signal()
    for client in clients:
        assert client.receive().startswith("drain ")
    begun = time.monotonic()
    node.signal()
    for client in clients[:-1]:
        assert client.closing().code == 1001
    # The last one ignores even the close.
    node.wait()
    assert time.monotonic() - begun < 15
    clients[-1].hang_up()


def test_full_outboxes_do_not_hold_it_up(start):
    node = start("--drain-seconds", 1, "--outbox-bytes-max", 64 << 20)
    clients = [node.client(receive_buffer=4096) for _ in range(5)]
    for client in clients:
        client.send("blast 100 100000")
        client.receive()
    begun = time.monotonic()
    node.signal()
    node.wait(20)
    assert time.monotonic() - begun < 30
    for client in clients:
        client.hang_up()
