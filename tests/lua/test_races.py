"""Scripts of many nodes against each other, judged by a model that knows every lease (see model.py)."""

import collections
import json
import queue
import random
import threading

from mesh import TRACE_KEY, TTL, Node, Sweepers, key, now_ms, sleep_ms

# An offline is told by whoever looks first; here they look every 20 ms, on a machine that may be busy.
LATE_MS_MAX = 300


def test_dead_lease_beside_a_living_one(redis, node, watch, sweepers, model):
    a, b = node(), node()
    a.announce("p")
    b.announce("p")
    end = now_ms() + TTL + 150  # a is dead
    while now_ms() < end:
        assert b.refresh("p") == []
        sleep_ms(40)
    assert f"n:{a.id}".encode() not in redis("HKEYS", key("p"))
    assert "offline" not in watch.of("p")
    b.leave("p")
    assert watch.of("p").count("offline") == 1


def test_move_to_another_node_is_not_told(node, watch, sweepers):
    a, b = node(), node()
    a.announce("p")
    b.announce("p")
    a.leave("p")  # late, as after a drain
    sleep_ms(TTL / 2)
    assert b.refresh("p") == []
    assert "offline" not in watch.of("p")


def test_frozen_node_is_told_offline_and_comes_back(node, watch, sweepers):
    a = node()
    a.announce("p")
    sleep_ms(TTL + 150)
    assert a.refresh("p") == [1]
    assert a.announce("p") == [1]
    assert watch.of("p") == ["online", "offline", "online"]


def test_silent_peers_live_one_ttl_and_are_told_once(redis, node, watch, sweepers, model):
    ttl, a, heard, last_there, gone = 800, node(), {}, {}, set()
    peers = [f"p{i}" for i in range(40)]
    for i, peer in enumerate(peers):
        a.announce(peer, ttl=ttl)
        heard[peer] = a.time_ms()
        if i % 2:
            sleep_ms(5)
            a.refresh(peer, age=3, ttl=ttl)
            heard[peer] = a.time_ms() - 3
    end = now_ms() + ttl + 100
    while now_ms() < end:  # MULTI: time and answers of one moment
        exists = [("EXISTS", key(peer)) for peer in peers]
        (seconds, microseconds), *there = redis.many([("MULTI",), ("TIME",), *exists, ("EXEC",)])[-1]
        for peer, is_there in zip(peers, there):
            if is_there:
                last_there[peer] = int(seconds) * 1000 + int(microseconds) // 1000
            else:
                gone.add(peer)
        sleep_ms(2)
    sleep_ms(200)
    told = [peer for _, peer, _ in model.read()]
    lived = [last_there.get(peer, 0) - heard[peer] - ttl for peer in peers]
    assert min(lived) > -100 and max(lived) <= 50 and gone == set(peers)
    assert sorted(told) == sorted(peers) and model.latest_ms() < LATE_MS_MAX
    assert all(watch.of(peer) == ["online", "offline"] for peer in peers)


def test_two_nodes_the_last_lease_decides(redis, node, sweepers, model):
    """a holds the longer lease (announced at 0, ends at 1 TTL), b the shorter (heard at -0.5, ends at 0.5 TTL)."""
    ttl, a, b, c = 1000, node(), node(), node()

    def beat(who, age=0):
        return lambda peer: who.refresh(peer, ttl=ttl, age=age * ttl)

    def third(peer):
        c.announce(peer, ttl=ttl, age=0.2 * ttl)

    plans = {  # what happens at which part of a TTL, and when the peer goes offline
        "the longer dies": ([], 1),
        "the longer leaves": ([(0.2, a.leave)], 0.5),
        "the longer leaves after the shorter lapsed": ([(0.7, a.leave)], 0.7),
        "the longer dies, the shorter beats on": ([(0.3, beat(b))], 1.3),
        "the longer beats, the shorter has an old age": ([(0.2, beat(a)), (0.3, beat(b, 0.5))], 1.2),
        "the longer leaves, the shorter beats on": ([(0.2, a.leave), (0.35, beat(b))], 1.35),
        "the longer goes silent and leaves too late": ([(1.2, a.leave)], 1),
        "both leave": ([(0.2, a.leave), (0.3, b.leave)], 0.3),
        "the longer dies, a third comes with an age": ([(0.9, third)], 1.7),
        "the shorter dies, the longer beats on": ([(0.4, beat(a)), (0.8, beat(a))], 1.8),
    }
    for plan in plans:
        a.announce(plan, ttl=ttl)
        b.announce(plan, ttl=ttl, age=0.5 * ttl)
    trace = map(json.loads, redis("LRANGE", TRACE_KEY, 0, -1))
    start = {entry[2][4]: entry[1] for entry in trace if entry[2][0] == a.id}
    steps = [(start[plan] + at * ttl, plan, do) for plan in plans for at, do in plans[plan][0]]
    for at, plan, do in sorted(steps, key=lambda step: step[0]):
        sleep_ms(at - now_ms())
        do(plan)
    sleep_ms(ttl * 1.1)
    late = collections.defaultdict(list)
    for t, plan, _ in model.read():
        late[plan].append(t - start[plan] - plans[plan][1] * ttl)
    for plan in plans:
        assert len(late[plan]) == 1 and -10 < late[plan][0] < LATE_MS_MAX, (plan, late[plan])


def test_emptied_redis_is_filled_quietly(server, digests, redis, node, watch, model):
    a, b = node(), node()
    peers = [f"p{i}" for i in range(80)]
    ages = [TTL * i / 60 for i in range(80)]  # 0 .. 1.3 TTL
    a.announce(*peers)
    b.announce(*peers[:20])
    model.read()
    redis("FLUSHALL")
    model.forget()
    watch.catch_up()
    watch.seen.clear()
    assert a.refresh(*peers) == list(range(1, 81))
    sweepers = Sweepers(server, digests)
    assert a.announce(*peers, age=ages, header="") == [1] * 60 + [-2] * 20
    assert b.announce(*peers[:20], age=[TTL / 2 - age for age in ages[:20]], header="") == [0] * 20
    watch.catch_up()
    assert not watch.seen
    sleep_ms(TTL * 1.2)
    sweepers.stop()
    assert collections.Counter(peer for _, peer, _ in model.read()) == {peer: 1 for peer in peers[:60]}
    assert model.latest_ms() < LATE_MS_MAX


class Life:
    """A node in a storm: its peers join, beat, leave, move, fall silent; it freezes and crashes."""

    def __init__(self, server, digests, number, seed, inboxes):
        self.random = random.Random(seed)
        self.node = Node(server, digests)
        self.number, self.inboxes = number, inboxes
        self.heard, self.wrote, self.waiting, self.leaving = {}, {}, set(), []

    def forget(self, peer):
        self.heard.pop(peer)
        self.waiting.discard(peer)

    def join(self, peer, age=0):
        self.leaving = [late for late in self.leaving if late[1] != peer]
        if self.node.announce(peer, age=age)[0] >= 0:
            self.heard[peer], self.wrote[peer] = now_ms() - age, now_ms()
        elif peer in self.heard:
            self.forget(peer)

    def act(self):
        """Something happens. Returns who is to be refreshed at once."""
        dice, mine = self.random.random(), self.random.choice(list(self.heard) or [None])
        newcomer = f"p{self.random.randrange(60)}"
        if dice < 0.1 and newcomer not in self.heard:
            self.join(newcomer)
        elif 0.99 < dice < 0.993:
            sleep_ms(TTL * self.random.uniform(0.8, 1.6))
        elif dice > 0.995:
            self.node.new_id()
            self.heard, self.wrote, self.waiting, self.leaving = {}, {}, set(), []
        elif mine is None or dice < 0.1:
            pass
        elif dice < 0.85:  # a message: the first after a while is written at once, the others together
            self.heard[mine] = now_ms()
            if now_ms() - self.wrote[mine] >= TTL / 6:
                return {mine}
            self.waiting.add(mine)
        elif dice < 0.92:
            self.forget(mine)
            self.node.leave(mine)
        elif dice < 0.98:  # joins elsewhere, is left here later
            self.forget(mine)
            self.inboxes[self.random.randrange(len(self.inboxes))].put(mine)
            self.leaving.append((now_ms() + self.random.uniform(0, 0.5) * TTL, mine))
        else:  # silent; noticed after its lease
            self.forget(mine)
            self.leaving.append((now_ms() + self.random.uniform(1, 1.3) * TTL, mine))
        return set()

    def refresh(self, batch):
        batch |= {peer for peer in self.waiting if now_ms() - self.wrote[peer] >= TTL / 6}
        self.waiting -= batch
        peers, t = list(batch), now_ms()
        for place in self.node.refresh(*peers, age=[t - self.heard[peer] for peer in peers]) if peers else []:
            self.join(peers[place - 1], int(now_ms() - self.heard[peers[place - 1]]))
        for peer in peers:
            if peer in self.heard:
                self.wrote[peer] = t

    def run(self, end):
        while now_ms() < end:
            while not self.inboxes[self.number].empty():
                moved = self.inboxes[self.number].get()
                if moved not in self.heard:
                    self.join(moved)
            batch = self.act()
            for late in [late for late in self.leaving if late[0] <= now_ms()]:
                self.leaving.remove(late)
                self.node.leave(late[1])
            self.refresh(batch & set(self.heard))
            sleep_ms(self.random.uniform(0, 2))
        if self.number % 2:
            for peer in self.heard:
                self.node.leave(peer)
        self.node.close()


def test_storm(server, digests, redis, watch, sweepers, model):
    """No offline is false, told twice, missing or late; what the channel carried is what the scripts said."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    end, inboxes, failures = now_ms() + 8000, [queue.SimpleQueue() for _ in range(8)], []

    def live(number):
        try:
            Life(server, digests, number, seed + number, inboxes).run(end)
        except Exception as problem:
            failures.append(problem)

    threads = [threading.Thread(target=live, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    sleep_ms(TTL + 300)
    model.read()
    missing = [peer for peer, online in model.online.items() if online and model.end(peer) < now_ms()]
    assert not model.wrong and not missing and model.latest_ms() < LATE_MS_MAX
    assert len(model.told) > 300
    watch.catch_up()
    heard = [peer for kind, peer, _ in watch.seen if kind == "offline"]
    assert heard == [peer for _, peer, _ in model.told]
    sleep_ms(4 * TTL)
    model.read()
    assert redis("DBSIZE") == 0
