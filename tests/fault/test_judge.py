"""The judge finds each kind of fault in journals made by hand, and nothing in a clean one."""

import re

import pytest

from harness.process import ROOT
from programs import ENDINGS, KINDS, RECORD, judge

CLOSED, EOF, RESET, OWN = map(ENDINGS.index, ["CLOSED", "EOF", "RESET", "OWN"])
PEER_NOT_FOUND, BUS_UNAVAILABLE = 0, 2
S = 1_000_000  # the journal has microseconds
TTL = 3


class Journal:
    """Peers 0, 1, ... have joined at 1 s and see each other; what is added comes later."""

    def __init__(self, path, peers=3):
        self.path, self.peers = path, peers
        self.records = []
        self.numbers = [0] * peers
        for peer in range(peers):
            self.add(0, peer, "PEER", other=0, number=peer % 2)
        for peer in range(peers):
            self.join(1, peer)
        for peer in range(peers):
            for other in range(peer):
                self.add(1, other, "GOT_ONLINE", peer)

    def add(self, at, peer, kind, other=0, number=0, visit=1, code=0):
        self.records.append((int((at + 100) * S), peer, other, number, visit, KINDS.index(kind), code))

    def join(self, at, peer, visit=1, sees=None):
        self.add(at, peer, "OPENED", visit=visit)
        self.add(at, peer, "UPGRADED", visit=visit)
        for other in range(peer) if sees is None else sees:
            self.add(at, peer, "GOT_ONLINE", other, visit=visit)
        self.add(at, peer, "JOINED", visit=visit)

    def direct(self, at, peer, to, visit=1):
        self.numbers[peer] += 1
        self.add(at, peer, "SENT_DIRECT", to, self.numbers[peer], visit)
        return self.numbers[peer]

    def broadcast(self, at, peer):
        self.numbers[peer] += 1
        self.add(at, peer, "SENT_BROADCAST", 0, self.numbers[peer])
        return self.numbers[peer]

    def got(self, at, peer, sender, number, kind="GOT_DIRECT", visit=1):
        self.add(at, peer, kind, sender, number, visit)

    def tell(self, at, *others, of, online=False):
        for other in others:
            self.add(at, other, "GOT_ONLINE" if online else "GOT_OFFLINE", of)

    def verdict(self, end=30, **rules):
        self.add(end, 0, "GOT_RESYNC")  # a last record: when it ended
        with open(self.path, "wb") as file:
            for record in sorted(self.records, key=lambda r: r[0]):
                file.write(RECORD.pack(*record))
        return judge(self.path, **{"ttl": TTL * 1000, "due": 3000, **rules})


FAULTS = (
    "forged duplicated reordered lost lost_silent unanswered_silent unanswered_at_break old"
    " false_offline late_offline double_online double_offline missing_offline missing_online strange"
).split()


def only(verdict, **faults):
    """Those faults were found and no others."""
    found = {name: verdict[name] for name in FAULTS if verdict[name]}
    assert found == faults, verdict.story()


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


def test_a_clean_one(journal):
    for n in range(5):
        number = journal.direct(2 + n, 0, 1)
        journal.got(2.01 + n, 1, 0, number)
        number = journal.broadcast(2.5 + n, 0)
        for peer in (1, 2):
            journal.got(2.51 + n, peer, 0, number, "GOT_BROADCAST")
    journal.add(10, 2, "LEFT")
    journal.tell(10.1, 0, 1, of=2)
    verdict = journal.verdict()
    only(verdict)
    assert verdict.expected == verdict.delivered == 15
    assert verdict.direct["count"] == 5 and verdict.direct["max_ms"] == 10
    assert verdict.offline_after_left == {"count": 2, "p50_ms": 100, "p99_ms": 100, "max_ms": 100}
    assert verdict.join["count"] == 3


def test_lost_direct(journal):
    journal.direct(2, 0, 1)
    only(journal.verdict(), lost=1, lost_silent=1)


def test_lost_broadcast(journal):
    number = journal.broadcast(2, 0)
    journal.got(2, 1, 0, number, "GOT_BROADCAST")
    verdict = journal.verdict()
    only(verdict, lost=1, lost_silent=1)
    assert verdict.lost_between_stayers == 1
    assert verdict.examples == ["lost broadcast: p0 to p2, number 1, at 2.000 s"]


def test_lost_and_the_sender_was_told(journal):
    number = journal.direct(2, 0, 1)
    journal.add(2.5, 0, "GOT_ERROR", 0, number, code=BUS_UNAVAILABLE)
    verdict = journal.verdict()
    only(verdict, lost=1)
    assert verdict.lost_told_sender == 1
    assert verdict.error_BUS_UNAVAILABLE["max_ms"] == 500


def test_lost_and_the_receiver_was_told(journal):
    journal.direct(2, 0, 1)
    journal.add(4, 1, "GOT_RESYNC")
    verdict = journal.verdict()
    only(verdict, lost=1)
    assert verdict.lost_told_receiver == 1


def test_told_too_late_or_too_early_is_not_told(journal):
    journal.add(1.5, 1, "GOT_RESYNC")
    journal.direct(2, 0, 1)
    journal.add(13, 1, "GOT_RESYNC")
    only(journal.verdict(told=10000), lost=1, lost_silent=1)


def test_lost_with_the_connection(journal):
    journal.direct(2, 0, 1)
    journal.add(2.5, 1, "ENDED", number=1012, code=CLOSED)
    journal.tell(3, 0, 2, of=1)
    verdict = journal.verdict()
    only(verdict, lost=1)
    assert verdict.lost_told_receiver == 1 and verdict.codes == {"1012": 1}


def test_lost_at_the_own_leave(journal):
    journal.direct(2, 0, 1)
    journal.add(2.1, 1, "LEFT")
    journal.direct(2.2, 0, 1)
    journal.tell(3, 0, 2, of=1)
    verdict = journal.verdict()
    only(verdict, lost=1)
    assert verdict.lost_in_flight == 1


def test_to_nobody_without_an_answer(journal):
    journal.add(2, 1, "LEFT")
    journal.tell(2, 0, 2, of=1)
    journal.direct(9, 0, 1)
    only(journal.verdict(), unanswered_silent=1)


def test_to_nobody_with_an_answer(journal):
    journal.add(2, 1, "LEFT")
    journal.tell(2, 0, 2, of=1)
    number = journal.direct(9, 0, 1)
    journal.add(9.1, 0, "GOT_ERROR", 0, number, code=PEER_NOT_FOUND)
    verdict = journal.verdict()
    only(verdict)
    assert verdict.error_PEER_NOT_FOUND["count"] == 1


def test_at_the_moment_when_the_connection_breaks(journal):
    journal.add(2, 1, "ENDED", code=RESET)
    journal.direct(2.1, 0, 1)
    journal.tell(4, 0, 2, of=1)
    only(journal.verdict(), unanswered_at_break=1)


def test_to_who_vanished(journal):
    """Nobody can know before the TTL is over."""
    journal.add(2, 1, "VANISHED")
    journal.direct(4, 0, 1)
    journal.tell(5, 0, 2, of=1)
    only(journal.verdict())


def test_duplicated(journal):
    number = journal.direct(2, 0, 1)
    journal.got(2, 1, 0, number)
    journal.got(3, 1, 0, number)
    only(journal.verdict(), duplicated=1)


def test_twice_on_two_connections_is_right(journal):
    journal.join(2, 1, visit=2, sees=[0, 2])
    number = journal.direct(3, 0, 1)
    journal.got(3, 1, 0, number)
    journal.got(3, 1, 0, number, visit=2)
    only(journal.verdict())


def test_reordered(journal):
    numbers = [journal.direct(2, 0, 1), journal.broadcast(2.1, 0)]
    journal.got(3, 1, 0, numbers[1], "GOT_BROADCAST")
    journal.got(3, 2, 0, numbers[1], "GOT_BROADCAST")
    journal.got(3.1, 1, 0, numbers[0])
    only(journal.verdict(), reordered=1)


def test_order_is_of_one_connection(journal):
    """From two connections of a sender no order is promised."""
    first = journal.direct(2, 0, 1)
    journal.join(2.5, 0, visit=2, sees=[1, 2])
    second = journal.direct(3, 0, 1, visit=2)
    journal.got(4, 1, 0, second)
    journal.got(4.1, 1, 0, first)
    only(journal.verdict())


def test_forged(journal):
    """Never sent, sent to another, or in another mesh."""
    number = journal.direct(2, 0, 1)
    journal.got(2, 1, 0, number)
    journal.got(2, 2, 0, number)
    journal.got(2, 1, 2, 7)
    only(journal.verdict(), forged=2)


def test_old(journal):
    number = journal.direct(2, 0, 1)
    journal.got(9, 1, 0, number)
    only(journal.verdict(), old=1)


def test_false_offline(journal):
    journal.tell(5, 0, of=2)
    journal.tell(6, 0, of=2, online=True)
    only(journal.verdict(), false_offline=1)


def test_offline_of_who_is_cut_off(journal):
    journal.add(4, 2, "AWAY")
    journal.tell(8, 0, 1, of=2)
    journal.add(10, 2, "BACK")
    journal.tell(11, 0, 1, of=2, online=True)
    verdict = journal.verdict()
    only(verdict)
    assert verdict.offline_after_away["max_ms"] == 4000
    assert {"observer": 1, "other": 0, "back": 1, "offline": 1} in verdict.changes


def test_missing_offline(journal):
    journal.add(5, 2, "ENDED", code=RESET)
    journal.tell(8, 0, of=2)
    only(journal.verdict(), missing_offline=1)


def test_missing_offline_in_the_middle(journal):
    """It came back later, but was away for long enough to be missed."""
    journal.add(5, 2, "ENDED", code=RESET)
    journal.tell(8, 0, of=2)
    journal.join(20, 2, visit=2, sees=[0, 1])
    journal.tell(20, 0, of=2, online=True)
    only(journal.verdict(), missing_offline=1)


def test_back_before_it_was_missed(journal):
    journal.add(5, 2, "ENDED", code=RESET)
    journal.join(6, 2, visit=2, sees=[0, 1])
    only(journal.verdict())


def test_late_offline(journal):
    """It was back already."""
    journal.add(5, 2, "ENDED", code=RESET)
    journal.join(6, 2, visit=2, sees=[0, 1])
    journal.tell(7, 0, 1, of=2)
    journal.tell(8, 0, 1, of=2, online=True)
    only(journal.verdict(), late_offline=2)


def test_double_offline(journal):
    journal.add(5, 2, "LEFT")
    journal.tell(5, 0, 1, of=2)
    journal.tell(6, 0, of=2)
    only(journal.verdict(), double_offline=1)


def test_double_online(journal):
    journal.tell(5, 0, of=2, online=True)
    only(journal.verdict(), double_online=1)


def test_a_new_connection_begins_anew(journal):
    journal.add(5, 2, "ENDED", code=EOF)
    journal.join(5.5, 2, visit=2, sees=[0, 1])
    only(journal.verdict())


def test_two_tabs_are_told_each(journal):
    journal.join(2, 0, visit=2, sees=[1, 2])
    number = journal.direct(4, 1, 0)
    journal.got(4.01, 0, 1, number, visit=1)
    journal.got(4.01, 0, 1, number, visit=2)
    journal.add(5, 1, "LEFT")
    journal.add(5, 1, "ENDED", number=1000, code=OWN)
    journal.tell(5.01, 0, 2, of=1)
    journal.add(5.01, 0, "GOT_OFFLINE", 1, visit=2)
    only(journal.verdict())


def test_a_second_announcement_is_another_version(journal):
    journal.add(3, 1, "CHANGED", other=1)
    journal.add(3.01, 0, "GOT_ONLINE", 1, number=1)
    journal.add(3.01, 2, "GOT_ONLINE", 1, number=1)
    only(journal.verdict())
    journal.add(3.02, 2, "GOT_ONLINE", 1, number=1)
    only(journal.verdict(), double_online=1)


def test_who_leaves_hears_no_more_until_it_is_greeted_again(journal):
    journal.add(3, 0, "LEFT")
    journal.tell(3.01, 1, 2, of=0)
    journal.add(3.01, 0, "GOT_OFFLINE", 1)  # still on its way when it left
    journal.add(3.01, 0, "GOT_ONLINE", 1)
    journal.add(4, 0, "GREETED")
    journal.tell(4, 0, of=1, online=True)
    journal.tell(4, 0, of=2, online=True)
    journal.add(4, 0, "JOINED")
    journal.tell(4, 1, 2, of=0, online=True)
    only(journal.verdict())


def test_who_left_rudely_took_its_message_along(journal):
    journal.direct(3, 0, 1)
    journal.add(3.5, 0, "LEFT")
    journal.add(3.5, 0, "ENDED", code=OWN)
    journal.tell(3.51, 1, 2, of=0)
    verdict = journal.verdict()
    only(verdict, lost=1)
    assert verdict.lost_in_flight == 1


def test_missing_online(journal):
    journal.add(5, 2, "LEFT")
    journal.tell(5, 0, 1, of=2)
    journal.join(9, 2, visit=2, sees=[0, 1])
    journal.tell(9, 1, of=2, online=True)
    only(journal.verdict(), missing_online=1)


def test_only_a_part_is_judged(journal):
    journal.direct(2, 0, 1)
    number = journal.direct(10, 0, 1)
    journal.got(10, 1, 0, number)
    verdict = journal.verdict(**{"from": 105_000})
    only(verdict)
    assert verdict.sent_direct == 1


def test_meshes_are_apart(tmp_path):
    journal = Journal(tmp_path / "journal", peers=2)
    journal.records[1] = (int(100 * S), 1, 1, 0, 0, 0, 0)  # peer 1 is of mesh 1
    number = journal.broadcast(2, 0)
    verdict = journal.verdict()
    assert verdict.lost == 0 and verdict.missing_online == 0
    journal.got(2, 1, 0, number, "GOT_BROADCAST")
    assert journal.verdict().forged == 1


def test_half_a_journal_is_refused(tmp_path):
    (tmp_path / "journal").write_bytes(b"x" * 48)
    with pytest.raises(AssertionError, match="record"):
        judge(tmp_path / "journal")


def test_the_names_are_those_of_the_header():
    names = re.findall(r"^\tX\((\w+)\)", (ROOT / "tests/fault/native/journal.h").read_text(), re.MULTILINE)
    assert names[: len(KINDS + ENDINGS)] == KINDS + ENDINGS
