"""
Redis behind sentinels: the master is found, followed when it is another one, and a master of
yesterday is not talked to. Clients keep their sockets and hear `resync`.
"""

import asyncio
import time

from harness import patience
from harness.crowd import (
    Stream,
    all_hear_resync,
    all_reach_each_other,
    flowing_again,
    nobody_was_hurt,
    peers_on,
)
from harness.figures import record

TTL = 6
DOWN_AFTER = 1  # seconds until the sentinels call the master down
FAILOVER = 5  # until, at most, the relay has found the new one that they name
SPARE = 4  # for a busy machine


def relays_of(redis):
    """The names of the nodes that have a connection there."""
    clients = redis.call("CLIENT", "LIST").splitlines()
    return {word for line in clients for word in line.split() if word.startswith("name=p2p-relay:")}


async def followed(sentinels, old, clients):
    """How long the relay takes once all sentinels name another master: when they do is their business."""
    flowing = asyncio.ensure_future(flowing_again(clients))
    await patience.eventually(lambda: sentinels.has_switched(old), sentinels.story)
    switched = time.monotonic()
    return await flowing - switched


async def test_the_master_is_found(start_sentinels, start_relays, mesh):
    sentinels = start_sentinels()
    clients = await peers_on(start_relays(2, redis_url=sentinels.url), mesh, 4, TTL)
    await all_reach_each_other(clients)
    assert len(relays_of(sentinels.master())) == 2
    assert all(relays_of(replica) == set() for replica in sentinels.replicas())


async def test_the_master_is_killed(start_sentinels, start_relays, mesh):
    """F5"""
    sentinels = start_sentinels(down_after_ms=DOWN_AFTER * 1000)
    nodes = start_relays(3, redis_url=sentinels.url, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 9, TTL)
    streams = [Stream(clients[0], clients[4]), Stream(clients[5], clients[0])]
    old = sentinels.master()
    old.kill()
    took = await followed(sentinels, old, clients)
    record("F5", "master killed: traffic again, once the sentinels name another", took, "s", f"<= {FAILOVER}")
    assert took < FAILOVER + SPARE
    await all_hear_resync(clients)
    for stream in streams:
        await stream.stop()
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)
    assert len(relays_of(sentinels.master())) == 3


async def test_a_master_that_stood_still(start_sentinels, start_relays, mesh):
    """
    F5: it comes back and believes for seconds that it is the master still: nothing goes through it, and
    what was on its way when it stopped arrives nowhere.
    """
    sentinels = start_sentinels(down_after_ms=DOWN_AFTER * 1000)
    nodes = start_relays(2, redis_url=sentinels.url, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 4, TTL)
    alice, bob = clients[:2]
    old = sentinels.master()
    begin = time.monotonic()
    old.freeze()
    for n in range(20):
        await alice.send("direct", {"on its way": n}, to=bob.id)
    took = await followed(sentinels, old, clients)
    record("F5", "master stopped for 8 s: traffic again, once the sentinels name another", took, "s", f"<= {FAILOVER}")
    assert took < FAILOVER + SPARE
    await patience.eventually(lambda: time.monotonic() - begin > 8, "a long stop")
    old.thaw()
    assert old.info("replication")["role"] == "master", "a master of yesterday"
    assert relays_of(old) == set()
    stream = Stream(alice, bob)
    await all_reach_each_other(clients)
    await stream.was_exact()
    assert relays_of(old) == set()
    await all_hear_resync(clients)
    late = bob.all(type="direct", data=lambda data: "on its way" in data)
    record("F5", "master stopped for 8 s: delivered of what was on its way", len(late), "", "0")
    assert late == []
    nobody_was_hurt(clients)


async def test_a_node_that_stood_still_meanwhile(start_sentinels, start_relays, mesh):
    """It slept through the failover, and wakes up connected to a master of yesterday."""
    sentinels = start_sentinels(down_after_ms=DOWN_AFTER * 1000)
    nodes = start_relays(2, redis_url=sentinels.url, ttl_seconds=60)
    clients = await peers_on(nodes, mesh, 4, TTL)
    old = sentinels.master()
    nodes[1].freeze()
    old.freeze()
    await patience.eventually(lambda: sentinels.has_switched(old), sentinels.story)
    old.thaw()
    nodes[1].thaw()
    await flowing_again(clients)
    await all_hear_resync(clients)
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)
    assert relays_of(old) == set()


async def test_a_failover_as_planned(start_sentinels, start_relays, mesh):
    sentinels = start_sentinels()
    nodes = start_relays(2, redis_url=sentinels.url, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 4, TTL)
    old = sentinels.master()
    sentinels.failover()
    assert await followed(sentinels, old, clients) < FAILOVER + SPARE
    await all_hear_resync(clients)
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)
    assert relays_of(old) == set()


async def test_the_first_sentinel_is_dead(start_sentinels, start_relays, mesh):
    """The others are asked; and who follows them hears of a switch."""
    sentinels = start_sentinels(down_after_ms=DOWN_AFTER * 1000)
    sentinels.sentinels[0].kill()
    nodes = start_relays(2, redis_url=sentinels.url, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 4, TTL)
    old = sentinels.master()
    old.kill()
    assert await followed(sentinels, old, clients) < FAILOVER + SPARE
    await all_hear_resync(clients)
    nobody_was_hurt(clients)


async def test_a_sentinel_that_stands_still(start_sentinels, start_relays, mesh):
    """Whoever listens to it must notice, and listen to another before the next switch."""
    sentinels = start_sentinels(down_after_ms=DOWN_AFTER * 1000)
    nodes = start_relays(3, redis_url=sentinels.url, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 6, TTL)
    old = sentinels.master()
    sentinels.sentinels[0].freeze()
    old.freeze()
    assert await followed(sentinels, old, clients) < 2 * FAILOVER + SPARE
    await all_hear_resync(clients)
    nobody_was_hurt(clients)


async def test_without_any_sentinel(start_sentinels, start_relays, mesh):
    """Who has a master keeps it. They come back, and are followed as before."""
    sentinels = start_sentinels(down_after_ms=DOWN_AFTER * 1000)
    nodes = start_relays(2, redis_url=sentinels.url, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 4, TTL)
    stream = Stream(clients[0], clients[1])
    for sentinel in sentinels.sentinels:
        sentinel.kill()
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > 5, "to be missed")
    await all_reach_each_other(clients)
    await stream.was_exact()
    for client in clients:
        assert client.all(type="resync") == []
    assert all(node.is_ready() for node in nodes)
    for sentinel in sentinels.sentinels:
        sentinel.start()
    await patience.eventually(sentinels.is_whole, sentinels.story)
    old = sentinels.master()
    old.kill()
    await flowing_again(clients)
    nobody_was_hurt(clients)


async def test_a_wrong_name_of_the_master(start_sentinels, start_relays, mesh):
    """Never ready; the log has the name, so that the slip is found."""
    sentinels = start_sentinels()
    url = sentinels.url.replace("/mymaster", "/mymoster")
    (node,) = start_relays(1, ready=False, redis_url=url)
    await patience.eventually(lambda: "no sentinel knows a master mymoster" in node.log(), node.log)
    assert node.get("/readyz").status == 503


async def test_no_sentinel_answers_at_first(start_sentinels, start_relays, mesh):
    sentinels = start_sentinels()
    for sentinel in sentinels.sentinels:
        sentinel.kill()
    (node,) = start_relays(1, ready=False, redis_url=sentinels.url)
    await patience.eventually(lambda: "bus_down" in node.log(), node.log)
    for sentinel in sentinels.sentinels:
        sentinel.start()
    await patience.eventually(node.is_ready, node.log)


def secret(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text + "\n")
    return path


async def test_passwords(start_sentinels, start_relays, tmp_path, mesh):
    """One for Redis, another for the sentinels, each from a file."""
    sentinels = start_sentinels(password="master-canary", sentinel_password="sentinel-canary")
    url = sentinels.url.replace(":master-canary@", "")
    nodes = start_relays(
        2,
        redis_url=url,
        redis_password_file=secret(tmp_path, "redis", "master-canary"),
        redis_sentinel_password_file=secret(tmp_path, "sentinel", "sentinel-canary"),
        ttl_seconds=TTL,
    )
    clients = await peers_on(nodes, mesh, 4, TTL)
    old = sentinels.master()
    old.kill()
    await flowing_again(clients)
    nobody_was_hurt(clients)
    assert all("canary" not in node.log() for node in nodes)


async def test_a_wrong_password_for_the_sentinels(start_sentinels, start_relays, tmp_path, mesh):
    sentinels = start_sentinels(sentinel_password="right")
    (node,) = start_relays(
        1,
        ready=False,
        redis_url=sentinels.url,
        redis_sentinel_password_file=secret(tmp_path, "sentinel", "wrong-canary"),
    )
    await patience.eventually(lambda: "WRONGPASS" in node.log(), node.log)
    assert node.get("/readyz").status == 503 and "canary" not in node.log()


async def test_a_password_that_the_sentinels_do_not_want(
    start_sentinels, start_relays, tmp_path, mesh
):
    """Said, and not half taken: a node that can't hear of a switch would be found out too late."""
    sentinels = start_sentinels()
    (node,) = start_relays(
        1,
        ready=False,
        redis_url=sentinels.url,
        redis_sentinel_password_file=secret(tmp_path, "sentinel", "canary"),
    )
    await patience.eventually(lambda: "without any password" in node.log(), node.log)
    assert node.get("/readyz").status == 503


async def test_a_user_for_the_sentinels(start_sentinels, start_relays, tmp_path, mesh):
    """Who may do no more than is needed."""
    sentinels = start_sentinels()
    for sentinel in sentinels.sentinels:
        sentinel.call(
            *("ACL", "SETUSER", "relay", "on", ">secret", "resetchannels", "&+switch-master"),
            *("-@all", "+auth", "+hello", "+ping", "+subscribe", "+client|setname"),
            "+sentinel|get-master-addr-by-name",
        )
        sentinel.call("ACL", "SETUSER", "default", "off")
    nodes = start_relays(
        2,
        redis_url=sentinels.url,
        redis_sentinel_user="relay",
        redis_sentinel_password_file=secret(tmp_path, "sentinel", "secret"),
    )
    await all_reach_each_other(await peers_on(nodes, mesh, 4, TTL))


async def test_over_tls(start_sentinels, start_relays, authority, mesh):
    sentinels = start_sentinels(tls=authority.issue("sentinels"))
    nodes = start_relays(
        2, redis_url=sentinels.url, redis_ca_file=authority.cert, ttl_seconds=TTL
    )
    clients = await peers_on(nodes, mesh, 4, TTL)
    old = sentinels.master()
    old.kill()
    await flowing_again(clients)
    await all_hear_resync(clients)
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)


async def test_a_sentinel_with_a_certificate_that_is_not_good(
    start_sentinels, start_relays, authority, start_authority, mesh
):
    """It could name anybody as the master."""
    sentinels = start_sentinels(tls=authority.issue("sentinels"))
    (node,) = start_relays(
        1, ready=False, redis_url=sentinels.url, redis_ca_file=start_authority().cert
    )
    await patience.eventually(lambda: "not from a CA that is known here" in node.log(), node.log)
    assert node.get("/readyz").status == 503
