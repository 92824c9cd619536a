"""A real server with real bots, and everything that the command line can say to them and ask about them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callboard.errors import NotFound, PositionUnknown
from callboard.folder import DataFolder
from callboard.web.client import Client
from tests.e2e.server import CALLBOARD, Server, environment, up

BOTS = '''
from callboard.authoring.bot import Bot, Turn, on
from callboard.messages import Body


class Text(Body):
    text: str


class Ticket(Body):
    n: int


class Clerk(Bot):
    """Answers what it is asked, in capitals."""

    subscribes = ("tickets.*",)

    @on(Text)
    async def answer(self, said: Text, turn: Turn) -> None:
        turn.reply(Text(text=said.text.upper()))

    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None:
        turn.publish("done", Text(text=f"ticket {ticket.n}"))
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = tmp_path_factory.mktemp("project")
    (project / "bots").mkdir()
    (project / "bots" / "clerk.py").write_text(BOTS)
    with up(project) as found:
        until(lambda: [bot["state"] for bot in said(found, "bots", "list")["data"]] == ["running"])
        yield found


def until(true: Callable[[], bool], within: float = 20.0) -> None:
    """Wait until something holds, which is so when another process has done it."""
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def said(server: Server, *words: str) -> Any:
    """Run a command that must succeed, and return what it says as JSON."""
    done = server.say(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_bot_answers_and_the_audit_shows_both_directions(server: Server) -> None:
    asked = server.say("ask", "clerk", "hello")
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "HELLO\n", "")
    sent = said(server, "send", "clerk", "again", "--conversation", "c-audit")

    def became() -> list[dict[str, Any]]:
        rows = said(server, "audit", "local", "clerk")["data"]
        return [row for row in rows if row["conversation"] == "c-audit" and row["to"] == "clerk"]

    until(lambda: [one["outcome"] for row in became() for one in row["deliveries"]] == ["handled"])
    assert [row["id"] for row in became()] == [sent["id"]]
    rows = said(server, "audit", "local", "clerk")["data"]
    assert {(row["sender"], row["to"]) for row in rows} == {("local", "clerk"), ("clerk", "local")}
    newest = said(server, "audit", "clerk", "local", "--newest")["data"]
    assert [row["position"] for row in newest] == sorted((row["position"] for row in rows), reverse=True)
    exported = server.say("audit", "local", "clerk", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["id"] for line in exported] == [row["id"] for row in rows]


def test_a_publication_is_heard_and_what_followed_is_known(server: Server) -> None:
    sent = said(server, "send", "#tickets.new", '{"n": 1}', "--type", "ticket")
    until(lambda: bool(server.say("audit", "#done").stdout))
    done = said(server, "audit", "#done")["data"][0]
    assert (done["sender"], done["body"], done["channel"]) == ("clerk", {"text": "ticket 1"}, "done")
    chain = said(server, "why", done["id"])["data"]
    assert (chain[0]["position"], chain[-1]["position"]) == (done["position"], sent["position"])
    effects = said(server, "why", str(sent["position"]), "--effects")["data"]
    assert done["position"] in [one["position"] for one in effects]
    channels = {one["name"]: one["subscribers"] for one in said(server, "channel", "list")["data"]}
    assert [one["bot"] for one in channels["tickets.new"]] == ["clerk"]
    assert channels["done"] == []


def test_the_same_key_sends_once(server: Server) -> None:
    first = said(server, "send", "clerk", "once", "--key", "k1")
    again = said(server, "send", "clerk", "once", "--key", "k1")
    assert (again["id"], again["position"], again["repeated"]) == (first["id"], first["position"], True)
    other = server.say("send", "clerk", "twice", "--key", "k1")
    assert (other.returncode, other.stdout) == (1, "")


def test_a_delayed_message_comes_when_it_is_due(server: Server) -> None:
    sent = said(server, "send", "clerk", "later", "--after", "300ms", "--conversation", "c-later")
    assert sent["position"] is None
    until(lambda: bool(said(server, "audit", "--conversation", "c-later")["data"]))
    assert said(server, "audit", "--conversation", "c-later")["data"][0]["id"] == sent["id"]


def test_a_body_that_does_not_fit_is_a_dead_letter_that_can_be_redriven_and_purged(server: Server) -> None:
    sent = said(server, "send", "clerk", '{"wrong": 1}', "--conversation", "c-dead")
    until(lambda: bool(said(server, "dead", "list", "--bot", "clerk")["data"]))
    letter = said(server, "dead", "list")["data"][0]
    assert (letter["bot"], letter["reason"], letter["message"]) == ("clerk", "BODY_INVALID", sent["position"])
    row = said(server, "audit", "--conversation", "c-dead", "--outcome", "dead")["data"][0]
    assert [one["outcome"] for one in row["deliveries"]] == ["dead"]
    assert said(server, "dead", "show", str(letter["id"]))["story"]["bot"] == "clerk"
    assert said(server, "dead", "redrive", "--all") == {"redriven": [letter["id"]], "failed": []}

    def anew() -> list[int]:
        found = [one["id"] for one in said(server, "dead", "list")["data"]]
        return [one for one in found if one != letter["id"]]

    until(lambda: bool(anew()))
    for one in anew():
        assert server.say("dead", "purge", str(one)).returncode == 0
    until(lambda: said(server, "dead", "list")["data"] == [])
    assert server.say("dead", "show", "999999").returncode == 2


def test_who_asks_what_a_bot_does_not_take_is_told_why(server: Server) -> None:
    asked = server.say("ask", "clerk", '{"tex": 1}', "--within", "1s")
    assert asked.returncode == 3
    assert "is a dead letter: The body of the 'text' from local is no Text" in asked.stderr
    (letter,) = said(server, "dead", "list")["data"]
    said(server, "dead", "purge", str(letter["id"]))


def test_channels_are_made_heard_and_taken_away(server: Server) -> None:
    assert said(server, "channel", "create", "#news")["made"]
    assert not said(server, "channel", "create", "news")["made"]
    assert server.say("channel", "subscribe", "news", "clerk").returncode == 0
    assert [one["bot"] for one in said(server, "channel", "show", "news")["subscribers"]] == ["clerk"]
    assert server.say("channel", "delete", "news").returncode == 1
    assert server.say("channel", "unsubscribe", "news", "clerk").returncode == 0
    assert server.say("channel", "unsubscribe", "news", "clerk").returncode == 2
    assert server.say("channel", "delete", "news").returncode == 0
    assert server.say("channel", "show", "news").returncode == 2
    assert server.say("channel", "subscribe", "news", "nobody").returncode == 2


def test_bots_are_listed_shown_and_those_that_are_not_there_refused(server: Server) -> None:
    shown = said(server, "bots", "show", "clerk")
    assert (shown["kind"], shown["state"]) == ("python", "running")
    assert "tickets.*" in [one["pattern"] for one in shown["subscriptions"]]
    for words in (("send", "clerc", "hi"), ("bots", "show", "clerc"), ("audit", "clerc", "clerk")):
        refused = server.say(*words)
        assert (refused.returncode, "clerk" in refused.stderr) == (2, True), refused.stderr


def test_a_chat_goes_on_line_by_line(server: Server) -> None:
    done = subprocess.run(
        [*CALLBOARD, "chat", "clerk", "--within", "2s", "--project", str(server.project)],
        input='one\n{"wrong": 1}\ntwo\n',
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()) == (0, ["ONE", "TWO"])


def test_pages_together_are_the_whole_in_either_order(server: Server) -> None:
    for number in range(5):
        said(server, "send", "clerk", f"page {number}", "--conversation", "c-pages")
    until(lambda: len(said(server, "audit", "--conversation", "c-pages")["data"]) == 10)
    with Client.find(DataFolder(server.project / "data")) as client:
        positions: list[int] = []
        for order in ("oldest", "newest"):
            query = {"order": order, "conversation": "c-pages"}
            whole = client.audit("/messages", {**query, "limit": "1000"})
            found, page = [], client.audit("/messages", {**query, "limit": "3"})
            while page.next is not None:
                found += page.data
                page = client.audit("/messages", {**query, "limit": "3", "after": page.next})
            assert [one.position for one in found + page.data] == [one.position for one in whole.data]
            assert (len(whole.data), whole.next) == (10, None)
            positions = [one.position for one in whole.data]
        first, effects = min(positions), []
        part = client.effects(first, limit=1)
        while part.next is not None:
            effects += part.data
            part = client.effects(first, part.next, limit=1)
        assert [one.position for one in effects] == [one.position for one in client.effects(first).data]
        with pytest.raises(PositionUnknown):
            client.audit("/messages", {"after": "1@other"})


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.message("01920000-0000-7000-8000-000000000001"),
        lambda client: client.causes(10**15),
        lambda client: client.causes(0),
        lambda client: client.effects(10**15),
        lambda client: client.on_channel("never", {}),
        lambda client: client.between("clerk", "never", {}),
        lambda client: client.channel("never"),
        lambda client: client.delete_channel("never", force=True),
        lambda client: client.subscribe("never", "news"),
        lambda client: client.unsubscribe("never", "news"),
        lambda client: client.bot("never"),
        lambda client: client.restart("never"),
        lambda client: client.dead_letters("never"),
        lambda client: client.redrive(10**15),
        lambda client: client.purge(1),
    ],
)
def test_what_is_not_there_is_404_everywhere(server: Server, call: Callable[[Client], object]) -> None:
    with Client.find(DataFolder(server.project / "data")) as client, pytest.raises(NotFound):
        call(client)


def test_a_subscription_from_earlier_on_hears_what_was_said_before(server: Server) -> None:
    said(server, "send", "#before", "early", "--conversation", "c-before")
    until(lambda: bool(said(server, "audit", "#before")["data"]))
    assert server.say("channel", "subscribe", "before", "clerk", "--since", "0").returncode == 0

    def became() -> list[str]:
        rows = said(server, "audit", "#before")["data"]
        return [one["outcome"] for one in rows[0]["deliveries"]]

    until(lambda: became() == ["handled"])
