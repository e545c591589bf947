"""Each script by itself: what it answers, writes and tells. See the head of each for its contract."""

import pytest

from mesh import CHANNEL, INDEX, TTL, Node, key, load, sleep_ms
from resp import Link, Refused


def leases(redis, peer):
    return sorted(field.decode() for field in redis("HKEYS", key(peer)) if field.startswith(b"n:"))


# ---- announce


def test_announce_answers_online_then_kept(node, watch):
    a, b = node(), node()
    assert a.announce("p") == [1]
    assert a.announce("p") == [0]
    assert b.announce("p") == [0]
    assert watch.of("p") == ["online"] * 3


def test_announce_stores_all_of_it(redis, node):
    a = node()
    before = redis.time_ms()
    a.announce("p", owner="iss sub", message='{"x":1}', age=100)
    stored = redis("HMGET", key("p"), "owner", "presence", "seen", f"n:{a.id}")
    seen, deadline = int(stored[2]), int(stored[3])
    assert stored[:2] == [b"iss sub", b'{"x":1}']
    assert before - 100 <= seen <= redis.time_ms() - 100
    assert deadline == seen + TTL == redis("PEXPIRETIME", key("p")) == int(redis("ZSCORE", INDEX, "p"))


def test_announce_batch_is_one_event_with_a_record_for_each(node, watch):
    a = node()
    assert a.announce("p", "q\u00e9", "r", message="m" * 300) == [1, 1, 1]
    watch.catch_up()
    assert watch.seen == [("online", peer, b"m" * 300) for peer in ("p", "q\u00e9", "r")]


def test_announce_refuses_another_owner_while_a_lease_lives(redis, node):
    a, b = node(), node()
    a.announce("p", owner="iss1 alice")
    assert b.announce("p", owner="iss2 alice") == [-1]
    assert redis("HGET", key("p"), "owner") == b"iss1 alice"
    assert b.announce("q", "p", "r", owner="iss2 alice") == [1, -1, 1]
    sleep_ms(TTL + 20)
    assert b.announce("p", owner="iss2 alice") == [1]
    assert a.refresh("p") == [1]
    assert a.announce("p", owner="iss1 alice") == [-1]


def test_announce_of_who_was_silent_for_a_ttl_does_nothing(redis, node, watch):
    a = node()
    assert a.announce("p", "q", age=[TTL, TTL - 50]) == [-2, 1]
    assert redis("EXISTS", key("p")) == 0
    assert redis("ZSCORE", INDEX, "p") is None
    assert watch.of("p") == [] and watch.of("q") == ["online"]


def test_quiet_announce_writes_and_tells_nothing(redis, node, watch):
    a = node()
    assert a.announce("p", "q", header="") == [1, 1]
    assert redis("EXISTS", key("p"), key("q")) == 2
    assert watch.of("p") == watch.of("q") == []


def test_announce_from_memory_leaves_what_another_node_knows(redis, node, watch):
    a, b = node(), node()
    a.announce("p", message="old")
    b.announce("p", message="new")
    assert a.announce("p", message="old", header="", fresh=False) == [0]
    assert a.announce("p", message="old", fresh=False) == [0]
    assert redis("HGET", key("p"), "presence") == b"new"
    watch.catch_up()
    assert watch.seen == [("online", "p", message) for message in (b"old", b"new", b"new")]
    assert a.announce("p", message="newer") == [0]
    assert redis("HGET", key("p"), "presence") == b"newer"


def test_quiet_announce_of_what_was_not_stored_says_so(redis, node):
    a = node()
    a.announce("p", message="old")
    assert a.announce("p", message="new", header="") == [1]
    assert redis("HGET", key("p"), "presence") == b"new"


def test_announce_prunes_a_dead_lease_and_keeps_a_living_one(redis, node):
    a, b, c = node(), node(), node()
    a.announce("p", age=TTL - 30)
    b.announce("p")
    sleep_ms(60)
    c.announce("p")
    assert leases(redis, "p") == sorted([f"n:{b.id}", f"n:{c.id}"])


# ---- refresh


def test_refresh_moves_the_lease_and_no_time_in_the_index(redis, node, watch):
    a = node()
    a.announce("p")
    armed = redis("ZSCORE", INDEX, "p")
    sleep_ms(150)
    assert a.refresh("p", age=10) == []
    assert abs(redis("PEXPIRETIME", INDEX) - (redis.time_ms() + 4 * TTL)) < 100
    assert redis("ZSCORE", INDEX, "p") == armed
    assert abs(redis("PEXPIRETIME", key("p")) - (redis.time_ms() - 10 + TTL)) < 100
    assert watch.of("p") == ["online"]


def test_refresh_names_the_places_of_lost_leases(redis, node):
    a, b = node(), node()
    a.announce("p", "q")
    b.announce("q")
    assert a.refresh("x", "p", "y", "q") == [1, 3]
    assert b.refresh("p", "q") == [1]
    assert redis("EXISTS", key("x")) == 0


def test_older_age_moves_nothing_back(redis, node):
    a, b = node(), node()
    a.announce("p")
    sleep_ms(30)
    a.refresh("p", age=200)
    b.announce("p", age=300)
    before = redis("HMGET", key("p"), "seen", f"n:{a.id}"), redis("PEXPIRETIME", key("p"))
    a.refresh("p", age=250)
    a.announce("p", age=100)
    assert (redis("HMGET", key("p"), "seen", f"n:{a.id}"), redis("PEXPIRETIME", key("p"))) == before


# ---- leave


def test_leave_of_the_last_node_is_told_once(redis, node, watch):
    a, b = node(), node()
    a.announce("p")
    b.announce("p")
    assert a.leave("p") == 0
    assert "offline" not in watch.of("p")
    assert b.leave("p") == 1
    assert b.leave("p") == 0
    assert watch.of("p").count("offline") == 1
    assert redis("EXISTS", key("p"), INDEX) == 0


def test_leave_leaves_the_key_to_the_longest_lease(redis, node):
    a, b, c = node(), node(), node()
    a.announce("p")
    b.announce("p", age=200)
    c.announce("p", age=300)
    a.leave("p")
    assert redis("PEXPIRETIME", key("p")) == int(redis("HGET", key("p"), f"n:{b.id}"))


def test_leave_beside_a_dead_lease_is_the_last(node, watch):
    a, b = node(), node()
    a.announce("p", age=TTL - 20)
    b.announce("p")
    sleep_ms(40)
    assert b.leave("p") == 1
    assert watch.of("p")[-1] == "offline"


# ---- reap


def test_reap_tells_the_dead_once_and_arms_the_living(redis, node, watch):
    a = node()
    a.announce("dead", "alive", age=TTL - 30)
    sleep_ms(20)
    a.refresh("alive")
    sleep_ms(30)
    assert a.reap("dead", "alive", "never") == 1
    assert a.reap("dead", "alive", "never") == 0
    assert watch.of("dead") == ["online", "offline"]
    assert watch.of("alive") == ["online"]
    assert redis("ZSCORE", INDEX, "dead") is None
    assert int(redis("ZSCORE", INDEX, "alive")) == redis("PEXPIRETIME", key("alive"))


def test_reap_of_a_stale_list_is_harmless(node, watch):
    a = node()
    a.announce("p")
    assert a.reap("p") == 0
    assert watch.of("p") == ["online"]


def test_rejoin_between_lapse_and_reap_is_no_offline(node, watch):
    a, b = node(), node()
    a.announce("p")
    sleep_ms(TTL + 20)
    assert b.announce("p") == [1]
    assert node().sweep() == 0
    assert watch.of("p") == ["online", "online"]


def test_abandoned_mesh_leaves_no_key(redis, node, model):
    a = node()
    a.announce(*[f"p{i}" for i in range(100)])
    model.read()
    sleep_ms(4 * TTL + 200)
    assert redis("DBSIZE") == 0
    model.forget()


# ---- A full Redis; permissions. With the scripts as they are loaded, without the trace.


def state(redis):
    keys = sorted(redis("KEYS", "*"))
    return [redis("HGETALL", k) if b"peer:" in k else redis("ZRANGE", k, 0, -1, "WITHSCORES") for k in keys]


def test_full_redis_keeps_who_is_present_and_refuses_newcomers(server, redis, watch, plain_digests):
    a, b = Node(server, plain_digests), Node(server, plain_digests)
    a.announce("p1", "p2", "p3")
    b.announce("p1", age=TTL - 40)
    sleep_ms(60)  # b's lease has lapsed: a script that came in would prune it
    watch.catch_up()
    watch.seen.clear()
    redis("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", 1)
    try:
        before = state(redis)
        with pytest.raises(Refused, match="OOM"):
            a.announce("p1", "new", "p2")
        assert state(redis) == before
        for _ in range(24):
            assert a.refresh("p1", "p2") == []
            a.sweep()
            sleep_ms(TTL / 12)
        assert watch.of("p3") == ["offline"] and watch.of("p1") == []
        assert a.leave("p2") == 1 and watch.of("p2") == ["offline"]
    finally:
        redis("CONFIG", "SET", "maxmemory", 0)
    assert a.announce("new") == [1]


LEAST_ACL = """on >pw resetkeys resetchannels -@all ~relay:* &relay:* +hello +auth +ping +role +client|setname
    +subscribe +unsubscribe +publish +evalsha +script|load +time +hkeys +hget +hmget +hset +hdel +exists +del
    +pexpire +pexpireat +zadd +zrem +zrange +pubsub|numsub +info"""

HOSTILE = [
    ("GET", "relay:x"),
    ("KEYS", "*"),
    ("SCAN", 0),
    ("FLUSHALL",),
    ("CONFIG", "GET", "*"),
    ("MONITOR",),
    ("ACL", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("SCRIPT", "FLUSH"),
    ("EVAL", "return 1", 0),
    ("HGET", "other", "x"),
    ("PUBLISH", "other", "x"),
    ("SUBSCRIBE", "__keyevent@0__:expired"),
    ("PSUBSCRIBE", "*"),
]


def test_least_acl_suffices_and_allows_no_more(server, redis):
    redis("ACL", "SETUSER", "relay", *LEAST_ACL.split())
    listener = Link(server)
    listener("AUTH", "relay", "pw")
    listener("SUBSCRIBE", CHANNEL)
    login = Link(server)
    login("AUTH", "relay", "pw")
    a = Node(server, load(login))
    a("AUTH", "relay", "pw")
    assert a.announce("p", "q") == [1, 1]
    assert a.refresh("p", "x") == [2]
    assert a.leave("p") == 1
    sleep_ms(TTL + 20)
    assert a.sweep() == 1
    assert a("HMGET", key("q"), "presence", "seen") == [None, None]
    assert a("EXISTS", key("q")) == 0
    assert a("PUBSUB", "NUMSUB", CHANNEL) == [CHANNEL.encode(), 1]
    for command in HOSTILE:
        with pytest.raises(Refused, match="NOPERM"):
            a(*command)
    with pytest.raises(Refused, match="NOPERM|permission"):
        a.call("leave", [INDEX, CHANNEL, "other"], "n", "p", "F")
    redis("ACL", "DELUSER", "relay")
