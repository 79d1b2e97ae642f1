"""TCP gives both streams as they were said, whatever happened to their segments."""

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.importers.pcap import tcp
from inspector.importers.pcap.network import Network
from inspector.importers.pcap.tcp import Address, Reassembly
from tests.conversation import STEP
from tests.packets import ACK, CLIENT, FIN, PSH, RAW, RST, SYN, Packet, TcpTalk

SIDES = {True: "client", False: "server"}
SECOND = 1_000_000_000


@dataclass
class Heard:
    """What was told of one connection."""

    client: Address
    is_late: bool
    said: dict[str, bytes] = field(default_factory=lambda: {"client": b"", "server": b""})
    events: list[str] = field(default_factory=list)
    is_over: bool = False

    def receive(self, from_client: bool, data: bytes, at_ns: int) -> None:
        assert data
        self.said[SIDES[from_client]] += data

    def lose(self, from_client: bool, at_ns: int) -> None:
        self.events.append(f"{SIDES[from_client]} lost")

    def finish(self, from_client: bool, at_ns: int) -> None:
        self.events.append(f"{SIDES[from_client]} ended")

    def reset(self, from_client: bool, at_ns: int) -> None:
        self.events.append(f"{SIDES[from_client]} reset")

    def leave(self, at_ns: int) -> None:
        self.events.append("left")


def hear(packets: list[Packet], finish: bool = True, of: type[Heard] = Heard) -> list[Heard]:
    """Return what is told of each connection in `packets`."""
    heard: list[Heard] = []

    def begin(client: Address, server: Address, is_late: bool, at_ns: int) -> Heard:
        heard.append(of(client, is_late))
        return heard[-1]

    network, reassembly = Network(), Reassembly(begin)
    for at_ns, packet in packets:
        found = network.receive(at_ns, RAW, packet)
        assert found is not None
        reassembly.receive(at_ns, *found[1:])
    if finish:
        reassembly.finish()
        assert reassembly._waiting_bytes == 0
    return heard


def talk() -> TcpTalk:
    return (
        TcpTalk(segment=10).opens().client(b"a question of some length").server(b"an answer that is longer than that")
    )


SAID = {"client": b"a question of some length", "server": b"an answer that is longer than that"}


def test_both_sides_are_given_as_they_were_said() -> None:
    (heard,) = hear(talk().ends_with("server").packets)
    assert heard == Heard((bytes([10, 0, 0, 2]), 50_000), False, SAID, ["server ended", "client ended", "left"])


def test_numbers_go_on_from_zero_after_the_last() -> None:
    packets = TcpTalk(numbers=(2**32 - 5, 2**32 - 20), segment=7).opens().client(bytes(30)).server(bytes(50)).packets
    assert hear(packets)[0].said == {"client": bytes(30), "server": bytes(50)}


def test_who_broke_off_is_told() -> None:
    assert hear(talk().resets("client").packets)[0].events == ["client reset", "left"]


@pytest.mark.parametrize("seed", range(20))
def test_order_and_repetition_do_not_matter(seed: int) -> None:
    dice = Random(seed)
    packets = talk().ends_with("client").packets
    data = [*packets[3:], *dice.sample(packets[3:], 5)]
    dice.shuffle(data)
    (heard,) = hear([*packets[:3], *data])
    assert heard.said == SAID
    assert sorted(heard.events) == ["client ended", "left", "server ended"]


@given(
    said=st.binary(min_size=1, max_size=300),
    pieces=st.lists(st.tuples(st.integers(0, 299), st.integers(1, 60)), max_size=60),
    number=st.integers(0, 2**32 - 1),
)
def test_any_pieces_that_overlap_give_the_same_bytes(said: bytes, pieces: list[tuple[int, int]], number: int) -> None:
    made = TcpTalk(numbers=(number, 7)).opens()
    for start, size in pieces:
        made.send("client", ACK, said[start : start + size], seq=number + 1 + start)
    made.send("client", ACK, said, seq=number + 1)
    (heard,) = hear(made.packets)
    assert heard.said["client"] == said
    assert heard.events == ["left"]


def test_a_keep_alive_says_nothing() -> None:
    made = talk()
    made.send("client", ACK, b"\0", seq=made.next["client"] - 1).send("server", ACK, seq=made.next["server"] - 1)
    made.server(b"!")
    assert hear(made.packets)[0].said == {**SAID, "server": SAID["server"] + b"!"}


def test_the_same_syn_again_is_the_same_connection() -> None:
    packets = talk().packets
    assert len(hear([packets[0], *packets])) == 1


def test_ports_that_are_used_again_are_another_connection() -> None:
    first = talk().packets
    second = TcpTalk(numbers=(77, 88)).opens().client(b"again").packets
    heard = hear([*first, *second])
    assert [each.said["client"] for each in heard] == [SAID["client"], b"again"]
    assert heard[0].events == ["left"]


def test_ports_that_are_used_again_without_a_syn_are_another_connection() -> None:
    second = TcpTalk(numbers=(2_000_000_000, 5)).client(b"again").packets
    heard = hear([*talk().packets, *second])
    assert [each.is_late for each in heard] == [False, True]
    assert heard[1].said["client"] == b"again"


def test_a_recording_that_begins_late_says_so_and_takes_the_lower_port_for_the_server() -> None:
    made = TcpTalk().server(b"in the middle").client(b"of it")
    (heard,) = hear(made.packets)
    assert (heard.is_late, heard.client[1]) == (True, CLIENT[1])
    assert heard.said == {"client": b"of it", "server": b"in the middle"}


def without(packets: list[Packet], place: int) -> list[Packet]:
    return packets[:place] + packets[place + 1 :]


def test_a_hole_ends_its_direction_and_the_other_goes_on() -> None:
    made = talk().server(b"lost").server(b"later").client(b"still here").ends_with("server")
    place = next(i for i, (_, packet) in enumerate(made.packets) if packet.endswith(b"lost"))
    (heard,) = hear(without(made.packets, place))
    assert heard.said == {"client": SAID["client"] + b"still here", "server": SAID["server"]}
    assert heard.events == ["client ended", "server lost", "server ended", "left"]


def test_a_hole_is_certain_once_confirmed_bytes_stay_away_for_seconds() -> None:
    made = TcpTalk().opens().server(b"lost").server(b"later")
    made.at_ns += 4 * SECOND
    packets = without(made.client(b"x").packets, 3)
    assert hear(packets, finish=False)[0].events == ["server lost"]


def test_a_hole_is_certain_after_seconds_without_a_packet() -> None:
    heard: list[Heard] = []

    def begin(client: Address, server: Address, is_late: bool, at_ns: int) -> Heard:
        heard.append(Heard(client, is_late))
        return heard[-1]

    spoken = talk().server(b"what is lost").server(b"what is not")
    lost = next(place for place, (_, packet) in enumerate(spoken.packets) if packet.endswith(b"what is lo"))
    del spoken.packets[lost]
    network, reassembly = Network(), Reassembly(begin)
    for at_ns, packet in spoken.packets:
        found = network.receive(at_ns, RAW, packet)
        assert found is not None
        reassembly.receive(at_ns, *found[1:])
    reassembly.pass_time(spoken.at_ns + 2 * SECOND)
    assert heard[0].events == []
    reassembly.pass_time(spoken.at_ns + 4 * SECOND)
    assert heard[0].events == ["server lost"]
    assert not reassembly._holes


def test_bytes_that_nobody_confirmed_are_waited_for() -> None:
    made = TcpTalk().opens()
    number = made.next["client"]
    made.send("client", ACK, b"later", seq=number + 5)
    made.at_ns += 60 * SECOND
    made.send("server", ACK).send("client", ACK, b"first", seq=number)
    assert hear(made.packets)[0].said["client"] == b"firstlater"


def test_the_end_is_told_where_only_the_last_bytes_are_missing() -> None:
    packets = TcpTalk().opens().server(b"kept").server(b"lost").ends_with("server").packets
    place = next(i for i, (_, packet) in enumerate(packets) if packet.endswith(b"lost"))
    assert hear(without(packets, place))[0].events == ["client ended", "server lost", "server ended", "left"]


def test_what_was_not_kept_of_a_segment_is_a_hole() -> None:
    heard = Heard((b"", 0), False)
    reassembly = Reassembly(lambda client, server, late, at: heard)
    for at_ns, packet in TcpTalk().opens().client(b"0123456789").client(b"more").packets:
        segment = packet[20:]
        is_cut = segment.endswith(b"0123456789")
        reassembly.receive(at_ns, packet[12:16], packet[16:20], segment[: -6 if is_cut else None], 6 if is_cut else 0)
    reassembly.finish()
    assert heard.said["client"] == b"0123"
    assert heard.events == ["client lost", "left"]


def test_too_much_behind_a_hole_ends_the_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_MOST_WAITING", 1000)
    made = TcpTalk().opens()
    made.next["client"] += 1
    assert hear(made.client(bytes(3000)).packets, finish=False)[0].events == ["client lost"]


def test_connections_that_are_silent_for_longest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_MOST_CONNECTIONS", 10)
    packets = [
        packet for port in range(1000, 1100) for packet in TcpTalk(("10.0.0.2", port)).opens().client(b"x").packets
    ]
    keeper = TcpTalk(("10.0.0.3", 9), at_ns=packets[-1][0])
    heard = hear(keeper.opens().packets + packets + keeper.client(b"still known").packets)
    assert len(heard) == 101 or heard[0].events == ["left"]
    assert all(each.events == ["left"] for each in heard)


def test_nothing_is_told_of_a_connection_that_is_over() -> None:
    class Brief(Heard):
        def receive(self, from_client: bool, data: bytes, at_ns: int) -> None:
            super().receive(from_client, data, at_ns)
            self.is_over = True

    heard = hear(talk().ends_with("client").packets, of=Brief)
    assert heard[0].said == {"client": b"a question", "server": b""}
    assert heard[0].events == ["left"]


def test_a_syn_that_was_lost_is_no_hole() -> None:
    made = talk()
    for place in (0, 1):
        (heard,) = hear(without(made.packets, place))
        assert heard.said == SAID


def test_a_reset_far_from_the_expected_number_still_ends_it() -> None:
    made = talk()
    made.send("server", RST, seq=0)
    assert hear(made.packets)[0].events == ["server reset", "left"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["client", "server"]),
            st.sampled_from([0, ACK, SYN, FIN, RST, SYN | ACK, FIN | ACK, PSH | ACK, 255]),
            st.binary(max_size=20),
            st.one_of(st.none(), st.integers(0, 40), st.integers(0, 2**32 - 1)),
        ),
        max_size=30,
    )
)
def test_any_segments_are_told_in_a_possible_order(sent: list[tuple[str, int, bytes, int | None]]) -> None:
    made = TcpTalk(numbers=(0, 0), step_ns=STEP)
    for side, flags, data, seq in sent:
        made.send(side, flags, data, seq)
        made.at_ns += SECOND
    for heard in hear(made.packets):
        assert heard.events.count("left") == 1
        assert heard.events[-1] == "left"
        assert len(set(heard.events)) == len(heard.events)
