"""Steps run programs: what they are given, what their end makes of the step, and that nothing outlives it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from callboard.clock import SystemClock
from callboard.config import NOT_SETTINGS, PREFIX
from callboard.errors import WorkflowInvalid
from callboard.run import commands
from callboard.steps import program
from callboard.steps.program import Programs, Started
from tests.unit.runs.house import ANN, House, house

PYTHON = sys.executable


def workflow(command: list[str], more: str = "", step: str = "") -> str:
    words = ", ".join(f'"{word}"' for word in command)
    return f"name: w\nsteps:\n  - {{id: a, uses: shell.run, with: {{command: [{words}]{more}}}{step}}}\n"


def open_house(folder: Path, text: str) -> AbstractAsyncContextManager[House]:
    return house(folder / "db", text, clock=SystemClock(), programs_in=folder)


async def outcome(folder: Path, text: str, trigger: Any = None) -> Any:
    """Run a workflow of one step, and return its last fact but one: what the step came to."""
    async with open_house(folder, text) as here:
        began = await here.start(trigger=trigger)

        async def ended() -> bool:
            return await here.status(began.run) in {"completed", "failed"}

        await here.stage.until(ended, within=30)
        return next(
            fact
            for fact in await here.facts(began.run)
            if type(fact).__name__ in {"StepCompleted", "StepFailed"}
        )


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until_dead(pid: int) -> None:
    async with asyncio.timeout(10):
        while alive(pid):
            await asyncio.sleep(0.01)


async def pid_in(file: Path) -> int:
    """Return the number that a program writes into a file, once it has."""
    async with asyncio.timeout(10):
        while not (file.exists() and file.read_text("utf-8").endswith("\n")):
            await asyncio.sleep(0.01)
    return int(file.read_text("utf-8"))


STUBBORN = (
    "import os, pathlib, signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if len(sys.argv) == 2:\n"
    "    subprocess.Popen([sys.executable, __file__, sys.argv[1], 'inner'])\n"
    "else:\n"
    "    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()) + '\\n')\n"
    "time.sleep(600)\n"
)
"""A program that does not hear TERM and neither does its child, which writes its number into a file."""


def stubborn(folder: Path) -> list[str]:
    (folder / "stubborn.py").write_text(STUBBORN, "utf-8")
    return [PYTHON, "stubborn.py", str(folder / "inner")]


# ── what it is given ─────────────────────────────────────────────────────────────────────────────────────


async def test_arguments_reach_the_program_as_they_are(tmp_path: Path) -> None:
    text = workflow(["/bin/echo", "{{ trigger }}", "$HOME", "; ls"])
    assert (await outcome(tmp_path, text, "a b")).output == {
        "code": 0,
        "stdout": "a b $HOME ; ls\n",
        "stderr": "",
    }


async def test_a_number_that_a_template_gives_is_a_word_as_well(tmp_path: Path) -> None:
    text = workflow(["sh", "-c", "echo $1 $N", "sh", "{{ trigger }}"], ", env: {N: '{{ trigger / 2 }}'}")
    assert (await outcome(tmp_path, text, 7)).output["stdout"] == "7 3.5\n"


async def test_the_environment_is_empty_but_for_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVATE", "nobody's business")
    made = await outcome(tmp_path, workflow(["env"], ", env: {COLOUR: red}"))
    said = dict(line.split("=", 1) for line in made.output["stdout"].splitlines())
    assert said.keys() == {"PATH", "COLOUR", "CALLBOARD_RUN", "CALLBOARD_STEP", "CALLBOARD_IDEMPOTENCY_KEY"}
    assert said["CALLBOARD_IDEMPOTENCY_KEY"] == f"{said['CALLBOARD_RUN']}:a:1"
    assert {name for name in said if name.startswith(PREFIX)} <= NOT_SETTINGS


async def test_it_reads_what_it_is_given_and_runs_in_the_projects_folder(tmp_path: Path) -> None:
    (tmp_path / "count.sh").write_text("#!/bin/sh\npwd; wc -c\n", "utf-8")
    (tmp_path / "count.sh").chmod(0o755)
    made = await outcome(tmp_path, workflow(["./count.sh"], ", stdin: '{{ trigger }}'"), "x" * 200_000)
    assert made.output["stdout"].split() == [str(tmp_path.resolve()), "200000"]


async def test_a_program_that_reads_nothing_of_it_is_no_fault(tmp_path: Path) -> None:
    made = await outcome(tmp_path, workflow(["true"], ", stdin: '{{ trigger }}'"), "x" * 500_000)
    assert made.output["code"] == 0


async def test_a_secret_reaches_the_program_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "correct-horse")
    code = "import os, sys; print(len(os.environ['T'])); sys.exit('bad token ' + os.environ['T'])"
    made = await outcome(
        tmp_path,
        workflow([PYTHON, "-c", code], ", env: {T: '{{ secret(\\'TOKEN\\') }}'}".replace("\\'", "''")),
    )
    assert made.error.code == "EXIT_1"
    assert "bad token" in made.error.message
    assert "correct-horse" not in str(made)


# ── its end ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "more", "well"), [(3, "", False), (3, ", expect: [0, 3]", True), (0, ", expect: [3]", False)]
)
async def test_the_exit_code_decides(tmp_path: Path, code: int, more: str, well: bool) -> None:
    made = await outcome(tmp_path, workflow(["sh", "-c", f"echo so >&2; exit {code}"], more))
    if well:
        assert made.output == {"code": code, "stdout": "", "stderr": "so\n"}
    else:
        assert made.error.code == f"EXIT_{code}"
        assert made.error.message == f"sh ended with {code}: so"
        assert made.error.details == {"code": code, "stderr": "so\n"}
        assert made.attempt == 1


async def test_one_that_a_signal_ends_has_the_code_that_a_shell_gives_it(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, workflow(["sh", "-c", "kill -9 $$"]))).error.code == "EXIT_137"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["no-such-thing"], "there is no program 'no-such-thing' on the PATH"),
        (["./gone.sh"], "there is no program './gone.sh' in"),
        ([""], "there is no program ''"),
        (["echo", "{{ trigger }}"], "with.command[1]: it holds a character"),
    ],
)
async def test_what_cannot_be_run_is_told(tmp_path: Path, command: list[str], told: str) -> None:
    made = await outcome(tmp_path, workflow(command), "a\0b")
    assert told in made.error.message
    assert made.attempt == 1


@pytest.mark.parametrize("way", ["", ">&2"])
async def test_one_that_writes_too_much_is_ended_while_it_writes(tmp_path: Path, way: str) -> None:
    made = await outcome(tmp_path, workflow(["sh", "-c", f"yes {way}"]))
    assert made.error.code == "OUTPUT_TOO_LARGE"


async def test_what_a_program_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    made = await outcome(tmp_path, workflow(["sh", "-c", "sleep 600 & echo $!"]))
    await until_dead(int(made.output["stdout"]))


# ── it is ended ──────────────────────────────────────────────────────────────────────────────────────────


async def test_past_its_time_the_whole_group_is_ended_even_if_it_hears_no_term(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "GRACE", 0.2)
    text = workflow(stubborn(tmp_path), step=", timeout: 1s, retry: {attempts: 1}")
    made = await outcome(tmp_path, text)
    assert made.error.code == "TIMEOUT"
    await until_dead(await pid_in(tmp_path / "inner"))


async def test_past_its_time_a_program_may_put_away_what_it_has(tmp_path: Path) -> None:
    code = "trap 'echo done > after; exit' TERM; while :; do sleep 0.05; done"
    await outcome(tmp_path, workflow(["sh", "-c", code], step=", timeout: 1s, retry: {attempts: 1}"))
    assert (tmp_path / "after").read_text("utf-8") == "done\n"


async def test_a_cancelled_run_takes_its_group_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "GRACE", 0.2)
    async with open_house(tmp_path, workflow(stubborn(tmp_path))) as here:
        began = await here.start()
        inner = await pid_in(tmp_path / "inner")
        await here.runs.do(began.run, commands.Cancel("ann"), principal=ANN)
        await until_dead(inner)


async def test_a_server_that_ends_takes_its_groups_along(tmp_path: Path) -> None:
    text = workflow(stubborn(tmp_path))
    async with house(tmp_path / "db", text, clock=SystemClock(), programs_in=tmp_path, grace=0.2) as here:
        await here.start()
        inner = await pid_in(tmp_path / "inner")
    await until_dead(inner)


SERVER = """
import asyncio, os, pathlib, sys
from callboard.steps.program import Programs, Started

async def main():
    here = pathlib.Path(sys.argv[1])
    running = Programs(here).run(Started([sys.executable, "stubborn.py", str(here / "inner")], {}), 1000)
    await running

asyncio.run(main())
"""


async def test_a_server_that_is_killed_takes_its_groups_along(tmp_path: Path) -> None:
    stubborn(tmp_path)
    server = subprocess.Popen([PYTHON, "-c", SERVER, str(tmp_path)])  # noqa: ASYNC220 - it starts at once
    try:
        inner = await pid_in(tmp_path / "inner")
    finally:
        server.kill()
        server.wait()
    await until_dead(inner)


async def test_another_watchman_is_found_for_one_that_died(tmp_path: Path) -> None:
    programs = Programs(tmp_path)
    env = {"PATH": os.defpath}
    assert (await programs.run(Started(["/bin/echo", "a"], env), 10)).stdout == b"a\n"
    first = programs._watchman
    assert first is not None
    first.kill()
    first.wait()
    assert (await programs.run(Started(["/bin/echo", "b"], env), 10)).stdout == b"b\n"
    assert programs._watchman is not first
    programs.close()


# ── it is off ────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_is_off_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    with pytest.raises(
        WorkflowInvalid, match=r"shell\.run are off here: write shell = true under \[workflows\]"
    ):
        async with house(tmp_path / "db", workflow(["ls"])):
            pass


async def test_what_was_published_while_it_was_on_fails_once_it_is_off(tmp_path: Path) -> None:
    async with open_house(tmp_path, workflow(["ls"])) as here:
        here.runs._crew._programs = None
        began = await here.start()
        await here.comes_to(began.run, "failed")
        assert (await here.facts(began.run))[-1].error.code == "DENIED"
