"""A hundred thousand actors at once: what they weigh, and how their cost grows.

Each measurement runs in a process of its own. The garbage collector is paused there: it walks over whatever
is alive, a cost of any such number of objects and not of ours, and would drown what is measured here, the
runtime's own growth. That actors need no collector to be freed is part of it. How the server sets the
collector, and what that costs, is told in docs/decisions/0003.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CROWD = """
import asyncio, gc, json, sys, time, tracemalloc
from callboard.actors import LoopActor

class Echo(LoopActor[int]):
    async def on_receive(self, message):
        return message

async def live(count):
    refs = [Echo.start() for _ in range(count)]
    await asyncio.sleep(0)  # all are alive and wait
    asked = await asyncio.gather(*[ref.ask(number) for number, ref in enumerate(refs)])
    assert asked == list(range(count))
    assert all(ref.is_alive() for ref in refs)
    for ref in refs:
        ref.stop()
    for ref in refs:
        await ref.aclose()

async def weigh(count):
    tracemalloc.start()
    refs = [Echo.start() for _ in range(count)]
    for ref in refs:
        await ref.ask(1)
    await asyncio.sleep(0)
    used, _ = tracemalloc.get_traced_memory()
    for ref in refs:
        await ref.aclose()
    del ref, refs
    await asyncio.sleep(0)
    left, _ = tracemalloc.get_traced_memory()
    return [used / count, left / count]

async def measure(counts):
    await live(100)
    times = []
    for count in counts:
        began = time.process_time()
        await live(count)
        times.append(time.process_time() - began)
    return times

gc.collect()
gc.disable()
what, *numbers = json.loads(sys.argv[1])
print(json.dumps(asyncio.run(weigh(numbers[0]) if what == "weigh" else measure(numbers))))
"""


def run(what: str, *numbers: int) -> list[float]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, "-c", CROWD, json.dumps([what, *numbers])]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    result: list[float] = json.loads(done.stdout)
    return result


def test_an_idle_actor_weighs_little() -> None:
    """An idle actor takes less than 8 KB, everything included, and nothing of it stays when it has ended."""
    each, left = run("weigh", 20_000)
    assert each < 8_000
    assert left < 250  # the loop's set of tasks does not shrink


def test_cost_grows_with_the_number_and_no_faster() -> None:
    """100,000 actors that live at once, answer and end, cost less than 12 times what 10,000 cost."""
    ratios = []
    for _ in range(3):
        *small, large = run("time", 10_000, 10_000, 10_000, 10_000, 100_000)
        ratios.append(large / min(small))
        if min(ratios) < 12:
            return
    pytest.fail(f"ten times as many actors cost {ratios} times as much")
