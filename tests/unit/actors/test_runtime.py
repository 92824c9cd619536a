"""The life of an actor, and what becomes of its messages."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pykka
import pytest

from callboard.actors import Ending, Envelope, LoopActor
from callboard.errors import ActorError, ActorStopped, AskTimeout, MailboxFull, Overloaded
from callboard.testing.clock import JumpClock

Deed = Callable[[], Any]


class Worker(LoopActor[Any]):
    """Notes what it gets; a callable it calls, an awaitable result it awaits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen: list[Any] = []
        self.hooks: list[str] = []

    async def on_start(self) -> None:
        self.hooks.append("start")

    async def on_receive(self, message: Any) -> Any:
        if callable(message):
            result = message()
            return await result if isinstance(result, Awaitable) else result
        self.seen.append(message)
        return message

    async def on_stop(self) -> None:
        self.hooks.append("stop")

    async def on_failure(self, error: BaseException) -> None:
        self.hooks.append(type(error).__name__)


def fail() -> None:
    raise LookupError("broken")


async def hang() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


async def test_answers_in_order() -> None:
    """Messages are handled one at a time in the order of sending, whether told or asked."""
    worker = Worker()
    ref = worker.launch()
    for number in range(100):
        ref.tell(number)
    assert await ref.ask(100) == 100
    assert worker.seen == list(range(101))
    await ref.aclose()
    assert worker.hooks == ["start", "stop"]


async def test_does_not_overlap_itself() -> None:
    """While one message is being handled, the next waits, however long that takes."""
    gate = asyncio.get_running_loop().create_future()
    worker = Worker()
    ref = worker.launch()
    slow = asyncio.ensure_future(ref.ask(lambda: gate))
    await asyncio.sleep(0)
    ref.tell("next")
    await JumpClock().settle()
    assert worker.seen == []
    gate.set_result("done")
    assert await slow == "done"
    await ref.aclose()
    assert worker.seen == ["next"]


async def test_is_unknown_to_pykkas_registry() -> None:
    """No actor of ours enters pykka's registry, whose search is linear."""
    ref = Worker.start()
    assert isinstance(ref, pykka.ActorRef)
    assert pykka.ActorRegistry.get_all() == []
    await ref.aclose()


async def test_full_mailbox_refuses_a_tell(clock: JumpClock) -> None:
    """A tell to a full mailbox raises and leaves what was accepted as it was."""
    gate = asyncio.get_running_loop().create_future()
    worker = Worker(capacity=2, clock=clock)
    ref = worker.launch()
    ref.tell(lambda: gate)
    await clock.settle()
    ref.tell("a")
    ref.tell("b")
    with pytest.raises(MailboxFull):
        ref.tell("c")
    gate.set_result(None)
    await ref.aclose()
    assert worker.seen == ["a", "b"]


async def test_default_mailbox_holds_256() -> None:
    """A mailbox holds 256 messages unless it is set otherwise."""
    ref = Worker.start()
    for number in range(256):
        ref.tell(number)
    with pytest.raises(MailboxFull):
        ref.tell(256)
    await ref.aclose()


async def test_ask_waits_for_room(clock: JumpClock) -> None:
    """An ask at a full mailbox waits its turn and is answered."""
    worker = Worker(capacity=1, clock=clock)
    ref = worker.launch()
    assert await asyncio.gather(*[ref.ask(number) for number in range(50)]) == list(range(50))
    assert worker.seen == list(range(50))
    await ref.aclose()


async def test_ask_that_finds_no_room_times_out_unsent(clock: JumpClock) -> None:
    """An ask that never got into the mailbox within its time-out is never handled."""
    gate = asyncio.get_running_loop().create_future()
    worker = Worker(capacity=1, clock=clock)
    ref = worker.launch()
    ref.tell(lambda: gate)
    await clock.settle()
    ref.tell("fills it")
    with pytest.raises(AskTimeout):
        await ref.ask("late", timeout=3)
    assert clock.monotonic() == 3
    with pytest.raises(Overloaded):
        await ref.tell_when_room("late too", timeout=3)
    gate.set_result(None)
    await ref.aclose()
    assert worker.seen == ["fills it"]


async def test_tell_when_room_paces_the_sender(clock: JumpClock) -> None:
    """A sender that waits for room loses nothing however small the mailbox is."""
    worker = Worker(capacity=1, clock=clock)
    ref = worker.launch()
    for number in range(20):
        await ref.tell_when_room(number)
    await ref.aclose()
    assert worker.seen == list(range(20))


async def test_ask_has_a_timeout_always(clock: JumpClock) -> None:
    """An ask that names no time-out gets AskTimeout after five seconds."""
    ref = Worker(clock=clock).launch()
    with pytest.raises(AskTimeout):
        await ref.ask(hang)
    assert clock.monotonic() == 5
    ref.cancel()
    await ref.aclose()


async def test_error_in_an_ask_is_the_askers() -> None:
    """What on_receive raises while answering reaches the asker, and the actor lives on."""
    ref = Worker.start()
    with pytest.raises(LookupError, match="broken"):
        await ref.ask(fail)
    assert await ref.ask("still here") == "still here"
    await ref.aclose()


async def test_inner_cancellation_is_not_the_askers_own() -> None:
    """When something that the handler awaited was cancelled, the asker gets an error and is not cancelled."""
    gone = asyncio.get_running_loop().create_future()
    gone.cancel()
    ref = Worker.start()
    with pytest.raises(ActorError):
        await ref.ask(lambda: gone)
    assert await ref.ask("still here") == "still here"
    await ref.aclose()


@pytest.mark.parametrize("way", ["exception", "cancellation", "on_start"])
async def test_death_reaches_everybody_concerned(way: str, clock: JumpClock) -> None:
    """When an actor dies, waiting askers get ActorStopped at once and accepted tells are handed back."""

    class Stillborn(Worker):
        async def on_start(self) -> None:
            fail()

    worker = Stillborn(clock=clock) if way == "on_start" else Worker(clock=clock)
    ref = worker.launch()
    endings: list[Ending] = []
    ref.when_ended(endings.append)
    if way == "exception":
        ref.tell(fail)
    asking = asyncio.ensure_future(ref.ask("unanswered"))
    await asyncio.sleep(0) if way == "on_start" else None
    if way == "cancellation":
        ref.tell(hang)
        ref.tell("left")
        ref.cancel()
    elif ref.is_alive():
        ref.tell("left")
    with pytest.raises(ActorStopped):
        await asking
    leftovers = await ref.aclose()
    assert clock.monotonic() == 0
    assert leftovers in (["left"], [hang, "left"], [])
    assert await ref.aclose() == []
    assert len(endings) == 1
    assert isinstance(endings[0].error, LookupError | asyncio.CancelledError)
    with pytest.raises(ActorStopped):
        ref.tell("to the dead")
    with pytest.raises(ActorStopped):
        await ref.ask("to the dead")


async def test_dead_actor_hands_back_what_it_did_not_get_to() -> None:
    """The tells behind the one that killed the actor come back in order; the killer is shown apart."""
    worker = Worker()
    ref = worker.launch()
    endings: list[Ending] = []
    ref.when_ended(endings.append)
    for message in ("handled", fail, "left 1", "left 2"):
        ref.tell(message)
    assert await ref.aclose() == ["left 1", "left 2"]
    assert worker.seen == ["handled"]
    assert endings[0].in_hand == [fail]
    assert worker.hooks == ["start", "LookupError"]


async def test_cancellation_while_handling_is_a_death() -> None:
    """A cancelled actor does not go on, and on_failure may still await."""

    class Careful(Worker):
        async def on_failure(self, error: BaseException) -> None:
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling(), "or asyncio.timeout would take it for its own"
            await asyncio.sleep(0)
            await super().on_failure(error)

    worker = Careful()
    ref = worker.launch()
    asking = asyncio.ensure_future(ref.ask(hang))
    await JumpClock().settle()
    ref.cancel()
    with pytest.raises(ActorStopped, match="effect is unknown"):
        await asking
    await ref.aclose()
    assert worker.hooks == ["start", "CancelledError"]


@pytest.mark.parametrize("harm", [fail, hang])
async def test_one_bad_actor_leaves_the_others_working(harm: Deed, clock: JumpClock) -> None:
    """A crash, a cancellation and a hang in one actor do not touch any other."""
    bad, cancelled, good = (Worker(clock=clock).launch() for _ in range(3))
    bad.tell(harm)
    cancelled.cancel()
    assert await good.ask("works") == "works"
    with pytest.raises((AskTimeout, ActorStopped)):
        await bad.ask("anybody?", timeout=1)
    assert await good.ask("still works") == "still works"
    bad.cancel()
    for ref in (bad, cancelled, good):
        await ref.aclose()


async def test_asker_that_gives_up_disturbs_nobody(clock: JumpClock) -> None:
    """A cancelled or timed-out asker does not stop its message from being handled, nor those after it."""
    gate = asyncio.get_running_loop().create_future()
    worker = Worker(clock=clock)
    ref = worker.launch()
    ref.tell(lambda: gate)
    cancelled = asyncio.ensure_future(ref.ask("cancelled"))
    failing = asyncio.ensure_future(ref.ask(fail))
    await clock.settle()
    cancelled.cancel()
    failing.cancel()
    gate.set_result(None)
    assert await ref.ask("next") == "next"
    assert worker.seen == ["cancelled", "next"]
    await ref.aclose()


async def test_closing_handles_first_what_was_accepted() -> None:
    """Closing handles all accepted messages, answers their askers, and refuses later ones."""
    worker = Worker()
    ref = worker.launch()
    asking = asyncio.ensure_future(ref.ask("asked"))
    await asyncio.sleep(0)
    ref.tell("told")
    closing = asyncio.ensure_future(ref.aclose())
    await asyncio.sleep(0)
    with pytest.raises(ActorStopped):
        ref.tell("too late")
    assert await closing == []
    assert await asking == "asked"
    assert worker.seen == ["asked", "told"]


async def test_grace_ends_in_cancellation(clock: JumpClock) -> None:
    """An actor that hangs is cancelled when its grace is over."""
    ref = Worker(clock=clock).launch()
    ref.tell(hang)
    ref.tell("left")
    assert await ref.aclose(grace=2) == ["left"]
    assert clock.monotonic() == 2


async def test_one_that_ignores_cancellation_is_left_behind(clock: JumpClock) -> None:
    """Closing with a grace returns even if the actor swallows its cancellation."""
    gate = asyncio.get_running_loop().create_future()

    async def stubborn() -> None:
        while not gate.done():
            try:
                await asyncio.shield(gate)
            except asyncio.CancelledError:
                continue

    ref = Worker(clock=clock).launch()
    ref.tell(stubborn)
    with pytest.raises(ActorError, match="left behind"):
        await ref.aclose(grace=2)
    assert clock.monotonic() == 4
    gate.set_result(None)
    await ref.aclose()


async def test_cannot_wait_for_its_own_end() -> None:
    """An actor that awaits its own aclose gets an error instead of waiting for ever."""
    ref = Worker.start()
    with pytest.raises(RuntimeError, match="its own end"):
        await ref.ask(ref.aclose)
    await ref.aclose()


async def test_retires_only_when_idle() -> None:
    """An actor with a message waiting or in hand does not retire; an idle one does, once."""
    gate = asyncio.get_running_loop().create_future()
    clock = JumpClock()
    ref = Worker(clock=clock).launch()
    assert not ref.retire(), "it has not even started"
    await clock.settle()
    ref.tell(lambda: gate)
    assert not ref.retire(), "a message waits"
    await clock.settle()
    assert not ref.retire(), "a message is in hand"
    gate.set_result(None)
    await clock.settle()
    assert ref.retire()
    assert not ref.retire()
    assert await ref.aclose() == []


async def test_no_tell_vanishes_in_a_retirement() -> None:
    """Whenever a tell and a retirement cross, the tell is either handled or refused to its sender."""
    for passes in range(12):
        for tell_first in (True, False):
            worker = Worker()
            ref = worker.launch()
            refused = False
            for step in range(12):
                if step == passes and not tell_first:
                    ref.retire()
                if step == 6:
                    try:
                        ref.tell("hello")
                    except ActorStopped:
                        refused = True
                if step == passes and tell_first:
                    ref.retire()
                await asyncio.sleep(0)
            await ref.aclose()
            assert (worker.seen == ["hello"]) is not refused


async def test_askers_need_not_wait_for_the_cleaning_up() -> None:
    """When an actor dies, its askers hear of it before on_failure has run."""
    gate = asyncio.get_running_loop().create_future()

    class Slow(Worker):
        async def on_failure(self, error: BaseException) -> None:
            await gate

    ref = Slow.start()
    ref.tell(fail)
    with pytest.raises(ActorStopped) as stopped:
        await ref.ask("?", timeout=60)
    assert isinstance(stopped.value.__cause__, LookupError)
    assert ref.ending is None
    gate.set_result(None)
    await ref.aclose()


async def test_cancelled_before_its_first_step_still_ends() -> None:
    """An actor whose task never ran a line answers its askers and reports its end."""
    ref = Worker.start()
    endings: list[Ending] = []
    ref.when_ended(endings.append)
    ref.tell("left")
    asking = asyncio.ensure_future(ref.ask("?"))
    ref.cancel()
    with pytest.raises(ActorStopped):
        await asking
    assert await ref.aclose() == ["left"]
    assert len(endings) == 1


async def test_listener_that_fails_does_not_silence_the_others() -> None:
    """Everybody who asked for the ending hears of it, even after a faulty listener."""
    ref = Worker.start()
    heard: list[Ending] = []
    ref.when_ended(lambda _: fail())
    ref.when_ended(heard.append)
    await ref.aclose()
    ref.when_ended(heard.append)
    assert [ending.error for ending in heard] == [None, None]


async def test_busy_actor_lets_others_work() -> None:
    """An actor that tells itself without end does not starve the loop."""
    worker = Worker()

    def again() -> None:
        worker.actor_ref.tell(again)

    ref = worker.launch()
    ref.tell(again)
    other = Worker.start()
    assert await other.ask("others work") == "others work"
    await other.aclose()
    ref.cancel()
    await ref.aclose()


async def test_tell_from_a_thread(clock: JumpClock) -> None:
    """Another thread can tell, loses nothing, and hears of a full or closed mailbox."""
    gate = asyncio.get_running_loop().create_future()
    worker = Worker(capacity=50, clock=clock)
    ref = worker.launch()
    ref.tell(lambda: gate)
    await clock.settle()

    def tell_all() -> list[type[BaseException] | int]:
        outcomes: list[type[BaseException] | int] = []
        for number in range(60):
            try:
                ref.tell(number)
                outcomes.append(number)
            except ActorError as error:
                outcomes.append(type(error))
        return outcomes

    outcomes = await asyncio.to_thread(tell_all)
    assert outcomes == [*range(50), *[MailboxFull] * 10]
    gate.set_result(None)
    await ref.aclose()
    assert worker.seen == list(range(50))
    assert await asyncio.to_thread(tell_all) == [ActorStopped] * 60


async def test_a_thread_never_touches_the_loop() -> None:
    """A tell from a thread wakes an idle actor without a call that is not safe between threads."""
    asyncio.get_running_loop().set_debug(enabled=True)  # such a call raises then
    worker = Worker()
    ref = worker.launch()
    await ref.ask("idle from now on")
    await asyncio.to_thread(ref.tell, "hello")
    await ref.aclose()
    assert worker.seen == ["idle from now on", "hello"]


def test_tell_after_the_loop_is_gone() -> None:
    """A thread that tells an actor whose loop has closed gets ActorStopped."""

    async def live() -> Any:
        ref = Worker.start()
        await ref.aclose()
        return ref

    ref = asyncio.run(live())
    caught: list[BaseException] = []

    def tell() -> None:
        try:
            ref.tell("?")
        except ActorStopped as error:
            caught.append(error)

    thread = threading.Thread(target=tell)
    thread.start()
    thread.join()
    assert len(caught) == 1


async def test_ask_from_another_loop_is_refused() -> None:
    """Asking from another loop raises at once and sends nothing."""
    worker = Worker()
    ref = worker.launch()
    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(ref.ask("?")))
    await ref.aclose()
    assert worker.seen == []


async def test_has_its_own_context() -> None:
    """A context variable that one actor sets is seen by itself later and by nobody else."""
    variable: ContextVar[str] = ContextVar("variable", default="outside")
    ref, other = Worker.start(), Worker.start()
    await ref.ask(lambda: variable.set("inside"))
    assert await ref.ask(variable.get) == "inside"
    assert await other.ask(variable.get) == "outside"
    assert variable.get() == "outside"
    await ref.aclose()
    await other.aclose()


class Batcher(LoopActor[int]):
    """Answers whole batches, as the journal does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.batches: list[int] = []

    async def _serve(self, first: Envelope[int]) -> None:
        batch = [first, *self.actor_inbox.take_waiting(9)]
        self.batches.append(len(batch))
        await asyncio.sleep(0)
        for envelope in batch:
            if envelope.message < 0:
                fail()
            if envelope.reply_to is not None:
                envelope.reply_to.set(envelope.message * 2)


async def test_can_serve_in_batches() -> None:
    """An actor may take many envelopes at once and answer each by itself."""
    batcher = Batcher(capacity=4)
    ref = batcher.launch()
    answers = await asyncio.gather(*[ref.ask(number) for number in range(20)])
    assert answers == [2 * number for number in range(20)]
    assert max(batcher.batches) > 1
    await ref.aclose()


async def test_death_in_a_batch_answers_the_rest_of_it() -> None:
    """When a batch kills the actor, whoever was not answered gets ActorStopped; those answered keep it."""
    ref = Batcher.start()
    asks = [asyncio.ensure_future(ref.ask(number)) for number in (1, -1, 2)]
    outcomes = await asyncio.gather(*asks, return_exceptions=True)
    assert outcomes[0] == 2
    assert [type(outcome) for outcome in outcomes[1:]] == [ActorStopped] * 2
    await ref.aclose()


async def test_an_ended_actor_leaves_no_garbage() -> None:
    """The memory of an actor that ended goes with its last ref, without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        ref = Worker.start()
        await ref.ask("hello")
        await ref.aclose()
        del ref
        await asyncio.sleep(0)
        assert not [thing for thing in gc.get_objects() if type(thing) is Worker]
    finally:
        gc.enable()
