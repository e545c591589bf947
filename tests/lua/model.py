"""Knows every lease, and so what each call to a script had to answer, to tell and to leave behind."""

import collections
import json

from mesh import TRACE_KEY

# Time that may pass inside a script between its own look at the clock and ours.
SLACK_MS = 20


class Model:
    """Replays the trace that the scripts left (see mesh.TRACE): they are judged, not this machine's speed."""

    def __init__(self, link):
        self.link = link
        self.wrong, self.told = [], []
        self.forget()

    def forget(self):
        """Redis was emptied."""
        self.leases = collections.defaultdict(dict)
        self.owner, self.online, self.seen, self.stored = {}, {}, {}, {}

    def end(self, peer):
        return max(self.leases[peer].values(), default=0)

    def read(self):
        """Replays the trace so far. Returns the offline events in it: (time, peer, time it was due)."""
        before = len(self.told)
        for entry in self.link("LPOP", TRACE_KEY, 10000000) or []:
            self.play(*json.loads(entry))
        return self.told[before:]

    def latest_ms(self):
        """How long after the end of its last lease the latest offline was told."""
        return max((t - due for t, _, due in self.told), default=0)

    def error(self, *what):
        self.wrong.append(what)

    def play(self, name, t, arguments, answer, sent, after):
        peers = [peer for peer, *_ in after]
        offline = [peer for frame in sent or [] if frame[0] == "F" for peer in frame[1:].split("\n")]
        getattr(self, name)(t, arguments, answer or [], sent, peers, offline)
        for state in after:
            self.check_state(name, t, *state)

    def offline(self, t, peer):
        if not self.online.get(peer):
            self.error("double offline", t, peer)
        if self.end(peer) > t:
            self.error("false offline", t, peer, self.leases[peer])
        self.told.append((t, peer, self.end(peer) or t))
        self.online[peer] = False
        self.leases[peer] = {}

    def announce(self, t, arguments, answer, sent, peers, _):
        node, ttl, announced = arguments[0], int(arguments[1]), 0
        for i, peer in enumerate(peers):
            owner, message, age = arguments[4 + 4 * i + 1 : 4 + 4 * i + 4]
            age, quiet, fresh = int(age), not arguments[2], arguments[3] == "1"
            alive = self.end(peer) > t
            others = any(deadline > t for n, deadline in self.leases[peer].items() if n != node)
            if alive and not fresh and others:
                message = self.stored[peer]
            kept = alive and not (quiet and message != self.stored[peer])
            wanted = -2 if age >= ttl else -1 if alive and self.owner[peer] != owner else 0 if kept else 1
            if answer[i] != wanted:
                self.error("announce answered", answer[i], "not", wanted, t, peer)
            if wanted < 0:
                continue
            announced += 1
            self.leases[peer] = {n: deadline for n, deadline in self.leases[peer].items() if deadline > t}
            self.seen[peer] = max(t - age, self.seen[peer] if alive else 0)
            self.leases[peer][node] = max(t - age + ttl, self.leases[peer].get(node, 0))
            self.owner[peer], self.online[peer], self.stored[peer] = owner, True, message
        if bool(sent) != bool(announced and arguments[2]) or sent and sent != ["A"]:
            self.error("announce published", sent, t, peers)

    def refresh(self, t, arguments, answer, _, peers, __):
        node, ttl = arguments[0], int(arguments[1])
        for i, peer in enumerate(peers):
            mine, gone = self.leases[peer].get(node), i + 1 in answer
            if gone and (mine or 0) > t:
                self.error("refresh lost a lease", t, peer)
            if not gone and (mine is None or self.end(peer) < t - 2):
                self.error("refresh made a lease", t, peer)
            if gone:
                if self.end(peer) > t:
                    self.leases[peer].pop(node, None)
                continue
            heard = t - int(arguments[2 + i])
            self.leases[peer][node] = max(heard + ttl, mine or 0)
            self.seen[peer] = max(heard, self.seen.get(peer, 0))

    def leave(self, t, arguments, answer, _, peers, offline):
        node, peer = arguments[0], peers[0]
        mine = self.leases[peer].get(node)
        others = max([deadline for n, deadline in self.leases[peer].items() if n != node], default=0)
        if (answer == 1) != bool(offline) or answer == 1 and others > t:
            self.error("leave answered", answer, t, peer)
        if mine and mine > t and others <= t and answer != 1:
            self.error("leave kept quiet", t, peer)
        if answer == 1:
            self.leases[peer] = {node: min(mine or t, t)}
            self.offline(t, peer)
        elif others > t:
            self.leases[peer].pop(node, None)

    def reap(self, t, _, answer, __, ___, offline):
        if (answer or 0) != len(offline):
            self.error("reap answered", answer, offline)
        for peer in offline:
            self.offline(t, peer)

    def check_state(self, name, t, peer, expires, score, seen):
        """How key and index must stand after a call."""
        score, seen = float(score), float(seen)
        first = min([deadline for deadline in self.leases[peer].values() if deadline > t], default=0)
        if self.online.get(peer) is False and (expires > t or score):
            self.error("left behind", expires, score, t, peer, name)
        if not first or self.end(peer) <= t + SLACK_MS:
            return
        if expires != self.end(peer):
            self.error("key expires", expires, "not", self.end(peer), t, peer, name)
        if not 0 < score <= first:
            self.error("index", score, "after the earliest lease", first, t, peer, name)
        if name == "reap" and score != first:
            self.error("reap armed", score, "not", first, t, peer)
        if seen < self.seen[peer]:
            self.error("seen", seen, "went back from", self.seen[peer], t, peer, name)
