"""The roster: who works on which code, from files that change while the house stands."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callboard.authoring.bot import Bot, Turn, on
from callboard.botconfig import BotConfig
from callboard.company.roster import Reloaded, Roster
from callboard.errors import BotInvalid, ConfigInvalid, Conflict, NotFound
from callboard.ids import SYSTEM, BotName
from callboard.messages import Body
from tests.proof import scaled
from tests.unit.company.stage import Stage, stage

CLERK = '''
from callboard import Body, Bot, Memory, Settings, Turn, on

class Note(Body):
    text: str

class Kept(Memory):
    texts: list[str] = []

class Desk(Settings):
    mark: str = "v1"

class Clerk(Bot):
    """Keeps notes."""
    subscribes = ("notes",)
    memory: Kept
    settings: Desk

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        self.memory.texts.append(f"{self.settings.mark}:{note.text}")
'''
NEWER = CLERK.replace("{self.settings.mark}:", "new:")
OTHER = CLERK.replace("class Clerk", "class Other")


class Note(Body):
    text: str


class Playing:
    """A house with a folder of bots."""

    def __init__(self, stage: Stage, folder: Path, settings: Path, roster: Roster) -> None:
        self.stage = stage
        self.folder = folder
        self.settings = settings
        self.roster = roster

    def write(self, **files: str | None) -> None:
        for name, text in files.items():
            file = self.folder / f"{name}.py"
            file.unlink(missing_ok=True) if text is None else file.write_text(text)

    async def texts(self, bot: str = "clerk") -> str:
        await self.stage.quiet(bot)
        row = await self.stage.store.memory(BotName(bot))
        return row.data if row else ""

    @property
    def states(self) -> dict[str, str]:
        return {one.name: one.state for one in self.stage.bus.listing()}


def written(said: Mapping[str, BotConfig]) -> str:
    """Return the tables that say it."""
    lines = []
    for name, one in said.items():
        lines.append(f"[bots.{name}]")
        for key in BotConfig.__struct_fields__:
            value = getattr(one, key)
            if value is None or (isinstance(value, Mapping) and not value):
                continue
            if key == "timeout":
                value = f"{round(value * 1000)}ms"
            text = msgspec.json.encode(dict(value) if isinstance(value, Mapping) else value).decode()
            lines.append(f"{key} = {text.replace(':', '=') if isinstance(value, Mapping) else text}")
    return "\n".join(lines)


@asynccontextmanager
async def playing(
    tmp_path: Path, said: Mapping[str, BotConfig] | None = None, *classes: type[Bot], **files: str
) -> AsyncIterator[Playing]:
    folder = tmp_path / "bots"
    folder.mkdir(exist_ok=True)
    async with stage(tmp_path / "callboard.db", *classes) as here:
        settings = tmp_path / "callboard.toml"
        settings.write_text(written(said or {}))
        house = Playing(here, folder, settings, Roster(here.company, folder, settings))
        house.write(**files)
        await house.roster.engage()
        yield house


def names(done: Reloaded) -> tuple[list[str], list[str], list[str], list[str]]:
    return done.started, done.replaced, done.stopped, done.kept


async def test_a_reload_touches_what_changed_and_nothing_else(tmp_path: Path) -> None:
    async with playing(tmp_path, clerk=CLERK, other=OTHER) as house:
        lines = house.stage.bus.board.bots
        await house.stage.until(lambda: all(lines[name].ref for name in ("clerk", "other")))
        before = {name: lines[name].ref for name in ("clerk", "other")}
        assert names(await house.roster.reload()) == ([], [], [], ["clerk", "other"])
        house.write(clerk=NEWER, third=CLERK.replace("class Clerk", "class Third"))
        assert names(await house.roster.reload()) == (["third"], ["clerk"], [], ["other"])
        assert lines["other"].ref is before["other"]
        assert lines["clerk"].ref is not before["clerk"]


async def test_the_new_code_goes_on_with_the_memory_and_the_place_of_the_old(tmp_path: Path) -> None:
    async with playing(tmp_path, clerk=CLERK) as house:
        await house.stage.send("clerk", Note("a"))
        await house.stage.send("#notes", Note("b"))
        await house.stage.quiet("clerk")
        house.write(clerk=NEWER)
        await house.roster.reload()
        await house.stage.send("clerk", Note("c"))
        assert await house.texts() == '{"texts":["v1:a","v1:b","new:c"]}'


async def test_after_a_fault_the_old_code_goes_on_until_the_file_is_mended(tmp_path: Path) -> None:
    async with playing(tmp_path, clerk=CLERK) as house:
        house.write(clerk=NEWER + "class :\n")
        done = await house.roster.reload()
        assert names(done) == ([], [], [], ["clerk"])
        assert [(Path(fault.file).name, fault.line) for fault in done.faults] == [("clerk.py", 22)]
        await house.stage.send("clerk", Note("a"))
        await house.stage.quiet("clerk")
        house.write(clerk=NEWER)
        assert names(await house.roster.reload()) == ([], ["clerk"], [], [])
        await house.stage.send("clerk", Note("b"))
        assert await house.texts() == '{"texts":["v1:a","new:b"]}'


async def test_a_bot_whose_file_is_gone_is_absent_and_handles_what_waited_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with playing(tmp_path, clerk=CLERK) as house:
        house.write(clerk=None)
        assert names(await house.roster.reload()) == ([], [], ["clerk"], [])
        assert house.states == {"clerk": "absent"}
        await house.stage.send("clerk", Note("a"))
        await house.stage.send("#notes", Note("b"))
        assert await house.stage.store.waiting(BotName("clerk"), 9) == 2
        house.write(clerk=CLERK)
        assert names(await house.roster.reload()) == (["clerk"], [], [], [])
        assert await house.texts() == '{"texts":["v1:a","v1:b"]}'


async def test_a_message_in_hand_is_finished_by_the_old_code(tmp_path: Path) -> None:
    """The reload waits for it; what came behind it is the new code's."""
    asks = "        if note.text == 'a':\n            await turn.ask('gate', Note(text='?'), Note)\n"
    slow = CLERK.replace("        self.memory", f"{asks}        self.memory")
    let_go = asyncio.Event()

    class Gate(Bot):
        @on(Note)
        async def wait(self, note: Note, turn: Turn) -> Note:
            await let_go.wait()
            return note

    async with playing(tmp_path, None, Gate, clerk=slow) as house:
        await house.stage.send("clerk", Note("a"))
        await house.stage.send("clerk", Note("b"))
        await house.stage.until(lambda: house.stage.bus.board.asks)
        house.write(clerk=NEWER)
        reloading = asyncio.ensure_future(house.roster.reload())
        line = house.stage.bus.board.bots["clerk"]
        await house.stage.until(lambda: line.ref is not None and not line.ref.is_alive())
        let_go.set()
        await reloading
        assert await house.texts() == '{"texts":["v1:a","new:b"]}'


async def test_new_code_waits_for_the_thread_that_the_old_code_left_behind(tmp_path: Path) -> None:
    """It cannot be stopped; past the grace its turn is over, and still only one handler runs at a time."""
    blocking = (
        CLERK.replace("    async def note", "    def note")
        .replace(
            "        self.memory",
            "        with open(note.text) as pipe:\n            pipe.read()\n        self.memory",
        )
        .replace("-> None", "-> 'Note'")
    )
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with playing(tmp_path, clerk=blocking) as house:
        await house.stage.send("clerk", Note(str(pipe)))
        await house.stage.until(lambda: house.stage.bus.board.bots["clerk"].thread is not None)
        house.write(clerk=NEWER)
        assert (await house.roster.reload()).replaced == ["clerk"]
        await house.stage.until(lambda: house.states == {"clerk": "running"})
        waiting = house.stage.bus.board.bots["clerk"].thread
        assert waiting is not None
        assert not waiting.done()
        assert await house.stage.store.waiting(BotName("clerk"), 9) == 1
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))  # whoever reads it is let go
        assert await house.texts() == f'{{"texts":["new:{pipe}"]}}'


async def test_under_load_each_message_is_handled_once_and_in_order_whatever_is_reloaded(
    tmp_path: Path,
) -> None:
    async with playing(tmp_path, clerk=CLERK) as house:
        sent: list[str] = []

        async def send() -> None:
            for number in range(scaled(150)):
                sent.append(str(number))
                await house.stage.send("#notes" if number % 2 else "clerk", Note(str(number)))

        sending = asyncio.ensure_future(send())
        rounds = 0
        while not sending.done():
            rounds += 1
            broken = "1/0\n" if rounds % 5 == 4 else ""
            house.write(clerk=None if rounds % 5 == 3 else f"{CLERK}# {rounds}\n{broken}")
            await house.roster.reload()
            await asyncio.sleep(0)
        await sending
        house.write(clerk=CLERK)
        await house.roster.reload()
        assert rounds > 5
        assert await house.texts() == '{"texts":[' + ",".join(f'"v1:{one}"' for one in sent) + "]}"
        assert await house.stage.store.dead_letters() == []


async def test_settings_of_the_operator_reach_the_bot(tmp_path: Path) -> None:
    said = {"clerk": BotConfig(settings={"mark": "mine"}, subscribes=("other",), description="Ours.")}
    async with playing(tmp_path, said, clerk=CLERK) as house:
        await house.stage.send("#notes", Note("unheard"))
        await house.stage.send("#other", Note("a"))
        assert await house.texts() == '{"texts":["mine:a"]}'
        (listed,) = house.stage.bus.listing()
        assert listed.description == "Ours."


async def test_a_reload_reads_the_settings_again(tmp_path: Path) -> None:
    async with playing(tmp_path, None, clerk=CLERK, other=OTHER) as house:
        house.settings.write_text('[bots.clerk.settings]\nmark = "mine"\n[bots.ann]\nkind = "person"\n')
        assert names(await house.roster.reload()) == ([], ["clerk"], [], ["other"])
        assert house.states["ann"] == "running"
        house.settings.write_text("[bots.clerk]\natempts = 3\n[bots.other]\nattempts = 0\n")
        with pytest.raises(ConfigInvalid, match=r"did you mean attempts\?.*bots\.other\.attempts"):
            await house.roster.reload()
        house.settings.write_text('[bots.hook]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\n')
        assert names(await house.roster.reload()) == (["hook"], ["clerk"], [], ["other"])
        house.settings.unlink()
        assert names(await house.roster.reload()) == ([], [], ["hook"], ["clerk", "other"])


async def test_a_bot_whose_settings_are_wrong_is_not_started_and_the_place_is_told(tmp_path: Path) -> None:
    said = {"clerk": BotConfig(settings={"mrak": 1})}
    async with playing(tmp_path, said, clerk=CLERK, other=OTHER) as house:
        assert house.states == {"other": "running"}
        (fault,) = (await house.roster.reload()).faults
        assert fault.file == str(house.settings)
        assert "bots.clerk.settings.mrak" in fault.message
        assert "did you mean mark?" in fault.message


async def test_the_operators_attempts_hold_over_the_classs(tmp_path: Path) -> None:
    failing = CLERK.replace("        self.memory", "        raise ValueError(note.text)\n        self.memory")
    said = {"clerk": BotConfig(attempts=2)}
    async with playing(tmp_path, said, clerk=failing) as house:
        await house.stage.send("clerk", Note("a"))
        await house.stage.quiet("clerk")
        assert [(one.reason, one.attempts) for one in await house.stage.store.dead_letters()] == [
            ("FAILED", 2)
        ]


async def test_the_operators_time_out_holds_over_the_classs(tmp_path: Path) -> None:
    hanging = "import asyncio\n" + CLERK.replace(
        "        self.memory", "        await asyncio.Event().wait()\n        self.memory"
    )
    said = {"clerk": BotConfig(attempts=1, timeout=0.05)}
    async with playing(tmp_path, said, clerk=hanging) as house:
        await house.stage.send("clerk", Note("a"))
        await house.stage.quiet("clerk")
        (letter,) = await house.stage.store.dead_letters()
        assert "took longer than 0.05 s" in letter.error


async def test_the_operators_on_error_holds_over_the_classs(tmp_path: Path) -> None:
    """With `block`, what follows a failed message waits for it."""
    once = CLERK.replace(
        "    async def note(self, note: Note, turn: Turn) -> None:\n",
        "    async def note(self, note: Note, turn: Turn) -> None:\n"
        "        if note.text == 'a' and not hasattr(self, 'tried'):\n"
        "            self.tried = True\n"
        "            raise ValueError\n",
    )
    for on_error, order in (("block", "ab"), ("pass", "ba")):
        folder = tmp_path / on_error
        folder.mkdir()
        said = {"clerk": BotConfig(on_error=on_error)}  # type: ignore[arg-type]
        async with playing(folder, said, clerk=once) as house:
            await house.stage.send("clerk", Note("a"))
            await house.stage.send("clerk", Note("b"))
            texts = await house.texts()
            assert texts == f'{{"texts":["v1:{order[0]}","v1:{order[1]}"]}}'


@pytest.mark.parametrize("kind", ["outside", "person"])
async def test_who_reads_an_inbox_is_declared_by_the_settings(tmp_path: Path, kind: Any) -> None:
    said = {"ann": BotConfig(kind=kind, description="At the counter.", subscribes=("notes",))}
    async with playing(tmp_path, said) as house:
        (listed,) = house.stage.bus.listing()
        assert (listed.name, listed.kind, listed.description) == ("ann", kind, "At the counter.")
        assert [one.pattern for one in listed.subscriptions] == ["notes"]


@pytest.mark.parametrize("kind", ["outside", "person", "webhook"])
async def test_a_class_whose_name_the_settings_give_to_another_kind_is_a_fault(
    tmp_path: Path, kind: Any
) -> None:
    said = {"clerk": BotConfig(kind=kind, url="http://127.0.0.1:9/" if kind == "webhook" else None)}
    async with playing(tmp_path, said, clerk=CLERK) as house:
        (fault,) = (await house.roster.reload()).faults
        assert Path(fault.file).name == "clerk.py"
        assert f"kind {kind}" in fault.message
        assert [one.kind for one in house.stage.bus.listing()] == [kind]


async def test_who_is_declared_has_an_inbox_that_can_be_read_and_keeps_what_others_gave_it(
    tmp_path: Path,
) -> None:
    said = {"ann": BotConfig(kind="person")}
    async with playing(tmp_path) as house:
        await house.stage.bus.guests.declare("ann", "person", "Ours.", ["notes"], principal=SYSTEM)
    async with playing(tmp_path, said) as house:
        await house.stage.send("#notes", Note("a"))
        served = await house.stage.bus.guests.read("ann", limit=10)
        assert [one.message.body for one in served.given] == [{"text": "a"}]
        assert [one.description for one in house.stage.bus.listing()] == ["Ours."]


async def test_one_who_is_on_the_board_as_another_kind_is_not_taken_over(tmp_path: Path) -> None:
    async with playing(tmp_path, clerk=CLERK):
        pass
    (tmp_path / "bots" / "clerk.py").unlink()
    async with playing(tmp_path, {"clerk": BotConfig(kind="outside")}, other=OTHER) as house:
        assert {one.name: one.kind for one in house.stage.bus.listing()} == {
            "clerk": "python",
            "other": "python",
        }


async def test_a_class_whose_name_somebody_on_the_board_has_is_a_fault(tmp_path: Path) -> None:
    async with playing(tmp_path) as house:
        await house.stage.bus.declare("clerk", "outside", "Elsewhere.", {})
        house.write(clerk=CLERK)
        done = await house.roster.reload()
        assert done.started == []
        assert "bots remove clerk" in done.faults[0].message


async def test_a_webhook_whose_secret_is_not_set_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "CLERK_SECRET"
    monkeypatch.delenv(variable, raising=False)
    said = {"clerk": BotConfig(kind="webhook", url="http://127.0.0.1:9/", secret=variable)}
    async with playing(tmp_path, said) as house:
        assert house.states == {}
        monkeypatch.setenv(variable, "x")
        assert names(await house.roster.reload()) == (["clerk"], [], [], [])
        text = house.settings.read_text()
        house.settings.write_text(text.replace(variable, "NOT_SET"))
        done = await house.roster.reload()
        assert names(done) == ([], [], [], ["clerk"]), "it goes on with the secret that it has"
        assert "NOT_SET" in done.faults[0].message


async def test_a_bot_that_was_set_aside_is_restarted_on_what_its_file_says_now(tmp_path: Path) -> None:
    other_memory = CLERK.replace("texts: list[str] = []", "texts: int = 0").replace(
        "self.memory.texts.append", "print"
    )
    async with playing(tmp_path, clerk=CLERK) as house:
        await house.stage.send("clerk", Note("a"))
        await house.stage.quiet("clerk")
        house.write(clerk=other_memory)
        await house.roster.reload()
        await house.stage.until(lambda: house.states == {"clerk": "quarantined"})
        house.write(clerk=NEWER + "class :\n")
        with pytest.raises(BotInvalid, match="SyntaxError"):
            await house.roster.restart("clerk")
        house.write(clerk=NEWER)
        await house.roster.restart("clerk")
        await house.stage.send("clerk", Note("b"))
        assert await house.texts() == '{"texts":["v1:a","new:b"]}'
        with pytest.raises(Conflict):
            await house.roster.restart("clerk")
        with pytest.raises(NotFound):
            await house.roster.restart("nobody")


async def test_a_reload_is_in_the_log_with_what_it_did(tmp_path: Path) -> None:
    async with playing(tmp_path, clerk=CLERK) as house:
        before = (await house.stage.store.head()).position
        await house.roster.reload()
        (entry,) = await house.stage.store.log(before, 10)
        assert (entry.kind, entry.type) == ("action", "bots.reload")
        assert b'"kept":["clerk"]' in bytes(entry.data)


async def test_two_reloads_at_once_do_the_work_of_one(tmp_path: Path) -> None:
    async with playing(tmp_path, clerk=CLERK) as house:
        house.write(clerk=NEWER)
        done = await asyncio.gather(*(house.roster.reload() for _ in range(3)))
        assert [one.replaced for one in done] == [["clerk"], [], []]


async def test_bots_that_wait_for_each_other_are_replaced_together(tmp_path: Path) -> None:
    """Each by itself: one that is being replaced still gets its answer from one that is."""
    front = CLERK.replace("class Clerk", "class Front").replace(
        "        self.memory", "        await turn.ask('clerk', note, Note)\n        self.memory"
    )
    clerk = CLERK.replace("turn: Turn) -> None:\n", "turn: Turn) -> Note:\n") + "        return note\n"
    async with playing(tmp_path, clerk=clerk, front=front) as house:
        for number in range(50):
            await house.stage.send("front", Note(str(number)))
        house.write(clerk=clerk + "# 2\n", front=front + "# 2\n")
        done = await house.roster.reload()
        assert done.replaced == ["clerk", "front"]
        await house.stage.quiet("front", "clerk")
        kept = ",".join(f'"v1:{number}"' for number in range(50))
        assert await house.texts("clerk") == await house.texts("front") == f'{{"texts":[{kept}]}}'
