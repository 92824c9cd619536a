"""The words about messages, channels, bots and dead letters: what they ask, print, and how they fail."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from callboard import cli
from callboard.cli import audit, board, talk
from callboard.ids import LOCAL_USER
from callboard.web import talk as talk_wire
from tests.unit.cli.conftest import say
from tests.unit.web.conftest import MemoryDesk
from tests.unit.web.talking import ID, LETTER

pytestmark = pytest.mark.usefixtures("running")


# ── saying ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "to", "channel", "body"),
    [
        (["clerk", "hello you"], "clerk", None, {"text": "hello you"}),
        (["clerk", '{"n": 1}'], "clerk", None, {"n": 1}),
        (["clerk", "[1]"], "clerk", None, {"text": "[1]"}),
        (["#tickets.new", "hello"], None, "tickets.new", {"text": "hello"}),
        (["tickets.new", "hello", "--channel"], None, "tickets.new", {"text": "hello"}),
    ],
)
def test_send_says_it_to_a_bot_or_on_a_channel(
    desk: MemoryDesk,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    to: str | None,
    channel: str | None,
    body: dict[str, Any],
) -> None:
    code, out, err = say(capsys, "send", *words)
    assert (code, out, err) == (0, f"sent {ID}, at position 7\n", "")
    _, request, key, principal = desk.asked[0]
    assert (request.to, request.channel, request.type) == (to, channel, "text")
    assert json.loads(bytes(request.body)) == body
    assert (key, principal) == (None, LOCAL_USER)


def test_send_takes_all_that_a_message_may_have(desk: MemoryDesk, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--type", "ticket", "--after", "10m", "--key", "again", "--conversation", "c1"]
    code, out, _ = say(capsys, "send", "clerk", "hi", *words)
    assert (code, out) == (0, f"sent {ID}, due in 10m (it was sent before, under the same key)\n")
    _, request, key, _ = desk.asked[0]
    assert (request.type, request.after, request.conversation, key) == ("ticket", "10m", "c1", "again")
    assert json.loads(say(capsys, "send", "clerk", "hi", "--json")[1])["position"] == 7


def test_ask_prints_the_answer(desk: MemoryDesk, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(capsys, "ask", "clerk", "two\\nlines", "--within", "5s") == (0, "two\\nlines\n", "")
    assert say(capsys, "ask", "clerk", '{"n": 1}')[:2] == (0, '{"n": 1}\n')
    assert desk.asked[0][1].ask == "5s"
    assert json.loads(say(capsys, "ask", "clerk", "hi", "--json")[1])["body"] == {"text": "hi"}


def test_chat_asks_each_line_and_goes_on_after_an_error(
    desk: MemoryDesk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\ntwo\n"))
    assert say(capsys, "chat", "clerk") == (0, "one\ntwo\n", "")
    assert len({what[1].conversation for what in desk.asked}) == 1
    desk.raises = ValueError("broken")
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    code, out, err = say(capsys, "chat", "clerk")
    assert (code, out, err.count("callboard: ")) == (0, "", 2)
    assert say(capsys, "chat", "other")[0] == cli.WRONG


@pytest.mark.parametrize(
    "words",
    [
        ["send", "Clerk", "hi"],
        ["send", "clerk", "hi", "--after", "10"],
        ["send", "clerk", "hi", "--key", "é"],
        ["send", "nobody", "hi"],
        ["send", "clerk"],
        ["ask", "#tickets", "hi"],
        ["ask", "clerk", "hi", "--within", "5"],
        ["ask", "clerk", "hi", "--within", "1h"],
        ["audit", "clerk"],
        ["audit", "#tickets.new", "clerk"],
        ["audit"],
        ["audit", "clerk", "desk", "--since", "yesterday"],
        ["audit", "clerk", "desk", "--limit", "0"],
        ["audit", "clerk", "desk", "--outcome", "lost"],
        ["why", "x"],
        ["channel", "show", "other"],
        ["bots", "show", "other"],
        ["dead", "show", "8"],
        ["dead", "redrive"],
        ["dead", "redrive", "9", "--all"],
        ["dead", "redrive", "9", "--bot", "clerk"],
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    code, out, err = say(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("callboard: ")
    assert err.count("\n") == 1


def test_what_is_no_duration_is_refused_under_the_name_of_its_flag(
    desk: MemoryDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = say(capsys, "send", "clerk", "hi", "--after", "soon")
    assert err.startswith("callboard: --after is 'soon': a duration is a whole number and a unit, such as ")
    assert (code, out, desk.asked) == (2, "", [])


def test_a_text_that_is_no_text_is_still_said() -> None:
    assert bytes(talk.body_of("\udcff")) == b'{"text":"?"}'


# ── looking back ─────────────────────────────────────────────────────────────────────────────────────────


def test_audit_says_what_became_of_each_message(desk: MemoryDesk, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "audit", "clerk", "desk", "--newest", "--outcome", "dead", "--type", "text")
    assert code == 0
    became = "clerk: retrying (failed 2) 2030-01-01 00:00:00; desk: waiting"
    when = "2030-01-01 00:00:00"
    assert out.splitlines() == [
        f'7\t{when}\tlocal\tclerk\ttext\t{{"text":"hi"}}\t{became}',
        f'8\t{when}\tlocal\t#tickets.new\ttext\t{{"text":"hi"}}\t{became}',
    ]
    _, query, pair, channel, conversation = desk.asked[0]
    assert (query.order, query.outcome, query.type, query.limit) == ("newest", "dead", "text", 100)
    assert (pair, channel, conversation) == (("clerk", "desk"), None, None)


@pytest.mark.parametrize(
    ("words", "of"),
    [
        (["#tickets.new"], [None, "tickets.new", None]),
        (["--conversation", "c1"], [None, None, "c1"]),
    ],
)
def test_audit_of_a_channel_or_a_conversation(
    desk: MemoryDesk, capsys: pytest.CaptureFixture[str], words: list[str], of: list[object]
) -> None:
    assert say(capsys, "audit", *words)[0] == 0
    assert list(desk.asked[0][2:]) == of


def test_an_export_goes_through_all_pages(
    desk: MemoryDesk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PAGE", 1)
    _, out, _ = say(capsys, "audit", "clerk", "desk", "--format", "jsonl")
    assert [json.loads(line)["position"] for line in out.splitlines()] == [7, 8]
    _, out, _ = say(capsys, "audit", "clerk", "desk", "--format", "csv")
    heads, *rows = csv.reader(io.StringIO(out))
    assert tuple(heads) == audit.COLUMNS
    assert [(row[0], row[3], row[5]) for row in rows] == [
        ("7", "clerk", '{"text":"hi"}'),
        ("8", "#tickets.new", '{"text":"hi"}'),
    ]
    _, out, _ = say(capsys, "audit", "clerk", "desk", "--format", "csv", "--limit", "1")
    assert len(out.splitlines()) == 2
    assert len(json.loads(say(capsys, "audit", "clerk", "desk", "--json")[1])["data"]) == 2


@pytest.mark.parametrize("text", ["2h", "2030-01-31T08:00", "2030-01-31T08:00:00Z", "2030-01-31"])
def test_a_time_is_a_moment_or_how_long_ago(text: str) -> None:
    assert (audit.moment("--since", text) or "").endswith("+00:00")


def test_why_shows_the_chain(capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("7", str(ID)):
        code, out, _ = say(capsys, "why", what)
        assert (code, [line.partition("  2030")[0] for line in out.splitlines()]) == (0, ["7", "  5"])
    _, out, _ = say(capsys, "why", "7", "--effects")
    assert [line.partition("  2030")[0] for line in out.splitlines()] == ["8", "  9", "10"]
    assert [one["position"] for one in json.loads(say(capsys, "why", "7", "--json")[1])["data"]] == [7, 5]


# ── the board ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["channel", "list"], "tickets.new\t2\tclerk\n"),
        (
            ["channel", "show", "#tickets.new"],
            "#tickets.new, since position 2\nclerk\ttickets.*\t1\tno\tdeclared\n",
        ),
        (["channel", "create", "#new"], "#new is made\n"),
        (["channel", "create", "tickets.new"], "#tickets.new was there before\n"),
        (["channel", "delete", "new", "--force"], "#new is deleted\n"),
        (["channel", "subscribe", "tickets.*", "clerk"], "clerk listens to tickets.*\n"),
        (["channel", "unsubscribe", "tickets.*", "clerk"], "clerk no longer listens to tickets.*\n"),
        (["bots", "list"], "clerk\tpython\trunning\ttickets.*\tTakes tickets.\n"),
        (["bots", "restart", "clerk"], "clerk is running\n"),
        (["dead", "list"], "9\tclerk\tFAILED\tlocal\tclerk\ttext\t5\tValueError: no\n"),
        (["dead", "redrive", "9"], "9 is tried again\n"),
        (["dead", "redrive", "--all"], "1 tried again\n"),
        (["dead", "purge", "9"], "9 is off the list\n"),
    ],
)
def test_the_board_s_words(capsys: pytest.CaptureFixture[str], words: list[str], out: str) -> None:
    assert say(capsys, *words) == (0, out, "")
    code, document, _ = say(capsys, *words, "--json")
    assert code == 0
    assert isinstance(json.loads(document), dict)


def test_a_bot_and_a_dead_letter_are_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = say(capsys, "bots", "show", "clerk")
    assert "  waiting      3\n" in out
    assert out.endswith("clerk\ttickets.*\t1\tno\tdeclared\n")
    _, out, _ = say(capsys, "dead", "show", "9")
    assert out.startswith("9: FAILED at clerk, 2030-01-01 00:00:00\n")
    assert out.endswith("one\ntwo\n")


def test_a_channel_in_use_is_not_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = say(capsys, "channel", "delete", "tickets.new")
    assert (code, out) == (1, "")
    assert "force" in err


def test_how_a_bot_shall_listen_is_handed_on(desk: MemoryDesk, capsys: pytest.CaptureFixture[str]) -> None:
    say(capsys, "channel", "subscribe", "tickets.**", "clerk", "--since", "4", "--own")
    assert desk.asked == [("subscribe", "clerk", "tickets.**", 4, True, LOCAL_USER)]


def test_of_all_letters_those_that_fail_are_named(
    desk: MemoryDesk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LETTER, "id", 10)
    code, out, err = say(capsys, "dead", "redrive", "--all", "--bot", "clerk")
    assert (code, out) == (1, "0 tried again, 1 could not be\n")
    assert "No dead letter" in err


class Shelf:
    """Dead letters in pages of at most 1,000, as the door gives them."""

    def __init__(self, count: int) -> None:
        self.letters = [talk_wire.DeadLetterRow(**{**LETTER, "id": number}) for number in range(count)]

    def dead_letters(self, bot: str | None, after: str | None, limit: int) -> talk_wire.DeadLetters:
        assert limit <= 1_000
        begin = 0 if after is None else int(after)
        data = self.letters[begin : begin + limit]
        more = len(data) == limit
        return talk_wire.DeadLetters(data=data, next=str(begin + limit) if more else None)


@pytest.mark.parametrize(
    ("limit", "shown", "more"), [(5, 5, "5"), (2_200, 2_200, "2200"), (9_000, 2_500, None)]
)
def test_dead_letters_are_shown_past_a_page(limit: int, shown: int, more: str | None) -> None:
    found, cursor = board._page(Shelf(2_500), None, limit)  # type: ignore[arg-type]  # all that it asks of one
    assert [one.id for one in found] == list(range(shown))
    assert cursor == more


def test_an_audit_as_a_document_says_where_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "audit", "local", "clerk", "--limit", "1", "--json")
    assert (code, json.loads(out)["next"]) == (0, "7@log-1")
    assert json.loads(say(capsys, "audit", "local", "clerk", "--json")[1])["next"] is None
