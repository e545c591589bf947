"""
TLS to Redis: with who proves its name everything works as without; with anybody else not one byte
is exchanged, and the log says why.
"""

import contextlib
import os
import shutil
import socket
import threading

import pytest

from harness import patience
from harness.client import Place, fence

TTL = 4
SECRET = "canary-0b5e"


@pytest.fixture
def good(authority):
    return authority.issue("good")


async def meet(nodes, mesh):
    alice, bob = await Place(nodes[0], mesh).join("alice"), await Place(nodes[-1], mesh).join("bob")
    await fence(alice, bob)
    await fence(bob, alice)
    await alice.close()
    await bob.expect(type="presence", from_="alice", data={"status": "offline"})


async def is_refused(start_relays, url, reason, **options):
    """A node that is never ready, because of that; it keeps what it knows to itself."""
    (node,) = start_relays(1, ready=False, redis_url=url, **options)
    await patience.eventually(lambda: reason in node.log(), node.log)
    assert node.get("/readyz").status == 503
    assert SECRET not in node.log()
    return node


def heard_nothing(redis):
    """Nobody but the tests themselves has said anything."""
    asked = {name.removeprefix("cmdstat_") for name in redis.info("commandstats")}
    return asked <= {"ping", "info", "client|list", "config|set"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_name_and_an_address(start_redis, start_relays, authority, good, mesh, host):
    redis = start_redis(tls=good)
    url = f"rediss://{host}:{redis.port}"
    await meet(start_relays(2, redis_url=url, redis_ca_file=authority.cert), mesh)


async def test_a_password_in_a_file(start_redis, start_relays, authority, good, tmp_path, mesh):
    redis = start_redis(tls=good, password=SECRET)
    path = tmp_path / "password"
    path.write_text(SECRET + "\n")
    nodes = start_relays(
        2, redis_url=redis.url, redis_ca_file=authority.cert, redis_password_file=path
    )
    await meet(nodes, mesh)
    assert all(SECRET not in node.log() for node in nodes)


async def test_large_messages(start_redis, start_relays, authority, good, mesh):
    """Longer than any record of TLS, and many at once, in both directions."""
    redis = start_redis(tls=good)
    nodes = start_relays(
        2, redis_url=redis.url, redis_ca_file=authority.cert, outbox_bytes_max="64MiB"
    )
    alice, bob = await Place(nodes[0], mesh).join("alice"), await Place(nodes[1], mesh).join("bob")
    for n in range(20):
        text = chr(97 + n) * (n * 50_000)
        await alice.send("direct", {"n": n, "text": text}, to="bob")
        await bob.send("direct", {"n": n, "text": text}, to="alice")
    for client in (alice, bob):
        for n, message in enumerate(await client.collect(20, type="direct")):
            assert message["data"] == {"n": n, "text": chr(97 + n) * (n * 50_000)}


async def test_a_restart(start_redis, start_relays, authority, good, mesh):
    """The line is gone without a goodbye of TLS, and comes back with a handshake."""
    redis = start_redis(tls=good)
    nodes = start_relays(
        2, redis_url=redis.url, redis_ca_file=authority.cert, ttl_seconds=TTL
    )
    alice, bob = await Place(nodes[0], mesh).join("alice"), await Place(nodes[1], mesh).join("bob")
    for client in (alice, bob):
        client.beat(TTL / 4)
    redis.restart_empty()
    for client in (alice, bob):
        await client.expect(type="resync")
    await fence(alice, bob)
    await fence(bob, alice)
    assert alice.offlines_of("bob") == [] and bob.offlines_of("alice") == []
    assert alice.closed is None and bob.closed is None


BAD = {
    "another name": ({"names": ["DNS:redis.example"]}, "is not for this address"),
    "another address": ({"names": ["IP:127.0.0.2"]}, "is not for this address"),
    "expired": ({"expired": True}, "has expired"),
}


@pytest.mark.parametrize("fault", BAD)
async def test_a_certificate_that_is_not_good(start_redis, start_relays, authority, mesh, fault):
    """Nothing is said to such a Redis, least of all the password. Put right, it is taken."""
    wrong, reason = BAD[fault]
    redis = start_redis(tls=authority.issue(fault.replace(" ", "-"), **wrong))
    url = f"rediss://:{SECRET}@{redis.address}"
    node = await is_refused(start_relays, url, reason, redis_ca_file=authority.cert)
    assert heard_nothing(redis)
    mended = authority.issue("mended")
    redis.call("CONFIG", "SET", "tls-cert-file", mended.cert, "tls-key-file", mended.key)
    redis.call("ACL", "SETUSER", "default", f">{SECRET}")
    await patience.eventually(node.is_ready, node.log)


async def test_a_name_that_the_certificate_lacks(start_redis, start_relays, authority, mesh):
    redis = start_redis(tls=authority.issue("address-only", names=["IP:127.0.0.1"]))
    url = f"rediss://:{SECRET}@localhost:{redis.port}"
    await is_refused(start_relays, url, "is not for this name", redis_ca_file=authority.cert)
    assert heard_nothing(redis)


@pytest.mark.parametrize("known", ["other", "system"])
async def test_a_ca_that_is_not_known(
    start_redis, start_relays, start_authority, good, mesh, known
):
    redis = start_redis(tls=good)
    url = f"rediss://:{SECRET}@{redis.address}"
    options = {"redis_ca_file": start_authority().cert} if known == "other" else {}
    await is_refused(start_relays, url, "not from a CA that is known here", **options)
    assert heard_nothing(redis)


async def test_a_ca_file_that_is_replaced(
    start_redis, start_relays, authority, start_authority, good, tmp_path, mesh
):
    """A new CA takes effect with the next connection, without a restart."""
    path = tmp_path / "ca.pem"
    shutil.copy(start_authority().cert, path)
    redis = start_redis(tls=good)
    node = await is_refused(start_relays, redis.url, "not from a CA", redis_ca_file=path)
    shutil.copy(authority.cert, tmp_path / "new.pem")
    os.replace(tmp_path / "new.pem", path)
    await patience.eventually(node.is_ready, node.log)
    await meet([node], mesh)


async def test_a_certificate_of_our_own(start_redis, start_relays, authority, good, mesh):
    """Redis asks for one; without, it refuses, and the log says what is missing."""
    redis = start_redis(tls=good, ask_certificate=True)
    own = authority.issue("relay")
    await is_refused(
        start_relays, redis.url, "wants a certificate of ours", redis_ca_file=authority.cert
    )
    nodes = start_relays(
        2,
        redis_url=redis.url,
        redis_ca_file=authority.cert,
        redis_cert_file=own.cert,
        redis_key_file=own.key,
    )
    await meet(nodes, mesh)


async def test_a_certificate_of_our_own_that_redis_does_not_know(
    start_redis, start_relays, authority, start_authority, good, mesh
):
    redis = start_redis(tls=good, ask_certificate=True)
    own = start_authority().issue("stranger")
    await is_refused(
        start_relays,
        redis.url,
        "does not accept our certificate",
        redis_ca_file=authority.cert,
        redis_cert_file=own.cert,
        redis_key_file=own.key,
    )


async def test_no_tls_at_the_other_end(start_relays, authority, mesh):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rediss://:{SECRET}@127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=answer_in_the_clear, args=[server], daemon=True).start()
        await is_refused(start_relays, url, "does not speak TLS", redis_ca_file=authority.cert)


def answer_in_the_clear(server):
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"-ERR unknown command\r\n")
            connection.close()


async def test_the_port_of_a_redis_without_tls(start_redis, start_relays, authority, mesh):
    """It waits for the end of what it takes for a command, and nobody waits for it for ever."""
    redis = start_redis(tcp=True)
    url = f"rediss://:{SECRET}@{redis.address}"
    reason = "no answer in time (does it speak TLS on this port?)"
    await is_refused(start_relays, url, reason, redis_ca_file=authority.cert)


async def test_a_redis_with_tls_that_is_spoken_to_without(start_redis, start_relays, good, mesh):
    redis = start_redis(tls=good)
    url = f"redis://{redis.address}"
    await is_refused(start_relays, url, "bus_down")
