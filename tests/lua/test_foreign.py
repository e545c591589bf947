"""What somebody else has put in the place of our keys: it goes, and nobody is told anything wrong."""

import pytest

from mesh import CHANNEL, INDEX, TTL, Node, key, sleep_ms

FOREIGN = [("SET",), ("RPUSH",), ("SADD",)]


@pytest.fixture(params=FOREIGN, ids=lambda words: words[0])
def foreign(request, redis):
    def put(name):
        redis("DEL", name)
        redis(*request.param, name, "x")

    return put


@pytest.fixture
def node(server, plain_digests):
    return Node(server, plain_digests)


@pytest.fixture
def other(server, plain_digests):
    return Node(server, plain_digests)


def indexed(redis):
    return {peer.decode() for peer in redis("ZRANGE", INDEX, 0, -1)}


def test_a_peers_key_at_refresh(redis, node, watch, foreign):
    """All others of the call are refreshed, and the node hears that this one must be announced again."""
    node.announce("p", "q", "r")
    foreign(key("q"))
    sleep_ms(50)
    assert node.refresh("p", "q", "r") == [2]
    for peer in ("p", "r"):
        assert redis("PEXPIRETIME", key(peer)) > redis.time_ms() + TTL - 40
    assert redis("EXISTS", key("q")) == 0
    assert node.announce("q") == [1]
    assert watch.of("q") == ["online"] * 2


def test_a_peers_key_at_announce(redis, node, foreign):
    foreign(key("p"))
    assert node.announce("p") == [1]
    assert redis("HGET", key("p"), f"n:{node.id}") is not None


def test_a_peers_key_at_leave_and_reap(redis, node, watch, foreign):
    """Nobody knows any more whether another node holds the peer, so its end is told when it was due."""
    node.announce("p")
    foreign(key("p"))
    assert node.leave("p") == 0
    assert watch.of("p") == ["online"]
    sleep_ms(TTL + 20)
    assert node.sweep() == 1
    assert watch.of("p") == ["online", "offline"]
    foreign(key("p"))
    redis("ZADD", INDEX, 0, "p")
    assert node.sweep() == 1
    assert redis("EXISTS", key("p")) == 0


def test_the_index(redis, node, other, watch, foreign):
    """Each script puts another in its place; refreshes bring back who was in it."""
    node.announce("p", "q")
    foreign(INDEX)
    assert other.announce("r") == [1]
    assert indexed(redis) == {"r"}
    assert node.refresh("p", "q") == []
    assert indexed(redis) == {"p", "q", "r"}
    foreign(INDEX)
    assert node.refresh("p", "q") == [] and indexed(redis) == {"p", "q"}
    foreign(INDEX)
    assert node.leave("p") == 1
    foreign(INDEX)
    assert node.reap("q", "r") == 0
    assert node.refresh("q") == [] and indexed(redis) == {"q"}
    watch.catch_up()
    assert [peer for kind, peer, _ in watch.seen if kind == "offline"] == ["p"]


def test_an_index_that_lacks_somebody(redis, node):
    node.announce("p", "q")
    armed = redis("ZSCORE", INDEX, "q")
    redis("ZREM", INDEX, "p")
    sleep_ms(50)
    assert node.refresh("p", "q") == []
    assert indexed(redis) == {"p", "q"}
    assert redis("ZSCORE", INDEX, "q") == armed
    assert int(redis("ZSCORE", INDEX, "p")) == redis("PEXPIRETIME", key("p"))


def test_numbers_that_are_none(redis, node, other):
    """They count as long ago."""
    node.announce("p", "q")
    redis("HSET", key("p"), "seen", "yesterday", f"n:{node.id}", "soon", "n:other", "never")
    assert node.refresh("p", "q") == []
    assert other.announce("p") == [0]
    assert redis("HGET", key("p"), "n:other") is None
    assert int(redis("HGET", key("p"), "seen")) > redis.time_ms() - 1000


def test_strangers_in_the_index(redis, node, watch):
    """They are nobody's peers; and one that looks like several is not told of at all."""
    node.announce("p")
    redis("ZADD", INDEX, 0, "ghost", 0, "ghost\np", "-inf", "\np")
    assert node.sweep() == 1
    watch.catch_up()
    assert [(kind, peer) for kind, peer, _ in watch.seen] == [("online", "p"), ("offline", "ghost")]
    assert indexed(redis) == {"p"}


def test_other_errors_are_not_mended(redis, node):
    redis("CONFIG", "SET", "maxmemory", 1)
    try:
        assert node.refresh("p") == [1]
        with pytest.raises(Exception, match="OOM"):
            node.announce("p")
    finally:
        redis("CONFIG", "SET", "maxmemory", 0)
    assert redis("EXISTS", INDEX, CHANNEL) == 0
