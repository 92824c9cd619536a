"""Ways in which triggers could be broken; `tests/unit/triggers` and the tests of real requests must notice each."""

from __future__ import annotations

from tests.mutation.mutations import Mutation

SCHEDULES = ("tests/unit/triggers/test_due.py", "tests/unit/triggers/test_schedules.py")
HEARING = ("tests/unit/triggers/test_hearing.py",)
REQUESTS = ("tests/e2e/test_triggers.py",)

OF_TRIGGERS = (
    Mutation(
        "fire an event again that was fired",
        "triggers/firing.py",
        "return () if shot.key is None else",
        "return () if True else",
        HEARING,
    ),
    Mutation(
        "leave the next time out of the turn that fires",
        "triggers/timetable.py",
        "changes=(self.change(entry.id, following),),",
        "changes=(),",
        SCHEDULES,
    ),
    Mutation(
        "forget what goes with the beginning of a run",
        "runs/occasion.py",
        "for change in self.changes:",
        "for change in ():",
        SCHEDULES,
    ),
    Mutation(
        "let a schedule that skips what it missed wait for nothing more",
        "triggers/timetable.py",
        "(*due.fires, due.following)[1:]",
        "(*due.fires[1:], due.following)",
        SCHEDULES,
    ),
    Mutation("make up twice for what was missed", "triggers/due.py", '{"once": 1,', '{"once": 2,', SCHEDULES),
    Mutation(
        "leave the timer of a trigger that is gone",
        "triggers/setting.py",
        "turn.change(timetable.change(row.id, None))",
        "pass",
        SCHEDULES,
    ),
    Mutation(
        "hear from now on, and not from the publication on",
        "triggers/setting.py",
        "since = await _published(store, workflow) if wanted else Position(0)",
        "since = (await store.head()).position",
        HEARING,
    ),
    Mutation(
        "fire what happened before a trigger was there, or while it was off",
        "triggers/triggers.py",
        "if kept.enabled and kept.since < one.position]",
        "if kept.enabled]",
        HEARING,
    ),
    Mutation(
        "let a circle go on", "triggers/hearing.py", "if hops <= most:", "if hops <= most + 4:", HEARING
    ),
    Mutation(
        "let in who does not know the secret",
        "triggers/signing.py",
        "if not hmac.compare_digest(",
        "if False and not hmac.compare_digest(",
        REQUESTS,
    ),
    Mutation(
        "open a webhook whose secret is not set",
        "triggers/signing.py",
        "    if not value:",
        "    if False:",
        REQUESTS,
    ),
    Mutation(
        "take one delivery for another",
        "triggers/firing.py",
        "if row.digest != shot.digest:",
        "if False:",
        REQUESTS,
    ),
    Mutation(
        "publish a path that another workflow has",
        "publish/hookpaths.py",
        "if not wanted:",
        "if True:",
        REQUESTS,
    ),
    Mutation(
        "fire twice where a clock is set back",
        "schedule.py",
        "if not found.fold or not _is_repeated(found):",
        "if True:",
        ("tests/unit/test_schedule.py",),
    ),
    Mutation(
        "forget what was told before the log is heard",
        "triggers/hearing.py",
        "after, max(until, self._until), after",
        "after, until, after",
        ("tests/unit/triggers/test_hearing.py", "-k", "being_set"),
    ),
)
