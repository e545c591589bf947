"""
Messages that mean no good. What is invalid and what is said of it: tests/integration/test_errors.py,
test_identity.py, test_duplicates_refused.py, test_closes.py; here is what else must not happen.
"""

import json
import time

import pytest
from rig import record
from strangers import TTL_S, Stranger, frame, join

PER_MEASURE = 20


@pytest.fixture
def node(rig, scale):
    if scale.name == "long":
        pytest.skip("no larger numbers to it")
    rig.start_redis()
    return rig.start_nodes(1, ttl_seconds=TTL_S)[0]


NOT_JSON = [
    *("", " ", "x", "{", "}", "[]", "[1]", '"x"', "1", "true", "null", "{}{}", '{"type":"x"},'),
    *('{"type":"x"} x', '{"type":"x",}', "{'type':'x'}", '{"type":"x","a":01}', '{"type":"x","a":+1}'),
    *('{"type":"x","a":1.}', '{"type":"x","a":.5}', '{"type":"x","a":NaN}', '{"type":"x","a":Infinity}'),
    *('{"type":"x","a":"\\x"}', '{"type":"x","a":"\\u12"}', '{"type":"x","a":"\t"}', '{"type":"x" "a":1}'),
    *('{"type":"x","a":1}\0', '\ufeff{"type":"x"}', '{"type":"x"/**/}', '{"type":1}', "{}", '{"typ":"x"}'),
]
UNUSUAL = [
    *('{"type":"x","a":1e999}', '{"type":"x","a":-0}', '{"type":"x","a":"\\ud800"}', '{ "type" :\n"x"\t}'),
    *('{"type":"x","a":"\\u0000"}', '{"type":"x","a":123456789012345678901234567890}', '{"type":"x","":""}'),
    *('{"type":"x","a":{"from":"b","from":"c"}}', '{"type":"x","a":"\u2028\ufeff\U0010ffff"}'),
]


def test_what_is_no_message(node):
    """F19: one error for each, the connection stays, and nobody else hears of it."""
    observer = join(node, "observer")
    for text in NOT_JSON:
        sender = join(node, "sender")
        observer.fence()
        sender.send(text)
        (error,) = sender.fence()
        assert (error["type"], error["data"]["code"]) == ("error", "invalid_message"), text
        assert observer.fence() == []
        sender.hang_up()
        while not observer.fence():
            pass


def test_unusual_is_not_invalid(node):
    """F19: what JSON allows is passed on byte by byte."""
    observer, sender = join(node, "observer"), join(node, "sender")
    observer.fence()
    for text in UNUSUAL:
        sender.send(text)
        assert sender.fence() == []
        heard = observer.receive()
        added = '"from":"sender",'
        assert heard.replace(added, "", 1).replace(" ", "") == text.replace(" ", ""), heard


def test_many_of_them(node):
    """F19: more than 20 within 10 s end the connection."""
    sender = join(node, "sender")
    for _ in range(60):
        try:
            sender.send("{")
        except ConnectionError:
            break
    assert sender.closing().code == 1008


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
@pytest.mark.parametrize("parts", [1, 4])
def test_not_utf8(node, bad, parts):
    """F18: 1007, also in fragments, and nobody gets a byte of it."""
    observer, sender = join(node, "observer"), join(node, "sender")
    observer.fence()
    whole = b'{"type":"x","data":"' + bad + b'"}'
    step = -(-len(whole) // parts)
    for at in range(0, len(whole), step):
        sender.send_bytes(frame(0 if at else 1, whole[at : at + step], fin=at + step >= len(whole)))
    assert sender.closing().code == 1007
    assert observer.hear()["data"] == {"status": "offline"}


def nested(depth):
    return '{"type":"x","data":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


DEEP = {
    "64 deep": (nested(64), None),
    "65 deep": (nested(65), "invalid_message"),
    "10,000 deep": (nested(10_000), "invalid_message"),
    "500,000 deep": (nested(500_000), "invalid_message"),
    "100,000 members": ('{"type":"x",' + ",".join(f'"{i}":{i}' for i in range(70_000)) + "}", None),
    "a string of a megabyte": ('{"type":"x","data":"' + "x" * 1_000_000 + '"}', None),
    "escapes for a megabyte": ('{"type":"x","data":"' + "\\u0041" * 160_000 + '"}', None),
    "a key of a megabyte": ('{"type":"x","' + "k" * 1_000_000 + '":1}', None),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_and_wide(node, scale, name):
    """F20: refused, or passed on, at a small price."""
    text, code = DEEP[name]
    sender = join(node, "sender")
    before = node.cpu_seconds()
    for _ in range(PER_MEASURE):
        sender.send(text)
        answers = sender.fence()
        assert [each["data"]["code"] for each in answers] == ([code] if code else [])
        if code:
            sender.hang_up()
            sender = Stranger(node, "another")
            sender.join("sender")
    record("F20", scale, f"{name}: CPU", (node.cpu_seconds() - before) * 1000 / PER_MEASURE, "ms", "<= 5")


@pytest.mark.plain("AddressSanitizer gives memory back by rules of its own")
def test_a_megabyte_is_not_paid_in_page_faults(node):
    """F20: the memory for the next large message is that of the one before, still mapped."""
    sender = join(node, "sender")

    def faults_of(messages):
        before = node.page_faults()
        for _ in range(messages):
            sender.send(DEEP["a string of a megabyte"][0])
            sender.fence()
        return node.page_faults() - before

    faults_of(3)  # it comes by its memory
    assert faults_of(PER_MEASURE) < PER_MEASURE * 25  # of the 250 pages of a copy


BAD_IDS = ["", "x" * 129, "\0", "a\r\nb", "\x1b[31m", "\x7f", "relay"]
BAD_RAW = ['"\\ud800"', "1", "{}", "[]", "true"]
ODD_IDS = ["*", "{x}", "a:b", "__keyevent@0__:expired", "a b", "../x", "'; FLUSHALL", "ü", "relay:{mesh}:peers"]


def test_ids_that_are_none(rig, node):
    """F22: refused; and what Redis holds are the keys and channels of who is there, and no others."""
    observer = join(node, "observer")
    for raw in [*map(json.dumps, BAD_IDS), *BAD_RAW]:
        stranger = Stranger(node)
        stranger.send('{"type":"presence","from":' + raw + ',"data":{}}')
        (error,) = stranger.fence()
        assert error["data"]["code"] in ("invalid_message", "from_mismatch"), raw
        stranger.hang_up()
    assert observer.fence() == []
    assert keys_and_channels(rig) == expected(["observer"])


def test_ids_that_look_like_something(rig, node):
    """F22: an id is a name and nothing else, whatever it means to Redis."""
    everybody = [join(node, id) for id in ODD_IDS]
    assert keys_and_channels(rig) == expected(ODD_IDS)
    everybody[0].say("direct", to=ODD_IDS[-1], data="hello")
    while (heard := everybody[-1].hear())["type"] != "direct":
        pass
    assert heard["from"] == ODD_IDS[0]


def keys_and_channels(rig):
    keys = rig.redis.call("KEYS", "*")
    channels = [each for each in rig.redis.call("PUBSUB", "CHANNELS") if "{~}" not in each]
    return sorted(keys), sorted(channels)


def expected(ids):
    peers = [f"relay:{{mesh}}:peer:{id}" for id in ids]
    return sorted([*peers, "relay:{mesh}:peers"]), sorted([*peers, "relay:{mesh}:broadcast"])


BAD_MESHES = ["", "x" * 65, "a%20b", "%00", "a%0d%0ab", "%7Bx%7D", "*", "a/b", "%FF", "a&mesh=b"]


@pytest.mark.parametrize("name", BAD_MESHES)
def test_meshes_that_are_none(node, name):
    """F22: 400."""
    assert node.get(f"/ws?mesh={name}", headers=UPGRADE).status == 400


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def test_nobody_speaks_for_another(node):
    """F23: not under another's id, however it is spelled, and not into another mesh."""
    victim, thief = join(node, "victim"), join(node, "thief")
    foreign = join(node, "victim", mesh="other")
    victim.fence()
    spoofs = [
        '{"type":"broadcast","from":"victim"}',
        '{"type":"broadcast","from":"v\\u0069ctim"}',
        '{"type":"broadcast","from":"thief","instanceId":"victim"}',
        '{"type":"broadcast","instanceId":"victim"}',
        '{"type":"presence","from":"victim","data":{}}',
        '{"type":"heartbeat","from":"victim"}',
        '{"type":"broadcast","from":"relay"}',
        '{"type":"broadcast","from":"thief","from":"victim"}',
        '{"type":"drain","from":"thief"}',
        '{"type":"relay.anything"}',
        '{"type":"direct","to":"victim","from":"victim"}',
    ]
    for text in spoofs:
        thief.send(text)
        (error,) = thief.fence()
        assert error["data"]["code"] in ("from_mismatch", "invalid_message", "reserved_type"), text
        assert victim.fence() == []
    thief.send('{"type":"direct","to":"victim","mesh":"other","data":1}')
    assert victim.hear()["from"] == "thief"
    assert foreign.fence() == []
