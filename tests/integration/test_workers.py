"""
--workers: several processes on one port, each a node. Any of them answers for all; one that dies is
replaced; and they end as one.
"""

import http.client
import os
import re
import signal
import subprocess

import pytest

from harness import patience
from harness.client import Place, fence
from harness.raw import RawSocket, upgrade_request
from harness.process import stat_after_name
from harness.redis import free_port
from harness.relay import BINARY, SANITIZERS

WORKERS = 3
QUESTIONS = 30  # each by a connection of its own: that all get to one worker is as good as impossible


def pids(relay):
    """Of the workers, by their numbers, as they are now."""
    found = re.findall(r"event=worker_started worker=(\d+) pid=(\d+)", relay.log())
    return {int(worker): int(pid) for worker, pid in found}


def worker_of(relay, peer):
    return int(re.findall(rf"event=joined worker=(\d+) .* peer={peer}\b", relay.log())[-1])


async def join_each(relay, mesh, workers=WORKERS, prefix="p"):
    """Lets peers join until each worker has at least one; returns them by worker."""
    clients = {}
    for number in range(100):
        client = await Place(relay, mesh).join(f"{prefix}{number}")
        clients.setdefault(worker_of(relay, client.id), []).append(client)
        if len(clients) == workers:
            return clients
    raise AssertionError(f"one worker gets no sockets: {clients}")


def everybody(clients):
    return [client for some in clients.values() for client in some]


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return stat_after_name(pid)[0] == "Z"


@pytest.fixture
def start(start_relay):
    return lambda **options: start_relay(**{"workers": WORKERS, **options})


async def test_peers_on_all_workers_meet(start, mesh):
    relay = start()
    clients = everybody(await join_each(relay, mesh))
    for sender in clients:
        await sender.send("broadcast", {"by": sender.id}, turnId=sender.id)
    for receiver in clients:
        for sender in clients:
            if sender is not receiver:
                await receiver.expect(type="broadcast", data={"by": sender.id})
                await fence(sender, receiver)


async def test_any_worker_answers_for_all(start, mesh):
    relay = start()
    clients = everybody(await join_each(relay, mesh))
    for number in range(5):
        await clients[0].send("broadcast", {"n": number}, turnId="t")
    await clients[-1].collect(5, type="broadcast")
    busy_since = relay.get("/ping").json["time_of_last_update"]
    for _ in range(QUESTIONS):
        assert relay.metric("p2p_relay_connections") == len(clients)
        assert relay.metric("p2p_relay_connects_total") == len(clients)
        assert relay.metric("p2p_relay_messages_received_total", type="broadcast") == 5
        assert relay.metric("p2p_relay_workers") == WORKERS
        assert relay.metric("p2p_relay_bus_state") == 3
        assert relay.get("/ping").json == {
            "status": "HealthyBusy",
            "time_of_last_update": busy_since,
        }


def test_listening_is_said_once(start):
    """Port 0 is one port for all, and said when all are there. Other lines say which worker it is."""
    relay = start()
    assert len(re.findall(r"event=listening", relay.log())) == 1
    assert len(pids(relay)) == WORKERS and not any(is_gone(pid) for pid in pids(relay).values())
    assert {int(n) for n in re.findall(r"bus_state worker=(\d+)", relay.log())} == set(
        range(WORKERS)
    )


def test_a_port_of_others_is_an_error(start, redis):
    """Those who share a port could share it with anybody: so the supervisor looks first."""
    relay = start()
    for workers in ("1", "2"):
        done = run(redis, listen=f"127.0.0.1:{relay.port}", workers=workers)
        assert done.returncode == 1 and "Address already in use" in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_wrong_options_are_told_once(redis):
    done = run(redis, listen="127.0.0.1:0", workers="3", redis_password_file="/nowhere")
    assert done.returncode == 2 and "--redis-password-file" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def run(redis, **options):
    words = [word for name in options for word in ("--" + name.replace("_", "-"), options[name])]
    return subprocess.run(
        [BINARY, "--redis-url", redis.url, *words],
        env={**os.environ, **SANITIZERS},
        capture_output=True,
        text=True,
        timeout=patience.SECONDS,
    )


async def test_the_admin_port_is_shared(start, mesh):
    port = free_port()
    relay = start(admin_listen=f"127.0.0.1:{port}")
    clients = everybody(await join_each(relay, mesh))
    for _ in range(QUESTIONS):
        assert ask(port, "/readyz") == (200, "ready\n")
        assert ask(port, "/livez") == (200, "live\n")
        assert f"\np2p_relay_connections {len(clients)}\n" in ask(port, "/metrics")[1]


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience.SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


async def test_connections_max_holds_for_all_together(start, mesh):
    relay = start(connections_max=5)
    for number in range(5):
        await Place(relay, mesh).join(f"p{number}")
    for _ in range(QUESTIONS):
        client = await RawSocket.open(relay)
        await client.send(upgrade_request())
        assert (await client.receive_end()).startswith(b"HTTP/1.1 503 ")
        client.close()
    assert relay.get("/readyz").json["reason"] == "full"


async def test_a_worker_that_dies_is_replaced(start, mesh):
    """Its own sockets are cut; nobody else notices more than its peers' going offline, once."""
    relay = start(ttl_seconds=2)
    clients = await join_each(relay, mesh)
    for client in everybody(clients):
        client.beat(0.5)
    dead = clients.pop(1)
    staying = everybody(clients)
    connects = relay.metric("p2p_relay_connects_total")
    os.kill(pids(relay)[1], signal.SIGKILL)
    for client in dead:
        await client.reader
    await patience.eventually(
        lambda: relay.metric("p2p_relay_worker_starts_total") == WORKERS + 1, "another worker"
    )
    for _ in range(QUESTIONS):
        assert relay.metric("p2p_relay_connects_total") == connects
        assert relay.metric("p2p_relay_connections") == len(staying)
        assert relay.get("/ping").json["status"] == "HealthyBusy"
    await patience.eventually(relay.is_ready, "readiness")
    assert relay.metric("p2p_relay_workers") == WORKERS
    for client in staying:
        for gone in dead:
            await client.expect(type="presence", from_=gone.id, data={"status": "offline"})
    new = await join_each(relay, mesh, prefix="new")
    assert new.keys() == {0, 1, 2}
    for client in staying:
        await fence(new[1][0], client)
        assert client.closed is None and len(client.offlines_of(dead[0].id)) == 1


async def test_what_dies_again_and_again_is_given_up(start, mesh):
    """Five deaths in a minute: those who live see to their clients, and the exit status tells."""
    relay = start(drain_seconds=0)
    relay.expected_dead = True
    alice = await Place(relay, mesh).join("alice")
    victim = (worker_of(relay, "alice") + 1) % WORKERS
    for deaths in range(1, 6):
        pid = pids(relay)[victim]
        assert alice.closed is None
        os.kill(pid, signal.SIGKILL)
        died = f"event=worker_died worker={victim} pid={pid} signal=9"
        await patience.eventually(lambda said=died: said in relay.log(), "the death")
        if deaths < 5:
            await patience.eventually(lambda old=pid: pids(relay)[victim] != old, "another")
    await alice.expect_close(1012)
    assert relay.wait() == 1
    assert relay.log().count("event=workers_keep_dying") == 1
    assert all(is_gone(pid) for pid in pids(relay).values())
    relay.popen.returncode = 0  # looked at


async def test_they_drain_as_one(start, start_relay, mesh):
    relay, other = start(drain_seconds=1), start_relay()
    clients = everybody(await join_each(relay, mesh))
    observer = await Place(other, mesh).join("observer")
    relay.terminate()
    for client in clients:
        await client.expect(type="drain", from_="relay")
        await client.expect_close(1012)
    assert relay.wait() == 0
    for client in clients:
        await observer.expect(type="presence", from_=client.id, data={"status": "offline"})
    assert all(is_gone(pid) for pid in pids(relay).values())


async def test_while_they_drain_none_is_ready(start, mesh):
    relay = start(drain_seconds=3600)
    clients = everybody(await join_each(relay, mesh))
    relay.terminate()
    for client in clients:
        await client.expect(type="drain")
    for _ in range(QUESTIONS):
        assert relay.get("/readyz").json["reason"] == "draining"
        assert relay.get("/livez").status == 200
    relay.signal(signal.SIGTERM)
    for client in clients:
        await client.expect_close(1001)
    assert relay.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_each_process_is_one(start, mesh, number):
    """So does a terminal at ^C, and systemd: it must not count as the second one."""
    relay = start(drain_seconds=1)
    clients = everybody(await join_each(relay, mesh))
    relay.expected_dead = True
    for pid in pids(relay).values():
        os.kill(pid, number)
    relay.signal(number)
    for client in clients:
        await client.expect_close(1012)
    assert relay.wait() == 0


async def test_without_a_supervisor_they_drain(start, mesh):
    relay = start(drain_seconds=1)
    clients = everybody(await join_each(relay, mesh))
    relay.kill()
    for client in clients:
        await client.expect(type="drain", from_="relay")
        await client.expect_close(1012)
    await patience.eventually(lambda: all(is_gone(p) for p in pids(relay).values()), "their end")


def test_told_to_stop_before_they_have_started(start_relays):
    for _ in range(5):
        relay = start_relays(1, workers=WORKERS)[0]
        relay.expected_dead = True
        os.kill(pids(relay)[0], signal.SIGKILL)
        patience.until(lambda log=relay.log: log().count("worker_started") > WORKERS, "another")
        relay.signal(signal.SIGTERM)
        assert relay.wait() == 0


async def test_a_worker_that_stands_still_is_noticed(start, mesh):
    """By the others, after some seconds: the kernel goes on sending it a share of the newcomers."""
    relay = start()
    clients = await join_each(relay, mesh)
    frozen = pids(relay)[2]
    os.kill(frozen, signal.SIGSTOP)
    try:
        await patience.eventually(lambda: status(relay, "/readyz") == 503, "not to be ready")
        await patience.eventually(lambda: status(relay, "/livez") == 503, "not to be alive")
        await fence(clients[0][0], clients[1][0])
    finally:
        os.kill(frozen, signal.SIGCONT)
    await patience.eventually(lambda: status(relay, "/livez") == 200, "to be alive")
    await patience.eventually(lambda: status(relay, "/readyz") == 200, "to be ready")


def status(relay, path):
    """None if it was a worker that does not answer."""
    try:
        return relay.get(path, seconds=0.2).status
    except TimeoutError:
        return None


def test_a_certificate_is_read_again_by_all(start, authority):
    relay = start(tls=authority.issue("listener"))
    relay.signal(signal.SIGHUP)
    for worker in range(WORKERS):
        said = f'event=tls_files worker={worker} meaning="read again"'
        patience.until(lambda line=said: line in relay.log(), relay.log)
    assert relay.get("/readyz").status == 200
