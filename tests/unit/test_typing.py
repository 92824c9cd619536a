"""The author interface is typed: mypy says so where a handler is wrong, and only there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

HEAD = """
from typing_extensions import assert_type

from callboard import Body, Bot, Memory, Message, Settings, Turn, every, on, otherwise


class Ticket(Body):
    text: str


class Answer(Body):
    text: str


class Counts(Memory):
    taken: int = 0


class Rules(Settings):
    loud: bool = False


class Desk(Bot):
    memory: Counts
    settings: Rules
"""

CORRECT = {
    "async_": """
    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None:
        self.memory.taken += 1
        turn.send("clerk", ticket, after="10m")
""",
    "sync": """
    @on(Ticket)
    def take(self, ticket: Ticket, turn: Turn) -> None:
        turn.reply(Answer(text=ticket.text))
""",
    "replies": """
    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> Answer | None:
        return Answer(text=ticket.text) if self.settings.loud else None

    @on(Answer, type="note")
    def note(self, answer: Answer, turn: Turn) -> Ticket:
        return Ticket(text=answer.text)
""",
    "rest": """
    subscribes = ("tickets.*",)

    @every("15m")
    async def digest(self, turn: Turn) -> None:
        turn.publish("digest", {"taken": self.memory.taken}, type="digest")

    @otherwise
    def other(self, message: Message, turn: Turn) -> None:
        turn.send(message.sender, Answer(text=message.type))
""",
    "asks": """
    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> Answer:
        answer = await turn.ask("specialist", ticket, Answer)
        assert_type(answer, Answer)
        return answer
""",
}

WRONG = {
    "another_body": """
    @on(Ticket)  # wrong: arg-type
    async def take(self, answer: Answer, turn: Turn) -> None: ...
""",
    "another_body_sync": """
    @on(Ticket)  # wrong: arg-type
    def take(self, answer: Answer, turn: Turn) -> None: ...
""",
    "no_turn": """
    @on(Ticket)  # wrong: arg-type
    async def take(self, ticket: Ticket) -> None: ...
""",
    "no_body": """
    @on(str)  # wrong: type-var
    async def take(self, text: str, turn: Turn) -> None: ...
""",
    "replies_with_a_text": """
    @on(Ticket)  # wrong: type-var
    async def take(self, ticket: Ticket, turn: Turn) -> str:
        return ticket.text
""",
    "scheduled_with_a_body": """
    @every("15m")  # wrong: arg-type
    async def digest(self, ticket: Ticket, turn: Turn) -> None: ...
""",
    "rest_with_a_body": """
    @otherwise  # wrong: arg-type
    async def other(self, ticket: Ticket, turn: Turn) -> None: ...
""",
    "asks_for_another": """
    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> Ticket:
        answer = await turn.ask("specialist", ticket, Answer)
        return answer  # wrong: return-value
""",
    "does_not_wait": """
    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None:
        turn.ask("specialist", ticket, Answer)  # wrong: unused-coroutine
""",
    "forgets_what_it_never_knew": """
    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None:
        self.memory.token += 1  # wrong: attr-defined
""",
    "changes_a_body": """
    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None:
        ticket.text = "b"  # wrong: misc
""",
    "sends_a_text": """
    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None:
        turn.send("clerk", ticket.text)  # wrong: arg-type
""",
}

Faults = Mapping[str, set[tuple[int, str]]]


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    """Line and code of every error, by snippet; one process looks at all of them."""
    folder = tmp_path_factory.mktemp("bots")
    snippets = CORRECT | WRONG
    for name, text in snippets.items():
        (folder / f"{name}.py").write_text(HEAD + text)
    command = [sys.executable, "-m", "mypy", "--config-file", str(PYPROJECT), "--no-pretty"]
    command += ["--cache-dir", str(folder / "cache")]
    done = subprocess.run(
        [*command, *(str(folder / f"{name}.py") for name in snippets)],
        capture_output=True,
        text=True,
        check=False,
        cwd=PYPROJECT.parent,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found: dict[str, set[tuple[int, str]]] = {name: set() for name in snippets}
    for line in done.stdout.splitlines():
        error = re.search(r"(\w+)\.py:(\d+): error: .*\[([a-z-]+)\]$", line)
        if error is not None:
            found[error[1]].add((int(error[2]), error[3]))
    return found


@pytest.mark.parametrize("name", CORRECT)
def test_a_correct_bot_has_no_errors(name: str, faults: Faults) -> None:
    assert faults[name] == set()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_bot_is_an_error_at_its_line(name: str, faults: Faults) -> None:
    lines = (HEAD + WRONG[name]).splitlines()
    expected = {
        (number, line.rpartition("# wrong: ")[2])
        for number, line in enumerate(lines, start=1)
        if "# wrong: " in line
    }
    assert faults[name] == expected
