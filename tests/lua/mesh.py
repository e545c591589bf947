"""What nodes do with the scripts: announce, refresh, leave, look and reap, listen."""

import itertools
import pathlib
import queue
import random
import struct
import threading
import time

from resp import Link

FOLDER = pathlib.Path(__file__).parents[2] / "relay/bus/lua"
SCRIPTS = ("announce", "refresh", "leave", "reap")
TTL = 400  # ms
MESH = "relay:{m}:"
INDEX, CHANNEL, TRACE_KEY = MESH + "peers", MESH + "broadcast", MESH + "trace"

# Goes around a script: refuses keys that are not in KEYS, and writes down, in Redis's order and by
# its clock, what was called, answered and published, and how key and index stand afterwards.
TRACE = """
local real, declared, clock, sent, after = redis, {}, nil, {}, {}
for _, key in ipairs(KEYS) do declared[key] = true end
local redis = {}
redis.call = function(name, key, ...)
  if name == 'TIME' then clock = real.call('TIME') return clock end
  if not declared[key] then error({err = 'ERR not in KEYS: ' .. tostring(key)}) end
  if name:find('PUBLISH') then
    local frame = ...
    sent[#sent + 1] = frame:sub(1, 1) == 'F' and frame or 'A'
  end
  return real.call(name, key, ...)
end
redis.pcall = function(name, key, ...)
  if not declared[key] then error({err = 'ERR not in KEYS: ' .. tostring(key)}) end
  return real.pcall(name, key, ...)
end
local function script()
%s
end
local out = script()
clock = clock or real.call('TIME')
for _, key in ipairs(KEYS) do
  local id = key:match(':peer:(.*)')
  if id then
    after[#after + 1] = {id, real.call('PEXPIRETIME', key), real.call('ZSCORE', KEYS[1], id) or 0,
                         real.call('HGET', key, 'seen') or 0}
  end
end
local t = clock[1] * 1000 + math.floor(clock[2] / 1000)
real.call('RPUSH', 'relay:{m}:trace', cjson.encode({'%s', t, ARGV, out, sent, after}))
return out
"""


def key(peer):
    return MESH + "peer:" + peer


def text(name):
    """A script as the relay loads it, in two parts: first line; lib.lua and the rest."""
    first, rest = (FOLDER / f"{name}.lua").read_text().split("\n", 1)
    return first + "\n", "local PUBLISH = 'PUBLISH'\n" + (FOLDER / "lib.lua").read_text() + rest


def load(link, traced=False):
    """Returns the digest of each script."""
    digests = {}
    for name in SCRIPTS:
        first, rest = text(name)
        digests[name] = link("SCRIPT", "LOAD", first + (TRACE % (rest, name) if traced else rest))
    return digests


def now_ms():
    return time.time() * 1000


def sleep_ms(ms):
    time.sleep(max(0, ms) / 1000)


class Node(Link):
    numbers = itertools.count(1)

    def __init__(self, server, digests):
        super().__init__(server)
        self.digests = digests
        self.new_id()

    def new_id(self):
        self.id = f"n{next(Node.numbers)}"

    def call(self, script, keys, *arguments):
        return self("EVALSHA", self.digests[script], len(keys), *keys, *arguments)

    def announce(self, *peers, owner="o", message="{}", header="A", fresh=True, age=0, ttl=TTL):
        ages = age if isinstance(age, list) else [age] * len(peers)
        each = [part for peer, one in zip(peers, ages) for part in (peer, owner, message, int(one))]
        return self.call("announce", [INDEX, CHANNEL, *map(key, peers)], self.id, ttl, header, int(fresh), *each)

    def refresh(self, *peers, age=0, ttl=TTL):
        ages = age if isinstance(age, list) else [age] * len(peers)
        return self.call("refresh", [INDEX, *map(key, peers)], self.id, ttl, *map(int, ages))

    def leave(self, peer):
        return self.call("leave", [INDEX, CHANNEL, key(peer)], self.id, peer, "F")

    def reap(self, *due):
        return self.call("reap", [INDEX, CHANNEL, *map(key, due)], "F", *due)

    def sweep(self):
        _, first = self.many([("TIME",), ("ZRANGE", INDEX, 0, 0, "WITHSCORES")])
        now = self.time_ms()
        if not first or float(first[1]) > now:
            return 0
        due = self("ZRANGE", INDEX, "-inf", now, "BYSCORE", "LIMIT", 0, 100)
        return self.reap(*[peer.decode() for peer in due]) if due else 0


class Sweepers:
    """Nodes that look and reap at the same time, until stopped."""

    def __init__(self, server, digests, number=3, every_ms=20):
        self.off = False
        self.failures = []
        self.threads = [
            threading.Thread(target=self.run, args=(server, digests, every_ms), daemon=True) for _ in range(number)
        ]
        for thread in self.threads:
            thread.start()

    def run(self, server, digests, every_ms):
        node = Node(server, digests)
        try:
            while not self.off:
                node.sweep()
                sleep_ms(random.uniform(0.5, 1.5) * every_ms)
        except Exception as problem:  # shown by stop()
            self.failures.append(problem)
        node.close()

    def stop(self):
        self.off = True
        for thread in self.threads:
            thread.join(5)
        assert not self.failures


def records(body):
    """The peers in a presence event: u16 length, id, u32 length, message."""
    while body:
        (id_size,) = struct.unpack(">H", body[:2])
        (size,) = struct.unpack(">I", body[2 + id_size : 6 + id_size])
        yield body[2 : 2 + id_size].decode(), body[6 + id_size : 6 + id_size + size]
        body = body[6 + id_size + size :]


def events(frame):
    kind, body = frame[:1], frame[1:]
    if kind == b"A":
        return [("online", peer, message) for peer, message in records(body)]
    return [("offline" if kind == b"F" else "mark", peer.decode(), None) for peer in body.split(b"\n")]


class Watch(threading.Thread):
    """A node that only listens: every event of the mesh, in order."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.link, self.other = Link(server), Link(server)
        self.seen, self.marks = [], queue.SimpleQueue()
        self.link("SUBSCRIBE", CHANNEL)
        self.start()

    def run(self):
        while True:
            for event in events(self.link.receive()[2]):
                if event[0] != "mark":
                    self.seen.append(event)
                elif event[1] == "end":
                    return self.link.close()
                else:
                    self.marks.put(event)

    def catch_up(self):
        self.other("PUBLISH", CHANNEL, "Mhere")
        self.marks.get(timeout=10)

    def of(self, peer):
        """What was told of the peer so far."""
        self.catch_up()
        return [kind for kind, who, _ in self.seen if who == peer]

    def stop(self):
        self.other("PUBLISH", CHANNEL, "Mend")
        self.join(10)
        self.other.close()
