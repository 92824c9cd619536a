"""Facts: strict when written, readable for ever; what cannot be stored is refused at its own line."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard import facts
from callboard.errors import BadInput, FactUnreadable, TurnTooLarge, Unencodable
from callboard.facts import fact
from callboard.facts.membership import Subscribed, matches
from callboard.ids import BotName, Position, StreamId, SystemIds, Version
from callboard.messages import To
from callboard.store.changes import MoveCursor, RecordDelivery
from callboard.store.turn import Limits, Turn

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@fact(
    "facts_test_renamed",
    revision=3,
    upcasts={1: lambda old: {"name": old["nom"]}, 2: lambda old: old | {"n": 0}},
)
class Renamed(msgspec.Struct, frozen=True):
    name: str
    n: int


def new_turn(**about: object) -> Turn:
    return Turn(at=NOON, ids=SystemIds(), **about)  # type: ignore[arg-type]


# ── reading for ever ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("revision", "stored"),
    [
        (1, '{"nom":"ann"}'),
        (2, '{"name":"ann"}'),
        (3, '{"name":"ann","n":0}'),
        (3, '{"name":"ann","n":0,"more":1}'),
    ],
)
def test_a_fact_of_any_revision_reads_in_todays_shape(revision: int, stored: str) -> None:
    """Through its upcasters, and past fields that this version does not know."""
    assert facts.read("facts_test_renamed", revision, stored) == Renamed("ann", 0)


@pytest.mark.parametrize(
    ("name", "revision", "stored"),
    [
        ("facts_test_unheard_of", 1, "{}"),
        ("facts_test_renamed", 4, "{}"),
        ("facts_test_renamed", 3, '{"name":1,"n":0}'),
        ("facts_test_renamed", 3, "{"),
        ("facts_test_renamed", 1, "{}"),
    ],
)
def test_what_this_version_cannot_read_is_said_with_a_code(name: str, revision: int, stored: str) -> None:
    """Never as whatever the decoder or an upcaster happened to raise."""
    with pytest.raises(FactUnreadable):
        facts.read(name, revision, stored)


def test_a_type_of_fact_is_registered_once_and_completely() -> None:
    """Two shapes of one name, a revision without its upcaster, and a shape that can change are refused."""

    class Other(msgspec.Struct, frozen=True):
        pass

    class Loose(msgspec.Struct):
        pass

    with pytest.raises(TypeError, match="Two facts"):
        fact("facts_test_renamed")(Other)
    with pytest.raises(TypeError, match="upcaster"):
        fact("facts_test_other", revision=2)(Other)
    with pytest.raises(TypeError, match="frozen"):
        fact("facts_test_loose")(Loose)


# ── strict when writing ──────────────────────────────────────────────────────────────────────────────────


def test_a_fact_that_could_not_be_read_again_is_refused() -> None:
    """A struct can be made with values of the wrong type; the log does not take them."""
    turn = new_turn()
    for wrong in (Renamed(5, 0), Renamed("x", "many"), Subscribed(BotName("b"), "news", since=True)):  # type: ignore[arg-type]
        with pytest.raises(Unencodable):
            turn.append(StreamId("s"), "s", [wrong], expected=Version(0))
    assert (turn.facts, turn.entries) == (0, [])


@pytest.mark.parametrize(
    "wrong", [float("nan"), [float("-inf")], {"a": {"b": float("inf"), "c": None}}, object(), "\ud800"]
)
def test_a_value_that_json_cannot_hold_is_refused(wrong: object) -> None:
    """Not stored as something else: the encoder itself would write null for the first three."""
    with pytest.raises(Unencodable):
        facts.encode(wrong)


def test_raw_text_that_is_no_json_is_refused() -> None:
    """And raw text that is, is taken as it is."""
    assert facts.encode(msgspec.Raw(b'{"a":1}')) == '{"a":1}'
    with pytest.raises(Unencodable):
        facts.encode(msgspec.Raw(b"{nope"))


def test_nesting_too_deep_to_encode_is_refused() -> None:
    """With a code, and not with the recursion's own error."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Unencodable):
        facts.encode(deep)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_json_holds_comes_back_the_same(value: object) -> None:
    """For any such value, unless it holds half a character, which is refused."""
    try:
        stored = facts.encode(value)
    except Unencodable:
        with pytest.raises(UnicodeEncodeError):
            repr(value).encode().decode("unicode_escape").encode()
        return
    assert msgspec.json.decode(stored) == value


# ── a turn's bounds ──────────────────────────────────────────────────────────────────────────────────────


def test_a_turn_holds_as_many_facts_as_it_may_and_not_one_more() -> None:
    """And a refusal leaves the turn as it was, so that it can still be handed in."""
    turn = new_turn(limits=Limits(facts=3))
    turn.act("a", "b")
    with pytest.raises(TurnTooLarge):
        turn.append(StreamId("s"), "s", [Renamed("x", n) for n in range(3)], expected=Version(0))
    turn.append(StreamId("s"), "s", [Renamed("x", n) for n in range(2)], expected=Version(0))
    with pytest.raises(TurnTooLarge):
        turn.act("a", "b")
    assert (turn.facts, len(turn.entries)) == (3, 2)


def test_a_turn_holds_as_many_bytes_as_it_may_whatever_they_are_in() -> None:
    """Bodies, names, errors: counted as they are stored, in UTF-8."""
    room = Limits(bytes=100)
    new_turn(limits=room).act("", "", "x" * 98)
    with pytest.raises(TurnTooLarge):
        new_turn(limits=room).act("", "", "x" * 99)
    with pytest.raises(TurnTooLarge):
        new_turn(limits=room).act("", "", "ü" * 50)
    with pytest.raises(TurnTooLarge):
        new_turn(limits=room).send(sender="s" * 101, to=To("bot", "b"), type="t", body=None)
    with pytest.raises(TurnTooLarge):
        new_turn(limits=room).change(RecordDelivery(BotName("b"), Position(1), "dead", error="x" * 200))


def test_a_turn_holds_as_many_entries_as_it_may() -> None:
    """Row changes too are work that others wait for."""
    turn = new_turn(limits=Limits(entries=5))
    for n in range(5):
        turn.change(MoveCursor(BotName("b"), Position(n)))
    with pytest.raises(TurnTooLarge):
        turn.change(MoveCursor(BotName("b"), Position(9)))


def test_a_turn_without_an_instant_or_an_append_of_nothing_is_refused() -> None:
    """A time that names no zone is no instant."""
    with pytest.raises(BadInput, match="time zone"):
        Turn(at=datetime(2026, 5, 1, 12), ids=SystemIds())  # noqa: DTZ001 - that is what is tried
    with pytest.raises(BadInput, match="at least one"):
        new_turn().append(StreamId("s"), "s", [], expected=Version(0))


# ── patterns ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pattern", "channel", "fits"),
    [
        ("news", "news", True),
        ("news", "news.sport", False),
        ("news.*", "news.sport", True),
        ("news.*", "news", False),
        ("news.*", "news.sport.ball", False),
        ("news.**", "news.sport.ball", True),
        ("news.**", "news", False),
        ("*.sport", "news.sport", True),
        ("**.sport", "a.b.sport", True),
        ("**", "a.b.c", True),
        ("*", "a.b", False),
        ("a+b", "aab", False),
        ("news.*", "newsxsport", False),
    ],
)
def test_a_star_is_one_part_of_a_name_and_two_are_one_or_more(
    pattern: str, channel: str, *, fits: bool
) -> None:
    """All else stands for itself."""
    assert matches(pattern, channel) is fits
