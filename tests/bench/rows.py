"""What is run and with whom, and what is wanted of it."""

from typing import NamedTuple

TITLES = {
    "relay": "p2p-relay",
    "nats": "nats-server",
    "nchan": "Nchan",
    "centrifugo": "Centrifugo",
    "raw": "raw",
}
TWO_NODES = tuple(TITLES)  # raw has one whatever happens
ONE_NODE = ("relay-1", "nats-1", "nchan-1", "centrifugo-1", "raw")
BOTH = tuple(dict.fromkeys(TWO_NODES + ONE_NODE))
WORKERS = ("relay-1", "relay-2w")  # one node, of one process and of two
PRESENCE = ("relay", "centrifugo", "relay-1", "centrifugo-1")  # the others know of none


class Figure(NamedTuple):
    key: str  # in what the load generator says
    label: str
    lower: bool = False  # is better
    wanted: dict = {}  # by system: how many times better than it we want to be; ours: the figure itself


class Row(NamedTuple):
    """A load that every system gets."""

    name: str
    title: str
    scenario: str
    options: dict
    figures: tuple
    systems: tuple = TWO_NODES
    rounds: int = 1000  # at most: where a repetition says nothing new


AHEAD = {"nats": 1, "nchan": 1, "centrifugo": 1}
LATENCY = (
    Figure("p50_ms", "p50, ms", lower=True, wanted=AHEAD),
    Figure("p99_ms", "p99, ms", lower=True, wanted=AHEAD),
)
MEMORY = (
    Figure("bytes_per_socket", "bytes of process memory each", lower=True, wanted={"relay": 10_000, **AHEAD}),
    Figure("kernel_bytes_per_socket", "bytes of kernel memory each", lower=True),
    Figure("cpu_percent", "% of a core", lower=True),
)


def cost(unit, **wanted):
    return (Figure("per_cpu_second", f"{unit}/CPU-s", wanted=wanted),)


def fan_out(receivers, window, size, systems, **wanted):
    # Four senders, each with its share of the window.
    return Row(
        f"fanout-{receivers}-w{window}-{size}",
        f"Fan-out to {receivers:,}, {size:,} B, window {window}",
        "fanout",
        dict(senders=4, receivers=receivers, window=window // 4, bytes=size),
        cost("deliveries", **wanted),
        systems,
    )


def direct(in_flight, **wanted):
    return Row(
        f"direct-{in_flight}",
        f"Direct, 100 pairs, {in_flight} in flight",
        "direct",
        dict(senders=100, in_flight=in_flight, bytes=200),
        cost("messages", **wanted),
        BOTH,
    )


ROWS = [
    fan_out(100, 32, 200, BOTH, nats=2, nchan=5, centrifugo=5, raw=0.5),
    fan_out(100, 4, 200, BOTH, **AHEAD),
    fan_out(100, 32, 2000, TWO_NODES, **AHEAD),
    fan_out(1000, 32, 200, BOTH, nats=2, nchan=5, centrifugo=5, raw=0.75),
    fan_out(1000, 4, 200, TWO_NODES, **AHEAD),
    fan_out(1000, 32, 2000, TWO_NODES, **AHEAD),
    direct(1, nats=2, nchan=3, centrifugo=5),
    direct(8, nats=2, nchan=5, centrifugo=10),
    Row(
        "latency-fanout",
        "Fan-out to 100 at 400 messages/s",
        "fanout",
        dict(senders=4, receivers=100, bytes=200, rate=400),
        LATENCY,
    ),
    Row(
        "latency-direct",
        "Direct, 100 pairs at 3,000 questions/s",
        "direct",
        dict(senders=100, bytes=200, rate=3000),
        LATENCY,
    ),
    Row(
        "join",
        "1,000 join a mesh, until all know of all",
        "join",
        dict(receivers=1000),
        cost("joins", relay=3000),
        PRESENCE,
    ),
    Row("connect", "10,000 connect", "connect", dict(sockets=10000), cost("connects"), BOTH),
    Row("idle", "10,000 idle sockets", "meshes", dict(sockets=10000), MEMORY, BOTH, rounds=1),
]

WORKER_ROWS = [
    fan_out(1000, 32, 200, WORKERS),
    fan_out(100, 32, 200, WORKERS),
    Row(
        "direct-rate",
        "Direct, 50 pairs at 10,000 questions/s",
        "direct",
        dict(senders=50, bytes=200, rate=10_000),
        cost("messages"),
        WORKERS,
    ),
]
