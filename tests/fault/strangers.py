"""
Clients that misbehave, byte by byte. The sockets are those of tests/edge; this adds what is said
over them to a real node.
"""

import json
import pathlib
import socket
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1] / "edge"))

from client import CLOSE, HANDSHAKE, Client, Closed, frame, head, text  # noqa: E402, F401


TTL_S = 30  # of nodes that meet them: they send no signs of life


class Stranger(Client):
    def __init__(self, node, mesh="mesh", **more):
        super().__init__(node.port, f"/ws?mesh={mesh}", **more)

    def say(self, type, **members):
        self.send(json.dumps({"type": type, **members}))

    def hear(self):
        return json.loads(self.receive())

    def fence(self):
        """All that it is told until an answer to a question of its own; what was sent before it is done."""
        self.say("capabilities")
        heard = []
        while (message := self.hear())["type"] != "capabilities_response":
            heard.append(message)
        return heard

    def join(self, id, agents=()):
        self.say("presence", **{"from": id}, data={"agents": list(agents)})
        return self.fence()


def join(node, id, mesh="mesh", **more):
    stranger = Stranger(node, mesh)
    stranger.join(id, **more)
    return stranger


def ended(tcp, seconds=20):
    """Has the other side ended the connection? What it says before is passed over."""
    tcp.settimeout(seconds)
    try:
        while tcp.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except socket.timeout:
        return False
