"""Actions as people write them: what they raise and give back ends a step, and never the run that asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from callboard.authoring.registering import load_actions
from callboard.clock import SystemClock
from callboard.outcome import Child, Done, Fail, Failure, Retry
from callboard.planning.step import Action, action, marked
from tests.unit.runs.house import house


class Nothing(msgspec.Struct):
    """What these actions take."""


class Token(msgspec.Struct):
    """A secret."""

    token: str


TEXT = "name: w\nsteps:\n  - {id: a, uses: python, retry: {attempts: 1}, with: {action: act}}\n"
SECRET = "correct-horse-battery"
WITH_SECRET = TEXT.replace("act}", "act, input: {token: '{{ secret(\"TOKEN\") }}'}}")


def actions(function: Callable[..., object]) -> dict[str, Action]:
    found = marked(function)
    assert found is not None
    return {found.name: found}


async def failure(path: Path, function: Callable[..., object], text: str = TEXT) -> Failure:
    """Run it, and return with what the run failed."""
    async with house(path / "db", text, actions=actions(function), clock=SystemClock()) as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        error: Failure = (await here.facts(began.run))[-1].error
        return error


@pytest.mark.parametrize("error", [StopIteration(), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
async def test_whatever_ends_a_thread_fails_the_step_at_once(tmp_path: Path, error: BaseException) -> None:
    @action("act")
    def act(_: Nothing) -> None:
        raise error

    found = await failure(tmp_path, act)
    assert found.code == "STEP_FAILED"
    assert type(error).__name__ in found.message


async def test_an_exception_is_told_with_its_line_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "_deep.py").write_text("def look(text: str) -> int:\n    return int(text)\n")
    (tmp_path / "actions" / "bad.py").write_text(
        "import msgspec\nfrom callboard import action\nfrom callboard_actions._deep import look\n"
        "class Nothing(msgspec.Struct): pass\n"
        "@action('act')\ndef act(_: Nothing) -> int: return look('x')\n"
    )
    found, faults = load_actions(tmp_path / "actions")
    assert faults == []
    error = await failure(tmp_path, found["act"].function)
    assert (error.code, error.details) == ("STEP_FAILED", {"at": "actions/_deep.py:2"})


@pytest.mark.parametrize(
    "given",
    [
        Fail("nope"),  # type: ignore[arg-type]
        Retry(Failure("X", None)),  # type: ignore[arg-type]
        Retry(Failure("X", "m"), "soon"),  # type: ignore[arg-type]
        Done(1, sets=[1]),  # type: ignore[arg-type]
        Done(object()),
        Done(1, child=Child("x", "w")),
    ],
)
async def test_an_outcome_that_is_none_fails_the_step(tmp_path: Path, given: object) -> None:
    called = []

    @action("act")
    async def act(_: Nothing) -> object:
        called.append(1)
        return given

    assert (await failure(tmp_path, act)).code == "OUTPUT_INVALID"
    assert called == [1]


async def test_an_error_is_kept_as_far_as_it_fits(tmp_path: Path) -> None:
    @action("act")
    async def act(_: Nothing) -> Fail:
        return Fail(Failure("C" * 5_000_000, "half a pair: \ud800", {"much": "x" * 5_000_000}))

    found = await failure(tmp_path, act)
    assert (len(found.code), found.message) == (200, "half a pair: \\ud800")
    assert found.details == {"left_out": "5,000,011 bytes: an error keeps 1,048,576"}


async def test_no_part_of_a_failure_shows_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)

    @action("act")
    async def act(given: Token) -> Fail:
        return Fail(Failure(given.token, given.token, {given.token: (given.token,)}))

    found = await failure(tmp_path, act, WITH_SECRET)
    assert (found.code, found.message, found.details) == ("•••", "•••", {"•••": ["•••"]})
    assert SECRET.encode() not in (tmp_path / "db").read_bytes()


async def test_an_exception_is_cut_after_its_secrets_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)

    @action("act")
    async def act(given: Token) -> None:
        raise ValueError("x" * (1_980 - len("ValueError: ")) + given.token + " was refused")

    assert (await failure(tmp_path, act, WITH_SECRET)).message.endswith("x••• was refused")


async def test_variables_that_a_function_sets_show_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)

    @action("act")
    async def act(given: Token) -> Done:
        return Done((given.token,), sets={"kept": given.token})

    text = WITH_SECRET + "output: '{{ [steps.a.output, vars.kept] }}'\n"
    async with house(tmp_path / "db", text, actions=actions(act)) as here:
        began = await here.start()
        await here.comes_to(began.run)
        assert (await here.facts(began.run))[-1].final_output == [["•••"], "•••"]
    assert SECRET.encode() not in (tmp_path / "db").read_bytes()
