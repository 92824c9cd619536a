"""Ways in which following a run, looking back at it and forking it could be broken."""

from __future__ import annotations

from tests.mutation.mutations import CONFORMANCE, Mutation

FOLLOWING = ("tests/e2e/test_following.py",)
INSIDE = ("tests/unit/test_following.py",)
STORY = ("tests/e2e/test_story.py",)
FORKS = ("tests/unit/run/test_forks.py",)
HOUSE = ("tests/unit/runs/test_forks.py",)
DOOR = ("tests/unit/web/test_story.py",)

OF_STORY = (
    Mutation(
        "go on behind the first fact of a page",
        "desk/following.py",
        "version, over = page[-1].version",
        "version, over = page[0].version",
        INSIDE + FOLLOWING,
    ),
    Mutation(
        "close at the end that a run had before it was opened again",
        "desk/following.py",
        "                if page:\n                    yield [_told(event, head) for event in page]\n",
        "                if page and not over:\n                    yield [_told(event, head) for event in page]\n",
        FOLLOWING,
    ),
    Mutation(
        "keep a stream open whose run was taken away",
        "desk/following.py",
        "                    await self._must_be(run)\n                    if",
        "                    if",
        INSIDE,
    ),
    Mutation("ring no bell", "company/onlookers.py", "bell.set()", "pass", INSIDE),
    Mutation(
        "keep the seat of a stream that has ended",
        "web/api/lasting.py",
        "        finally:\n            self._seats.leave()",
        "        finally:\n            pass",
        DOOR,
    ),
    Mutation(
        "keep the seat of a stream that was refused",
        "web/api/lasting.py",
        "        except BaseException:\n            seats.leave()\n            raise",
        "        except BaseException:\n            raise",
        DOOR,
    ),
    Mutation(
        "take what was cut off in the middle for an event",
        "web/follower.py",
        "                told.data = value\n",
        "                told.data = value\n                yield told\n",
        FOLLOWING,
    ),
    Mutation(
        "believe a snapshot from after the position",
        "store/fold.py",
        "and snapshot.version > until",
        "and snapshot.version > until + 1_000",
        ("tests/unit/test_fold.py",),
    ),
    Mutation(
        "read no fewer events for their size",
        "stores/sqlite/queries.py",
        "size <= 0",
        "size < -(1 << 40)",
        (CONFORMANCE,),
    ),
    Mutation(
        "take over what followed something that was cut off",
        "run/forking.py",
        "{step} | undecided",
        "{step}",
        FORKS,
    ),
    Mutation("take over what others had put into variables", "run/forking.py", "if by in kept)", ")", FORKS),
    Mutation(
        "fork from where the run has not come",
        "run/forking.py",
        "_check(state, flow, step, kept)\n        taken",
        "taken",
        FORKS,
    ),
    Mutation(
        "leave what can never begin in a fork pending",
        "run/deciding.py",
        "        skip_the_doomed(work)",
        "        pass",
        FORKS,
    ),
    Mutation(
        "forget what a fork stands on",
        "runs/forks.py",
        "Begin(start, plan, None, self.last)",
        "Begin(start, plan, None, None)",
        HOUSE,
    ),
    Mutation(
        "fork a part of a run",
        "runs/forks.py",
        "                    _check_whole(event.fact)",
        "                    pass",
        HOUSE,
    ),
)
