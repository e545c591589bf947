"""
Redis holds and says what no node wrote: other programs share it, builds of another age, hands that
slip, wires that flip bits. None of it may reach a client, stop a node, or stay.
"""

import contextlib
import random
import struct
import threading
import time

import pytest

from clients import Place, with_clients
from harness import patience
from rig import clean, record

MESSAGE, PRESENCE, OFFLINE, PROBE = 1, 2, 3, 4
FIXED_BYTES = 40  # of a parcel's head


def parcel(kind, body=b"", version=1, sender=b"p0", target=b"", tags=b"", head_bytes=None):
    """As relay/wire/parcel.h says; `head_bytes` may lie."""
    texts = bytes([len(sender)]) + sender + bytes([len(target)]) + target + tags
    size = FIXED_BYTES + len(texts) if head_bytes is None else head_bytes
    return struct.pack(">QBBHIQIIQ", 0, version, kind, size, 0, 7, 1, 1, 0) + texts + body


def said(text):
    return parcel(MESSAGE, text.encode())


def announced(id, message):
    return parcel(PRESENCE, struct.pack(">H", len(id)) + id + struct.pack(">I", len(message)) + message)


def presence(id, data='{"status":"online"}'):
    return b'{"type":"presence","from":"%s","data":%s}' % (id, data.encode())


SPOKEN = '{"type":"broadcast","from":"p0","data":{"f":0,"s":1,"fill":""},"id":1}'

# What is no parcel, or not one for a mesh's broadcast channel. Each is counted.
UNREADABLE = {
    "nothing": b"",
    "a byte": b"x",
    "text": SPOKEN.encode(),
    "zeros": bytes(2_000_000),
    "noise": random.Random(1).randbytes(2_000_000),
    "half a head": parcel(MESSAGE)[:20],
    "no texts": parcel(MESSAGE)[:FIXED_BYTES],
    "a head longer than all": parcel(MESSAGE, head_bytes=65535),
    "a head that is too short": parcel(MESSAGE, head_bytes=39),
    "a text longer than the head": parcel(MESSAGE, sender=b"p0")[:-1] + b"\xff",
    "a tag that is cut off": parcel(MESSAGE, tags=b"\x02\x08abc"),
    "a digest of another size": parcel(MESSAGE, tags=b"\x02\x04abcd"),
    "version 0": parcel(MESSAGE, SPOKEN.encode(), version=0),
    "version 2": parcel(MESSAGE, SPOKEN.encode(), version=2),
    "kind 0": parcel(0, SPOKEN.encode()),
    "kind 5": parcel(5, SPOKEN.encode()),
    "kind 255": parcel(255, SPOKEN.encode()),
    "a probe": parcel(PROBE, bytes(8)),
    "a message larger than any outbox": said(SPOKEN[:-1] + ',"x":"%s"}' % ("x" * 5_000_000)),
    "a record that is cut off": parcel(PRESENCE, b"\x00\x03p0"),
    "a presence of nobody": announced(b"", presence(b"")),
    "an id that is too long": announced(b"p" * 129, presence(b"p" * 129)),
    "an id with a newline": announced(b"p0\nx", presence(b"p0\\nx")),
    "an id that is not UTF-8": announced(b"p\xff", presence(b"p\xff")),
    "a presence of another": announced(b"ghost", presence(b"p0", '{"status":"away"}')),
    "a presence that is no JSON": announced(b"p0", b"{"),
    "a presence that is not UTF-8": announced(b"p0", b'{"type":"presence","from":"p0","data":"\xff"}'),
    "a presence of 2 MB": announced(b"p0", presence(b"p0", '"%s"' % ("x" * 2_000_000))),
    "a presence nested deeply": announced(b"p0", presence(b"p0", "[" * 4000 + "]" * 4000)),
    "a presence that is offline": announced(b"p0", presence(b"p0", '{"status":"offline"}')),
    "a presence that is a broadcast": announced(b"p0", SPOKEN.encode()),
}

# Tags and ids that mean nothing to this build, or to nobody: read, and nothing comes of them.
HARMLESS = {
    "an unknown tag": parcel(PRESENCE, tags=b"\xee\x03abc"),
    "nobody is offline": parcel(OFFLINE),
    "strangers are offline": parcel(OFFLINE, b"\n\nghost\n\xff\xfe\n" + b"x" * 1_000_000),
}

FENCE = parcel(255)  # is counted, and so are all before it by then


def unread(node):
    return node.metric("p2p_relay_parcels_unread_total")


def start(rig):
    rig.start_redis()
    nodes = rig.start_nodes(3)
    rig.populate()
    rig.talk()
    rig.hold(0.5)
    return nodes


def publish(rig, nodes, channel, bytes, counted):
    """With a fence behind it. Returns how many each node has counted."""
    before = [unread(node) for node in nodes]
    for each in (bytes, FENCE):
        assert rig.redis.call("PUBLISH", channel, each) == len(nodes)

    def now():
        return [unread(node) - count for node, count in zip(nodes, before)]

    with contextlib.suppress(AssertionError):
        patience.until(lambda: min(now()) >= counted, "it to be counted", seconds=3)
    return now()


def test_on_the_channels(rig):
    """
    F36: bad parcels on the channels of a mesh, of a peer and of a node are dropped and, where they
    could go on from there, counted one by one. Nothing is forwarded, nothing breaks.
    """
    nodes = start(rig)
    (own,) = [node for node in nodes if node.group == "node-0"]
    wrong = []
    for _ in range(rig.scale.seconds(1, 20)):
        for name, bytes in {**UNREADABLE, **HARMLESS}.items():
            counted = 1 + (name in UNREADABLE)
            if publish(rig, nodes, "relay:{mesh-0}:broadcast", bytes, counted) != [counted] * 3:
                wrong.append(name)
            if publish(rig, [own], "relay:{mesh-0}:peer:p0", bytes, 2) != [2]:  # only messages go there
                wrong.append(f"{name}, to a peer")
            for channel in rig.redis.call("PUBSUB", "CHANNELS", "relay:{~}:node:*"):
                rig.redis.call("PUBLISH", channel, bytes)
    rig.hold(1.5)  # a probe has come back over it
    rig.hush()
    verdict = rig.judge()
    lost = sum(node.metric("p2p_relay_bus_reconnects_total") for node in nodes)
    kinds = len(UNREADABLE) + len(HARMLESS)
    record("F36", rig.scale, f"of {kinds} kinds of bad parcels: not counted", len(wrong), "", "0")
    record("F36", rig.scale, "bad parcels: forwarded", verdict.strange + verdict.forged, "", "0")
    clean(verdict)
    assert not wrong, wrong
    assert verdict.lost == 0 and verdict.offline == 0 and lost == 0, verdict.story()


def test_an_answer_too_long(rig):
    """F36: a string longer than any of ours ends the connection before all of it is kept, and no peer minds."""
    ttl = 60  # a sixth of it may pass in which a slow machine does nothing
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=ttl)
    rig.populate()
    rig.redis.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 0 0")
    rig.redis.call("PUBLISH", "relay:{mesh-0}:broadcast", bytes(65 << 20))
    reason = "an answer of more than 67108864 bytes"
    patience.until(lambda: reason in node.log(), lambda: f"{reason}: {node.log()}", seconds=120)
    patience.until(node.is_ready, node.log)
    rig.talk()
    rig.hold(1)
    rig.hush()
    verdict = rig.judge(ttl=ttl * 1000)
    ended = sum(verdict[name] for name in verdict if name.startswith("ended_"))
    clean(verdict)
    assert ended == 0 and verdict.offline == 0, verdict.story()


INDEX = "relay:{mesh-0}:peers"


def key(peer):
    return "relay:{mesh-0}:peer:p%d" % peer


def spoil_peers(call):
    """What is in the place of a peer's key, or in it."""
    (lease,) = [field for field in call("HKEYS", key(6)) if field.startswith("n:")]
    for peer, command in enumerate(["SET", "RPUSH", "SADD"]):
        call("DEL", key(peer))
        call(command, key(peer), "x")
    call("DEL", key(3))
    call("HSET", key(4), lease, "soon")
    call("HSET", key(5), "seen", "yesterday")
    call("HSET", key(6), "n:0000000000000000", "never")


def replace_index(call):
    call("SET", INDEX, "x")


def delete_index(call):
    call("DEL", INDEX)


def thin_index(call):
    for peer in range(10):
        call("ZREM", INDEX, f"p{peer}")


def fill_index(call):
    for score in ("-inf", 0, 1e15, "inf"):
        for id in ("ghost", "ghost\np0", "\np1", "", "x" * 1000, b"\xff\xfe\x00", '"},{"'):
            call("ZADD", INDEX, score, id)


SPOILED = [spoil_peers, replace_index, delete_index, thin_index, fill_index]


def is_mended(rig, peers):
    ids = {f"p{n}" for n in range(peers)}
    return (
        rig.redis.call("TYPE", INDEX) == "zset"
        and ids <= set(rig.redis.call("ZRANGE", INDEX, 0, -1))
        and all(rig.redis.call("TYPE", key(peer)) == "hash" for peer in range(10))
    )


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_in_the_keys(rig, spoil):
    """
    F36: what is not ours in our keys, or is missing there, is mended by the next sign of life of each
    peer. Nobody is told anything wrong, newcomers on a new node see all, and who goes is missed.
    """
    nodes = start(rig)
    peers = 3 * rig.scale.peers
    spoil(rig.redis.call)
    begin = time.monotonic()
    late = rig.start_nodes(1)[0]  # its roster comes from there
    rig.join_group(late.group, 5, late.group)
    patience.until(lambda: is_mended(rig, peers + 5), "all keys to be mended")
    mended = time.monotonic() - begin
    rig.all_know_each_other()
    rig.hold(rig.scale.ttl + 2)
    listed = late.request("POST", "/invocations?mesh=mesh-0").json["peers"]
    assert {f"p{n}" for n in range(peers + 5)} <= set(listed)
    before = rig.swarm.count()["GOT_OFFLINE"]
    gone = rig.scale.peers
    until = time.monotonic() * 1000 - 500
    rig.swarm("vanish", nodes[0].group)
    expected = before + gone * (peers + 5 - gone)
    rig.swarm.until(lambda counts: counts["GOT_OFFLINE"] >= expected, "their end", seconds=rig.scale.ttl + 15)
    rig.hush()
    verdict = rig.judge()
    told = verdict.offline_after_vanished["max_ms"] / 1000
    record("F36", rig.scale, f"{spoil.__name__}: mended", mended, "s", "")
    record("F36", rig.scale, f"{spoil.__name__}: offline of who is there", before, "", "0")
    record("F36", rig.scale, f"{spoil.__name__}: the next offline told", told, "s", f"<= {rig.scale.ttl + 2}")
    clean(verdict)
    assert before == 0 and rig.judge(until=until).lost == 0, verdict.story()
    assert told <= rig.scale.ttl + 2


GREETING_BYTES = 1500  # of what Redis says first on a connection


def reconnect(rig, how="reset"):
    for node in rig.nodes:
        rig.proxy("cut", node.way, how)


def set_all(rig, *mode):
    for node in rig.nodes:
        rig.proxy("set", node.way, "down", *mode)


def test_on_the_wire(rig):
    """
    F36: answers with a wrong bit, and answers that end in the middle: a connection that can't be
    understood is given up, and the next good one is as if nothing had been.
    """
    start(rig)
    rig.hush()
    dice = random.Random(rig.seed)
    rounds = rig.scale.seconds(20, 500)
    for _ in range(rounds):
        for node in rig.nodes:
            rig.proxy("set", node.way, "down", "pass")
            rig.proxy("set", node.way, "down", "flip", dice.randrange(GREETING_BYTES))
        reconnect(rig)
        rig.hold(dice.uniform(0.05, 0.4))
        assert all(node.running for node in rig.nodes)
    for _ in range(rounds):
        set_all(rig, "pass")
        set_all(rig, "throttle", dice.randrange(1000, 50_000))
        reconnect(rig)
        rig.hold(dice.uniform(0.05, 0.4))
        reconnect(rig, "end")
        assert all(node.running for node in rig.nodes)
    set_all(rig, "pass")
    reconnect(rig)
    healed = time.monotonic()
    patience.until(lambda: all(node.is_ready() for node in rig.nodes), "all ready")
    ready = time.monotonic() - healed
    rig.hold(3)  # `resync` is spread over 2 s
    exact_from = time.monotonic() * 1000
    rig.all_know_each_other()
    rig.talk()
    rig.hold(rig.scale.ttl + 2)
    rig.hush()
    verdict = rig.judge()
    after = rig.judge(**{"from": exact_from})
    ended = sum(verdict[name] for name in verdict if name.startswith("ended_"))
    record("F36", rig.scale, f"{2 * rounds} bad connections: nodes that crashed", 0, "", "0")
    record("F36", rig.scale, f"{2 * rounds} bad connections: ready after a good one", ready, "s", "<= 6")
    record("F36", rig.scale, f"{2 * rounds} bad connections: offline told", verdict.offline, "", "0")
    clean(verdict)
    assert ended == 0 and verdict.offline == 0, verdict.story()
    assert after.lost == 0 and after.expected > 0, after.story()
    assert ready <= 6
