"""
A way to Redis on which a node gets its answers one at a time.

What an event costs depends on what else a node finds when it wakes: two answers in one turn of its
loop cost less than in two, and so does a timer that is due with them. So that a count of
instructions is the same on any machine under any load, whatever goes to the node waits here until
the node rests.
"""

import os
import re
import select
import socket
import time
from dataclasses import dataclass

from harness import patience

PIECE_BYTES_MAX = 1 << 20  # more than a socket holds: what was written at once stays in one piece
REST_SECONDS = 0.002  # libwebsockets has a timer that ends 500 us after each event


@dataclass
class Way:
    """One connection of the node, and the one to Redis for it."""

    node: socket.socket
    redis: socket.socket


class Gate:
    """`url` is where the node finds Redis. Nothing passes by itself: settle() makes it."""

    def __init__(self, redis):
        self.redis = redis
        path = os.path.join(redis.home.name, "gate.sock")
        self.url = f"unix:{path}"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.ways = []

    def settle(self, node):
        """Passes on what is under way, until neither the node nor Redis has anything to do."""
        while True:
            rest(node)
            if self.accept() or self.pass_commands():
                continue
            fall_asleep(self.redis)
            if not self.pass_answer():
                return

    def wait_for_commands(self):
        wait_for([way.node for way in self.ways], "the node says nothing to Redis")

    def wait_for_answers(self):
        wait_for([way.redis for way in self.ways], "Redis says nothing to the node")

    def accept(self):
        if not is_readable(self.listener):
            return False
        redis = socket.socket(socket.AF_UNIX)
        redis.connect(str(self.redis.socket_path))
        self.ways.append(Way(self.listener.accept()[0], redis))
        return True

    def pass_commands(self):
        """All that there are."""
        return any([pass_on(way.node, way.redis) for way in self.ways])

    def pass_answer(self):
        """Of one connection only."""
        return any(pass_on(way.redis, way.node) for way in self.ways)


def pass_on(source, target):
    """Returns whether there was something."""
    if not is_readable(source):
        return False
    piece = source.recv(PIECE_BYTES_MAX)
    assert piece, "a connection between the node and Redis ended"
    target.sendall(piece)
    return True


def is_readable(source):
    return bool(select.select([source], [], [], 0)[0])


def wait_for(sockets, complaint):
    assert select.select(sockets, [], [], patience.SECONDS)[0], complaint


def fall_asleep(process):
    """
    Returns when the process has done all that it was asked to: neither a node nor Redis sleeps in
    any call but that which waits for more, and who writes to a unix socket of theirs has woken them
    when the write returns.
    """
    patience.until(lambda: process.state() == "S", process.story)


def rest(process):
    """The same, and timers that were to end at once have ended: it slept through a while."""

    def has_rested():
        before = naps(process)
        time.sleep(REST_SECONDS)
        return process.state() == "S" and naps(process) == before

    fall_asleep(process)
    patience.until(has_rested, process.story)


def naps(process):
    """How often it fell asleep so far."""
    with open(f"/proc/{process.pid}/status", encoding="ascii", errors="replace") as status:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read(), re.MULTILINE)[1])
