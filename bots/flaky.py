"""The flaky one: fails on purpose, to show what becomes of a message whose handler raises.

A job says how often it fails first. The bot counts tries by the id of the message, which is the same each
time, and counts them beside its memory: memory of a failed turn is not kept.

    callboard send flaky '{"name": "sweep", "failures": 2}' --type job     # handled at the third try
    callboard send flaky '{"name": "fly", "failures": 9}' --type job       # given up after the third
    callboard dead list
"""

from __future__ import annotations

from callboard import Body, Bot, Memory, Turn, on


class Job(Body):
    """Something to do, which fails at first."""

    name: str
    failures: int = 1


class Done(Memory):
    """What was done, each job once."""

    jobs: list[str] = []


class Flaky(Bot):
    """Fails on purpose, and is tried again."""

    attempts = 3
    memory: Done

    async def started(self) -> None:
        """Begin to count; after a restart of the bot a job fails anew."""
        self.tries: dict[str, int] = {}

    @on(Job)
    async def work(self, job: Job, turn: Turn) -> None:
        """Fail as often as the job wants, then do it."""
        name = str(turn.message.id)
        tries = self.tries[name] = self.tries.get(name, 0) + 1
        self.memory.jobs.append(job.name)
        if tries <= job.failures:
            raise RuntimeError(f"{job.name} failed on purpose, time {tries} of {job.failures}")
        del self.tries[name]
