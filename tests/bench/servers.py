"""
The systems that are compared: how each is configured, started and ended.

A system is a few processes that together are one relay, with Redis if it needs one. It has two addresses:
messages go in at the first and come out at the second. With one node both are the same.

All are configured to carry messages and do nothing beside it: no compression, no history, no limits, no
logs of connections. Redis keeps nothing on disk.
"""

import contextlib
import itertools
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
PEERS = ROOT / "build/peers"
REDIS = ROOT / "build/bin/redis-server"
RELAY = ROOT / os.environ.get("RELAY_BINARY", "build/release/p2p-relay")
RAW = ROOT / "build/release/tests/bench/bench_raw"

START_SECONDS = 20
STOP_SECONDS = 5
HOST = "127.0.0.1"


class NotHere(Exception):
    """The system can't be had on this machine, and why."""


# Below those that the kernel gives to whoever connects, and each only after all others.
PORTS = itertools.cycle(random.sample(range(15000, 32000), 17000))


def free_port():
    for port in PORTS:
        with contextlib.suppress(OSError), socket.create_server((HOST, port)):
            return port


def until(condition, what):
    give_up = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            raise RuntimeError(f"{what} did not come in {START_SECONDS} s")
        time.sleep(0.02)


def is_open(port):
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def answers(url, question=None):
    with contextlib.suppress(OSError), urllib.request.urlopen(url, question, timeout=1) as answer:
        return json.loads(answer.read() or b"null") if "json" in answer.headers.get_content_type() else True
    return False


def installed(name, program):
    """One of those of fetch-peers."""
    path = PEERS / name / "bin" / program
    if path.exists():
        return path
    why_not = PEERS / name  # a file, if it could not be had
    raise NotHere(why_not.read_text().strip() if why_not.is_file() else "tests/bench/fetch-peers has not run")


def first_line(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return done.stdout.splitlines()[0]


def version(*command):
    """The number in what it says of itself."""
    return re.search(r"[0-9]+(\.[0-9]+)+", first_line(*command))[0]


class System:
    speech = ""  # what the load generator calls the protocol
    redis = False  # whether it needs one, with this many nodes

    def __init__(self, folder, cores, nodes):
        self.folder, self.cores = pathlib.Path(folder), cores
        self.names = [f"node{number + 1}" for number in range(nodes)]
        self.ports = {name: free_port() for name in self.names}
        self.started = {}

    def __enter__(self):
        try:
            if self.redis:
                self.start_redis()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def addresses(self):
        return ",".join(f"{HOST}:{port}" for port in self.ports.values())

    def spawn(self, name, *command, **environment):
        with self.log_of(name).open("wb") as log:
            self.started[name] = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, self.cores)), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )

    def log_of(self, name):
        return self.folder / f"{name}.log"

    def wait(self, name, condition):
        def ready_or_dead():
            if self.started[name].poll() is not None:
                raise RuntimeError(f"{name} ended: {self.log_of(name).read_text(errors='replace')[-2000:]}")
            return condition()

        until(ready_or_dead, f"{type(self).__name__} {name}")

    def start_redis(self):
        port = self.redis_port = free_port()
        quiet = ("--save", "", "--appendonly", "no")
        self.spawn("redis", REDIS, "--bind", HOST, "--port", port, "--dir", self.folder, *quiet)
        self.wait("redis", lambda: is_open(port))

    @property
    def redis_url(self):
        return f"redis://{HOST}:{self.redis_port}"

    def processes(self):
        """Name and pid of each, workers included."""
        for name, process in self.started.items():
            yield name, process.pid
            children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for number, child in enumerate(children):
                yield f"{name}-worker{number}", int(child)

    def stop(self):
        for process in self.started.values():
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.started.values()):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Relay(System):
    """Ours. Nobody is limited, and nobody has to send heartbeats; `options` come on top of that."""

    speech = "relay"
    redis = True

    def __init__(self, folder, cores, nodes, **options):
        super().__init__(folder, cores, nodes)
        self.options = options

    def start(self):
        for name, port in self.ports.items():
            options = {
                "listen": f"{HOST}:{port}",
                "redis-url": self.redis_url,
                "ttl-seconds": 3600,
                "messages-per-second": 0,
                "bytes-per-second": 0,
                "drain-seconds": 0,
                "log-level": "warn",
                "connections-max": 20000,
                "core-dumps": "on",  # else only root may see how much memory it has
                **{name.replace("_", "-"): value for name, value in self.options.items()},
            }
            self.spawn(name, RELAY, *(f"--{option}={value}" for option, value in options.items()))
        for name, port in self.ports.items():
            self.wait(name, lambda port=port: answers(f"http://{HOST}:{port}/readyz"))

    @staticmethod
    def version():
        return first_line(RELAY, "--version")


class RelayOfTwo(Relay):
    """One node of ours with two processes."""

    def __init__(self, folder, cores, nodes):
        super().__init__(folder, cores, nodes, workers=2)


class Nats(System):
    """Its own protocol over WebSocket. Two are a cluster with a route between them."""

    speech = "nats"

    def start(self):
        routes = {name: free_port() for name in self.names}
        monitors = {name: free_port() for name in self.names}
        for name, port in self.ports.items():
            cluster = ""
            if len(self.names) > 1:
                others = " ".join(f"nats://{HOST}:{route}" for other, route in routes.items() if other != name)
                cluster = f'cluster {{ name: bench, listen: "{HOST}:{routes[name]}", routes: [{others}] }}'
            settings = self.folder / f"{name}.conf"
            settings.write_text(
                f'server_name: {name}\nlisten: "{HOST}:{free_port()}"\nhttp: "{HOST}:{monitors[name]}"\n'
                f'websocket {{ listen: "{HOST}:{port}", no_tls: true, compression: false }}\n{cluster}\n'
            )
            server = installed("nats", "nats-server")
            self.spawn(name, server, "-c", settings, GOMAXPROCS=str(len(self.cores)))
        for name, port in self.ports.items():
            self.wait(name, lambda port=port: is_open(port))
        for name, port in monitors.items():
            self.wait(name, lambda port=port: self.knows(port, len(self.names) - 1))

    @staticmethod
    def knows(monitor, others):
        routes = answers(f"http://{HOST}:{monitor}/routez")
        return routes and routes["num_routes"] >= others

    @staticmethod
    def version():
        return "nats-server " + version(installed("nats", "nats-server"), "--version")


class Nchan(System):
    """nginx with one worker. One keeps its messages in memory; two share a Redis, which keeps none."""

    speech = "nchan"

    def __init__(self, folder, cores, nodes):
        super().__init__(folder, cores, nodes)
        self.redis = nodes > 1

    def start(self):
        nginx = installed("nginx", "nginx")
        for name, port in self.ports.items():
            home = self.folder / name
            home.mkdir()
            settings = home / "nginx.conf"
            settings.write_text(self.settings(port))
            self.spawn(name, nginx, "-p", home, "-e", "stderr", "-c", settings)
        for name, port in self.ports.items():  # until its worker has found Redis
            self.wait(name, lambda port=port: answers(f"http://{HOST}:{port}/ready", b"?"))

    def settings(self, port):
        store, upstream = "", ""
        if self.redis:
            server = f"nchan_redis_server {self.redis_url}; nchan_redis_storage_mode nostore;"
            upstream = f"upstream redis {{ {server} }}"
            store = "nchan_redis_pass redis;"  # said for the whole server, Nchan does not hear it
        return f"""
            load_module {PEERS}/nginx/modules/ngx_nchan_module.so;
            daemon off;
            user root;
            worker_processes 1;
            pid nginx.pid;
            events {{ worker_connections 16384; }}
            http {{
                access_log off;
                nchan_shared_memory_size 1024M;
                {upstream}
                server {{
                    listen {HOST}:{port} backlog=4096;
                    location = /ready {{ {store} nchan_publisher http; nchan_channel_id ready; }}
                    location ~ ^/sub/(\\w+)$ {{ {store} nchan_subscriber websocket; nchan_channel_id $1; }}
                    location ~ ^/pub/(\\w+)$ {{ {store} nchan_publisher websocket; nchan_channel_id $1; }}
                    location ~ ^/ps/(\\w+)/(\\w+)$ {{
                        {store}
                        nchan_pubsub websocket;
                        nchan_subscriber_channel_id $1;
                        nchan_publisher_channel_id $2;
                    }}
                }}
            }}
        """

    @staticmethod
    def version():
        if not os.access("/var/lib/nginx", os.W_OK):  # with Nchan it looks there whatever is configured
            raise NotHere("nginx must have a /var/lib/nginx: scripts/bench, as root, lays one")
        return "nginx " + version(installed("nginx", "nginx"), "-e", "/dev/null", "-v") + " with Nchan"


class Centrifugo(System):
    """Its JSON protocol. One is its own broker; two have Redis."""

    speech = "centrifugo"

    def __init__(self, folder, cores, nodes):
        super().__init__(folder, cores, nodes)
        self.redis = nodes > 1

    def start(self):
        server = installed("centrifugo", "centrifugo")
        for name, port in self.ports.items():
            engine = {"type": "redis", "redis": {"address": self.redis_url}} if self.redis else {"type": "memory"}
            settings = self.folder / f"{name}.json"
            settings.write_text(
                json.dumps(
                    {
                        "http_server": {"address": HOST, "port": port},
                        "client": {"insecure": True, "allowed_origins": ["*"]},
                        "channel": {"namespaces": [{"name": "presence", "presence": True, "join_leave": True}]},
                        "engine": engine,
                        "log": {"level": "error"},
                        "usage_stats": {"disabled": True},
                    }
                )
            )
            self.spawn(name, server, "-c", settings, GOMAXPROCS=str(len(self.cores)))
        for name, port in self.ports.items():
            self.wait(name, lambda port=port: is_open(port))

    @staticmethod
    def version():
        installed("centrifugo", "centrifugo")
        return "Centrifugo " + (PEERS / "centrifugo/version").read_text().strip().lstrip("v")


class Raw(System):
    """One process that only copies bytes, all frames of a turn of its loop in one write per socket."""

    speech = "raw"

    def start(self):
        (name, port), *_ = self.ports.items()
        self.spawn(name, RAW, "--port", port)
        self.wait(name, lambda: is_open(port))

    @staticmethod
    def version():
        return "tests/bench/raw"


# By name: what to start, and how many nodes.
SYSTEMS = {
    "relay": (Relay, 2),
    "nats": (Nats, 2),
    "nchan": (Nchan, 2),
    "centrifugo": (Centrifugo, 2),
    "raw": (Raw, 1),
    "relay-1": (Relay, 1),
    "relay-2w": (RelayOfTwo, 1),
    "nats-1": (Nats, 1),
    "nchan-1": (Nchan, 1),
    "centrifugo-1": (Centrifugo, 1),
}
