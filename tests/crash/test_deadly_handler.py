"""A handler that takes the process with it: a real server dies of it three times more, and then lives on."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from tests.e2e.server import Server, up

BOTS = '''
import os
import pathlib

from callboard import Body, Bot, Turn, on


class Note(Body):
    text: str


class Bomb(Bot):
    """Ends the process on one word, as a fault in C code would."""

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        with pathlib.Path(os.environ["LEDGER"]).open("a") as ledger:
            ledger.write(f"{note.text}\\n")
        if note.text == "boom":
            os._exit(9)
        turn.publish("notes.done", note)
'''


def test_a_deadly_message_is_set_aside_and_the_rest_is_handled(tmp_path: Path) -> None:
    """Once unnoticed, three times counted: then it is a dead letter, and what stood behind it is handled."""
    (tmp_path / "bots").mkdir()
    (tmp_path / "bots" / "bomb.py").write_text(BOTS)
    ledger = tmp_path / "ledger"
    ledger.touch()
    acknowledged = ["before", "boom"]
    with up(tmp_path, LEDGER=str(ledger)) as server:
        assert _send(server, "before") == 0
        _send(server, "boom")  # the server may be gone before it answers
        server.process.wait(30)
    starts, reason = 0, None
    while reason is None:
        starts += 1
        assert starts <= 4, "it dies for ever"
        with contextlib.suppress(AssertionError), up(tmp_path, LEDGER=str(ledger)) as server:
            if _send(server, f"after {starts}") == 0:
                acknowledged.append(f"after {starts}")
            reason = _reason(server)
            if reason is None:
                server.process.wait(30)
    assert (starts, reason) == (4, "KILLED_PROCESS")
    with up(tmp_path, LEDGER=str(ledger)) as server:
        assert _send(server, "later") == 0
        found = json.loads(server.say("audit", "local", "bomb", "--json").stdout)["data"]
    assert {row["body"]["text"] for row in found} >= set(acknowledged)
    said = ledger.read_text().splitlines()
    assert said.count("boom") == 4, "once before anybody was wary, and three times counted"
    assert [said.count(text) for text in acknowledged if text != "boom"] == [1] * (len(acknowledged) - 1)
    assert said[-1] == "later", "it is handled as soon as it is sent"


def _send(server: Server, text: str) -> int:
    return server.say("send", "bomb", json.dumps({"text": text}), "--type", "note").returncode


def _reason(server: Server) -> str | None:
    """Return why the one dead letter is one, if the server lives and has one."""
    found = server.say("dead", "list", "--json")
    if found.returncode != 0:
        return None
    letters = json.loads(found.stdout)["data"]
    return letters[0]["reason"] if letters else None
