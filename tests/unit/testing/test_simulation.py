"""Authors play their own bots and workflows under seeds and crashes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from callboard import Body, Bot, Memory, Settings, Turn, on
from callboard.errors import BadInput, NotFound
from callboard.ids import SYSTEM, SystemIds
from callboard.planning.step import action
from callboard.store.changes import DropTimer
from callboard.store.turn import Turn as Commit
from callboard.testing import Answer, House, Looking, Request, Violation, simulate


class Coin(Body):
    number: int


class Purse(Memory):
    coins: list[int] = msgspec.field(default_factory=list)


class Rules(Settings, frozen=True):
    doubled: bool = False


class Till(Bot):
    memory: Purse
    settings: Rules

    @on(Coin)
    def take(self, coin: Coin, turn: Turn) -> None:
        self.memory.coins.append(coin.number)
        for _ in range(2 if self.settings.doubled else 1):
            turn.publish("coins", coin)


async def pays(house: House) -> None:
    for number in range(3):
        await house.send("till", Coin(number), key=f"coin {number}")


def all_are_there_once(house: House) -> None:
    assert house.memory(Till).coins == [0, 1, 2]
    assert [one.body["number"] for one in house.said("#coins")] == [0, 1, 2]


async def nothing(_house: House) -> None:
    """Leave the house alone."""


def anything(_house: Looking) -> None:
    """Promise nothing."""


@pytest.fixture(autouse=True)
def _no_seed_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALLBOARD_SEED", raising=False)


def test_what_a_turn_does_holds_through_all_deaths() -> None:
    looks: list[int] = []

    def memory_and_words_agree(left: Looking) -> None:
        said = [one.body["number"] for one in left.said("#coins")]
        assert left.memory(Till).coins == said
        looks.append(len(said))

    simulate(Till, play=pays, promise=all_are_there_once, always=memory_and_words_agree, seeds=range(12))
    assert set(looks) >= {0, 3}, "deaths come early and late"


def test_a_play_without_keys_is_found_out_and_says_how_to_see_it_again() -> None:
    async def pays_anew(house: House) -> None:
        for number in range(3):
            await house.send("till", Coin(number))

    with pytest.raises(Violation) as found:
        simulate(Till, play=pays_anew, promise=all_are_there_once)
    seed = str(found.value).split(":")[0].removeprefix("Seed ")
    assert "life 1 died" in str(found.value)
    assert f"Again: CALLBOARD_SEED={seed} in the environment of the test, or seeds=[{seed}]." in str(
        found.value
    )
    with pytest.raises(Violation) as again:
        simulate(Till, play=pays_anew, promise=all_are_there_once, seeds=[int(seed)])
    assert str(again.value) == str(found.value)


def test_the_environment_names_the_one_seed_that_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    lives: Counter[str] = Counter()

    async def counts(house: House) -> None:
        lives["begun"] += 1
        await pays(house)

    simulate(Till, play=counts, promise=all_are_there_once, seeds=[5])
    alone, lives["begun"] = lives["begun"], 0
    monkeypatch.setenv("CALLBOARD_SEED", "5")
    simulate(Till, play=counts, promise=all_are_there_once, seeds=range(100))
    assert lives["begun"] == alone
    monkeypatch.setenv("CALLBOARD_SEED", "five")
    with pytest.raises(BadInput, match="CALLBOARD_SEED is 'five'"):
        simulate(Till, play=nothing, promise=anything)


def test_a_promise_that_never_holds_is_told_from_one_that_a_crash_breaks() -> None:
    def there_are_four(house: House) -> None:
        assert len(house.said("#coins")) == 4

    with pytest.raises(Violation, match="Even with no crash at all: AssertionError"):
        simulate(Till, play=pays, promise=there_are_four)


def test_settings_are_those_of_an_operator() -> None:
    def each_twice(house: House) -> None:
        assert len(house.said("#coins")) == 6

    simulate(Till, play=pays, promise=each_twice, settings={Till: Rules(doubled=True)}, seeds=range(2))


def test_a_wait_that_nothing_ends_is_an_error() -> None:
    async def waits(house: House) -> None:
        run = await house.start("asking", key="one")
        await house.ended(run)

    text = "name: asking\nsteps:\n  - {id: go, uses: wait.signal, with: {signal: go}}\n"
    with pytest.raises(Violation, match=r"still not done at .* of virtual time"):
        simulate(workflows=[text], play=waits, promise=anything, longest="1d")


def test_it_is_called_from_a_plain_function() -> None:
    async def within(_house: House) -> None:
        simulate(Till, play=nothing, promise=anything)

    with pytest.raises(Violation, match="call `simulate` from a plain function"):
        simulate(Till, play=within, promise=anything)


# ── workflows ────────────────────────────────────────────────────────────────────────────────────────────

CLAIMS = """
name: claims
steps:
  - {id: fetch, uses: http.request, with: {url: "https://claims.example/{{ trigger.n }}"}}
  - {id: book, uses: python, with: {action: book, input: {amount: "{{ steps.fetch.output.body.amount }}"}}}
  - {id: rest, uses: core.delay, with: {for: 2d}}
  - {id: allow, uses: approval, with: {approvers: [ann], message: Pay?}}
output: "{{ steps.book.output }}"
"""


class Amount(msgspec.Struct):
    amount: int


@action("book")
async def book(amount: Amount) -> int:
    """Book an amount."""
    return amount.amount


async def _claims(house: House) -> None:
    run = await house.start("claims", {"n": 1}, key="first")
    await house.advance("49h")
    try:
        await house.decide(run, "allow", "approve", by="ann")
    except NotFound:
        """It was decided in an earlier life."""
    assert await house.ended(run) == "completed"


def test_a_run_goes_on_through_all_deaths_with_the_web_of_the_author() -> None:
    asked: list[Request] = []

    def web(request: Request) -> Answer:
        asked.append(request)
        status = 503 if len(asked) % 3 == 1 else 200
        return Answer(status, {"content-type": "application/json"}, b'{"amount": 40}')

    def one_run_with_one_key(house: House) -> None:
        (run,) = house.runs("claims")
        assert house.output(run.id) == 40
        assert house.run(run.id).status == "completed"
        assert {one.step for one in house.attempts(run.id)} == {"fetch", "book", "rest", "allow"}
        assert len({one.headers["Idempotency-Key"] for one in asked}) == 1
        asked.clear()

    parts = {"workflows": [CLAIMS], "actions": [book], "web": web}
    simulate(**parts, play=_claims, promise=one_run_with_one_key, seeds=range(10))  # type: ignore[arg-type]


def test_without_a_web_a_request_fails_and_says_why() -> None:
    async def asks(house: House) -> None:
        run = await house.start("claims", {"n": 1}, key="first")
        assert await house.ended(run) == "failed"

    def it_says_why(house: House) -> None:
        (run,) = house.runs()
        assert run.error is not None
        assert "a simulation has no network" in run.error.message

    simulate(workflows=[CLAIMS], actions=[book], play=asks, promise=it_says_why, seeds=range(2))


def test_what_the_house_promises_is_looked_at_too() -> None:
    text = "name: sleeping\nsteps:\n  - {id: nap, uses: core.delay, with: {for: 2d}}\n"

    async def loses_what_would_wake_it(house: House) -> None:
        await house.start("sleeping", key="one")
        await house.quiet()
        (timer,) = await house.store.timers(None, 10)
        turn = Commit(at=house.clock.now(), ids=SystemIds(), principal=SYSTEM)
        turn.change(DropTimer(timer.id))
        await house.store.commit([turn])

    with pytest.raises(Violation, match="Even with no crash at all: callboard doctor: "):
        simulate(workflows=[text], play=loses_what_would_wake_it, promise=anything)


def test_a_whole_project_is_played(tmp_path: Path) -> None:
    bot = (
        "from callboard import Body, Bot, Turn, on\n\n\nclass Coin(Body):\n    number: int\n\n\n"
        "class Box(Bot):\n    @on(Coin)\n    async def take(self, coin: Coin, turn: Turn) -> None:\n"
        "        turn.publish('coins', coin)\n"
    )
    flow = (
        "name: onward\non:\n  - message: {channel: coins, type: coin}\nsteps:\n"
        "  - {id: tell, uses: message.publish, with: {channel: told, type: coin, body: '{{ trigger }}'}}\n"
    )
    for name, text in {"bots/box.py": bot, "config/workflows/onward.yaml": flow}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    async def pays_the_box(house: House) -> None:
        await house.send("box", Coin(1), key="one")

    def it_is_told_once(house: House) -> None:
        assert [one.body for one in house.said("#told")] == [{"number": 1}]

    simulate(project=tmp_path, play=pays_the_box, promise=it_is_told_once, seeds=range(6))
    (tmp_path / "bots" / "broken.py").write_text("raise ValueError('no')\n")
    with pytest.raises(BadInput, match=r"broken\.py:1: ValueError: no"):
        simulate(project=tmp_path, play=nothing, promise=anything)


def test_what_cannot_be_played_is_refused() -> None:
    with pytest.raises(BadInput, match="There is no folder"):
        simulate(project="/nowhere/at/all", play=nothing, promise=anything)
    with pytest.raises(BadInput, match="is no action: mark it"):
        simulate(actions=[len], play=nothing, promise=anything)
