"""Messages: names and patterns, bodies that name their type, and how far one may follow from another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import BadInput, MessageTooLarge, NameInvalid
from callboard.facts.membership import _compiled, matches
from callboard.ids import DEFAULT_TENANT, LOCAL_USER, MessageId, Position
from callboard.messages import (
    HEADER_BYTES,
    HOPS_HEADER,
    LONGEST_NAME,
    MAX_HOPS,
    Body,
    Message,
    To,
    check_headers,
    check_name,
    check_new_bot,
    check_pattern,
    hops_allowed,
    kebab,
)

part = st.text("abcxyz0189-", min_size=1, max_size=8)


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(part, min_size=1, max_size=8).map(".".join))
def test_parts_of_small_letters_digits_and_dashes_are_a_name(name: str) -> None:
    """And every name is a pattern, of that channel alone."""
    assert check_name("bot", name) == check_pattern(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "a.", ".a", "a..b", "A", "a b", "a_b", "ä", "a\n", "٣", "a/b", "*", "a.**", "x" * 201],
)
def test_anything_else_is_no_name(name: str) -> None:
    with pytest.raises(NameInvalid, match="is not the name of a bot: write small letters"):
        check_name("bot", name)


def test_a_name_may_be_long_and_no_longer() -> None:
    assert check_name("channel", "x" * LONGEST_NAME)
    with pytest.raises(NameInvalid):
        check_pattern("x" * (LONGEST_NAME + 1))


@pytest.mark.parametrize("pattern", ["*", "**", "tickets.*", "*.new", "a.**.b", "**.x", "*.*"])
def test_a_star_stands_for_a_whole_part(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["", "a*", "*a", "***", "a.***", "a..*", "*.", "A.*", "a.*\n"])
def test_a_star_stands_for_no_less_and_two_at_most(pattern: str) -> None:
    with pytest.raises(NameInvalid, match="neither a channel nor a pattern"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("name", "on_the_board"),
    [
        ("Desk", "desk"),
        ("TicketDesk", "ticket-desk"),
        ("HTTPCheck", "http-check"),
        ("Level2Support", "level2-support"),
        ("Ticket_Desk", "ticket-desk"),
        ("_Hidden", "hidden"),
        ("send_digest", "send-digest"),
    ],
)
def test_a_class_is_named_on_the_board_with_dashes(name: str, on_the_board: str) -> None:
    assert kebab(name) == on_the_board == check_name("bot", on_the_board)


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────


class TicketOpened(Body):
    text: str


class Urgent(TicketOpened):
    hours: int = 1


class Renamed(Body):
    type: ClassVar[str] = "tickets.renamed"
    text: str = ""


class Plain(Body):
    type = "tickets.plain"


def test_a_body_names_its_type() -> None:
    """After its class, also one that is made from another body; unless the class says otherwise."""
    assert TicketOpened.type == "ticket-opened"
    assert Urgent.type == "urgent"
    assert Renamed.type == "tickets.renamed"
    assert Plain.type == "tickets.plain"
    assert TicketOpened("x").type == "ticket-opened"


def test_the_type_of_a_body_is_no_part_of_it() -> None:
    assert msgspec.json.encode(Renamed("a")) == b'{"text":"a"}'
    assert msgspec.json.encode(Plain()) == b"{}"


def test_a_type_that_is_no_name_is_refused_with_the_class() -> None:
    with pytest.raises(TypeError, match=r"Loud: 'LOUD' is not the name of a message type"):

        class Loud(Body):
            type = "LOUD"


def test_a_field_named_type_is_refused_with_what_to_write() -> None:
    """It would take the place of the word by which the handler is found."""
    with pytest.raises(
        TypeError, match=r"Kinded\.type names the type of the message.*call a field otherwise"
    ):

        class Kinded(Body):
            type: str  # type: ignore[misc]


@pytest.mark.parametrize("data", ['{"text":"a","more":1}', '{"text":1}', "{}", "[]"])
def test_a_body_is_read_strictly(data: str) -> None:
    """A field more, a value of another type, a field less: each is a mistake of the sender."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=TicketOpened)


def test_a_body_does_not_change() -> None:
    with pytest.raises(AttributeError):
        TicketOpened("a").text = "b"  # type: ignore[misc]


# ── where to, and how far ────────────────────────────────────────────────────────────────────────────────


def message(headers: Mapping[str, str]) -> Message:
    return Message(
        position=Position(7),
        cause=None,
        tenant=DEFAULT_TENANT,
        principal=LOCAL_USER,
        id=MessageId(UUID(int=7)),
        sender="ann",
        to=To.bot("desk"),
        type="ticket-opened",
        json='{"text":"a"}',
        headers=headers,
        reply_to=None,
        conversation=None,
        hops=0,
        at=datetime(2026, 5, 1, 12, tzinfo=UTC),
    )


def test_a_channel_is_told_from_a_bot_of_its_name() -> None:
    assert To.bot("news") != To.channel("news")
    assert (str(To.bot("news")), str(To.channel("news"))) == ("news", "#news")


def test_a_message_shows_its_body_and_its_limit() -> None:
    assert message({}).body == {"text": "a"}
    assert message({}).max_hops == MAX_HOPS
    assert message({HOPS_HEADER: "900"}).max_hops == 900


@pytest.mark.parametrize(("said", "allowed"), [("1", 1), ("32", 32), ("0040", 40), ("1000", 1000)])
def test_a_conversation_may_set_its_limit(said: str, allowed: int) -> None:
    assert hops_allowed({HOPS_HEADER: said, "other": "x"}) == allowed


@pytest.mark.parametrize(
    "said", ["", "0", "1001", "-1", "1.5", "many", "٣", " 5", "5\n", "0000320000", "9" * 5000]
)
def test_a_limit_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(BadInput, match=r"The header max-hops is .*: write a number from 1 to 1,000"):
        hops_allowed({HOPS_HEADER: said})


def test_the_headers_of_a_message_hold_so_much_and_no_more() -> None:
    check_headers({"a": "x" * (HEADER_BYTES - 3), "é": ""})
    with pytest.raises(MessageTooLarge, match="16,385 bytes; those of a message may hold 16,384"):
        check_headers({"a": "x" * (HEADER_BYTES - 2), "é": ""})


@pytest.mark.parametrize("name", ["local", "system", "workflow.refunds"])
def test_no_bot_has_the_name_under_which_somebody_else_speaks(name: str) -> None:
    assert check_name("bot", name) == name
    assert check_new_bot("locally") == "locally"
    assert check_new_bot("workflows.refunds") == "workflows.refunds"
    with pytest.raises(NameInvalid, match="No bot can be called"):
        check_new_bot(name)


def test_a_plain_name_is_compared_and_never_compiled() -> None:
    """There are more of them than are kept compiled, and each new channel is held against all."""
    before = _compiled.cache_info()
    assert matches("tickets.new", "tickets.new")
    assert not matches("tickets.new", "tickets.old")
    assert _compiled.cache_info() == before
