"""A node is told to end."""

import signal
import socket
import time

from harness import patience
from programs import read_journal
from rig import clean, record

LEAVE = 3  # s after the close: who moved was never offline


def closes(rig, since):
    """When connections ended by the relay, in seconds since then."""
    return sorted(
        record.time_us / 1e6 - since
        for record in read_journal(rig.swarm.journal, "ENDED")
        if record.number in (1001, 1012)
    )


def is_refused(node):
    """No new WebSocket."""
    try:
        with socket.create_connection((node.host, node.port), timeout=patience.SECONDS) as connection:
            connection.sendall(
                b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            return not connection.recv(100).startswith(b"HTTP/1.1 101")
    except OSError:
        return True


def test_all_are_moved_away(rig):
    """
    F34: not ready at once, no newcomers, sockets closed over the window, what was queued is delivered,
    everybody left, exit 0.
    """
    scale = rig.scale
    window = scale.seconds(3, 25)
    rig.start_redis()
    staying, going = rig.start_nodes(2, ttl_seconds=30, drain_seconds=window)
    rig.populate()
    rig.talk()
    rig.hold(1)
    begin = time.monotonic()
    going.terminate()
    patience.until(lambda: not going.is_ready(), "not ready")
    not_ready = time.monotonic() - begin
    refused = is_refused(going)
    status = going.wait(window + 10)
    ended = time.monotonic() - begin
    pairs = scale.peers * scale.peers
    rig.swarm.until(lambda c: c["GOT_OFFLINE"] >= pairs, "all offline", staying.group)
    rig.hush()
    verdict = rig.judge(ttl=30_000)
    times = closes(rig, begin)
    span = times[-1] - times[0]
    thirds = [sum(span * n / 3 <= t - times[0] <= span * (n + 1) / 3 for t in times) for n in range(3)]
    record("F34", scale, "not ready", not_ready, "s", "<= 1")
    record("F34", scale, "closed with 1012", len(times), "", str(scale.peers))
    record("F34", scale, "from the first close to the last", span, "s", f">= {window / 2:g}")
    record("F34", scale, "ended after the window", ended - window, "s", "<= 5")
    record("F34", scale, "offline told after the close, last", verdict.offline_after_lost["max_ms"] / 1000, "s", "")
    record("F34", scale, "lost and nobody told", verdict.lost_silent, "", "0")
    clean(verdict, unanswered_silent=True)
    assert not_ready <= 1 and refused and status == 0 and ended <= window + 5
    assert len(times) == scale.peers and span >= window / 2 and min(thirds) >= scale.peers // 6, times
    assert verdict.codes == {"1012": scale.peers}, verdict.story()
    told = next(change for change in verdict.changes if (change["observer"], change["other"]) == (0, 1))
    assert told["offline"] == pairs and told["back"] == 0, verdict.story()
    assert verdict.offline_after_lost["max_ms"] <= (LEAVE + 2) * 1000, "left, not lapsed"


def test_a_second_signal(rig):
    """F34: now. There is no time to see who moves elsewhere, so the end of the others is told later."""
    rig.start_redis()
    staying, going = rig.start_nodes(2, drain_seconds=60)
    rig.populate()
    going.terminate()
    patience.until(lambda: not going.is_ready(), "not ready")
    begin = time.monotonic()
    going.signal(signal.SIGTERM)
    assert going.wait() == 0
    ended = time.monotonic() - begin
    pairs = rig.scale.peers * rig.scale.peers
    rig.swarm.until(
        lambda c: c["GOT_OFFLINE"] >= pairs, "all offline", staying.group, rig.scale.ttl + 15
    )
    verdict = rig.judge()
    record("F34", rig.scale, "second signal: ended", ended, "s", "<= 1")
    clean(verdict)
    assert verdict.codes == {"1001": rig.scale.peers} and verdict.offline == pairs, verdict.story()
    assert ended <= 1
