from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol.snowflake import when
from inspector.scrub.pseudonyms import DAY_MS, Pseudonyms
from inspector.session.redact.digests import digest, mask

KEY, OTHER = bytes(32), bytes([1] * 32)
IDS = st.integers(10**17, 2**62)


@given(st.lists(IDS, min_size=2, max_size=30, unique=True))
def test_ids_stay_in_their_order_and_on_their_day(ids: list[int]) -> None:
    invent = Pseudonyms(KEY)
    made = [invent.id(each) for each in ids]
    assert [at for _, at in sorted(zip(ids, range(len(ids)), strict=True))] == [
        at for _, at in sorted(zip(made, range(len(ids)), strict=True))
    ]
    assert all(when(a) // DAY_MS == when(b) // DAY_MS for a, b in zip(ids, made, strict=True))
    assert not set(ids) & set(made)


@given(IDS, st.integers(2, 512))
def test_an_id_keeps_its_remainder_by_the_number_of_shards(number: int, shards: int) -> None:
    made = Pseudonyms(KEY, shards=shards).id(number)
    assert (made >> 22) % shards == (number >> 22) % shards


def test_one_key_gives_one_pseudonym_and_another_key_another() -> None:
    first, again, other = Pseudonyms(KEY), Pseudonyms(KEY), Pseudonyms(OTHER)
    assert first.id(1180000000000000001) == again.id(1180000000000000001) != other.id(1180000000000000001)
    assert first.text("texts", "see you at noon", 15) == again.text("names", "see you at noon", 15)
    assert first.text("texts", "see you at noon", 15) != other.text("texts", "see you at noon", 15)


@given(IDS, st.integers(-(10**9), 10**9))
def test_a_shift_moves_every_id_by_the_same_time(number: int, shift_ms: int) -> None:
    made = Pseudonyms(KEY, shift_ms=shift_ms).id(number)
    assert when(made) - when(number) in (shift_ms, shift_ms + 1)


@given(st.text(min_size=1, max_size=200))
def test_a_text_becomes_as_many_characters_that_need_no_escapes(text: str) -> None:
    size = len(text.encode("utf-8", "replace"))
    for made in (Pseudonyms(KEY).text("texts", text, size), Pseudonyms(KEY).name("names", text, size)):
        assert len(made) == size
        assert made.isascii()
        assert all(char.isalpha() or char == " " for char in made)


def test_a_secret_and_its_mask_become_what_belongs_together() -> None:
    invent = Pseudonyms(KEY)
    secret = "5f0c9a1e7b2d4c6e8f0a1b2c3d4e5f60"
    masked = mask(secret.encode(), correlate=True).decode()
    assert digest(invent.secret(masked, 32)) == digest(invent.secret(secret, 32))
    assert digest(invent.secret(secret, 32)) != digest(secret)


def test_addresses_are_those_kept_for_examples() -> None:
    invent = Pseudonyms(KEY)
    assert invent.address("84.17.3.9").startswith(("192.0.2.", "198.51.100.", "203.0.113."))
    assert invent.address("2a01:4f8::1").startswith("2001:db8::")
    assert invent.host("gateway.my-server.net").endswith(".example")


def test_an_id_that_stands_for_another_is_not_missing_anywhere() -> None:
    """Ids that were made at the same moment are close enough for that."""
    invent = Pseudonyms(KEY)
    made = invent.id(1180000000000000001)
    invent.id(made)
    invent.forget_given()
    assert invent.taken["ids"] == {"1180000000000000001"}
