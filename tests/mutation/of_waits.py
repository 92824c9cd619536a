"""Ways in which waiting could be broken: answers, messages that are heard, children, and concurrency keys."""

from __future__ import annotations

from tests.mutation.mutations import Mutation

HEARING = ("tests/unit/runs/test_overhearing.py",)
CHILDREN = ("tests/unit/runs/test_children.py",)
CROWDS = ("tests/unit/runs/test_crowding.py",)
ASKING = ("tests/unit/runs/test_asking.py",)

OF_WAITS = (
    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────
    Mutation(
        "give a message again that the run has used",
        "runs/overhearing.py",
        "return await store.key(_keys(ear.sought.run), str(message)) is None",
        "return True",
        HEARING,
    ),
    Mutation(
        "keep no key for a message that was used",
        "runs/runturn.py",
        "self._changes.append(used(self._run, Position(fact.message), self.first))",
        "pass",
        HEARING,
    ),
    Mutation(
        "tell a run of a message and put no answer on disk",
        "runs/overhearing.py",
        "turn.change(AnswerWait(ear.id, ear.answer))",
        "pass",
        HEARING,
    ),
    Mutation(
        "forget at a restart who waits for a message",
        "runs/overhearing.py",
        "page = await self._services.store.waits_of(KIND, after, WAITS_PAGE)",
        "page = []",
        HEARING,
    ),
    Mutation(
        "miss what is said while the log is read",
        "runs/overhearing.py",
        "if not page.more and not ear.again:",
        "if not page.more:",
        HEARING,
    ),
    Mutation(
        "take a message from before the run began",
        "runs/overhearing.py",
        "return first if since is None",
        "return Position(0) if since is None",
        HEARING,
    ),
    # ── answers ──────────────────────────────────────────────────────────────────────────────────────────
    Mutation(
        "find no answer that is there",
        "runs/answers.py",
        "if wait.answer is None:",
        "if wait.answer is None or wait.answer > 0:",
        CHILDREN,
    ),
    Mutation(
        "leave open what a run waits for no longer",
        "runs/runturn.py",
        "self._changes += [CloseWait(name), *closed(want.wait)]",
        "self._changes += closed(want.wait)",
        ("tests/unit/runs/test_waiting.py",),
    ),
    Mutation(
        "tell no run that its question was answered",
        "runs/hearing_back.py",
        "self._answered(wait.owner.removeprefix(_OWNER))",
        "pass",
        ASKING,
    ),
    Mutation(
        "start another run for the same request",
        "runs/runs.py",
        "begin = msgspec.structs.replace(begin, key=KeepKey(KEYS, request, digest, Fact(0)))",
        "pass",
        ("tests/unit/runs/test_running.py",),
    ),
    # ── children ─────────────────────────────────────────────────────────────────────────────────────────
    Mutation(
        "end a child and answer nobody who waits for it",
        "runs/runturn.py",
        "self._changes.append(AnswerWait(end_of(self._run), self.last))",
        "pass",
        CHILDREN,
    ),
    Mutation(
        "do not tell a parent that its child has ended",
        "runs/runturn.py",
        "                self.looks.append(self._parent)",
        "                pass",
        CHILDREN,
    ),
    Mutation(
        "let a child go on that its parent gave up",
        "runs/runturn.py",
        "self.tell_at_once(child, CANCEL)",
        "pass",
        CHILDREN,
    ),
    Mutation(
        "say that a child was started and begin none",
        "runs/runturn.py",
        "            child.enter(turn, 0)",
        "            pass",
        CHILDREN,
    ),
    Mutation(
        "take the failure of a child for its output",
        "runs/children.py",
        'return commands.ChildHasEnded(*told, "failed", error=fact.error)',
        'return commands.ChildHasEnded(*told, "completed", None)',
        CHILDREN,
    ),
    # ── concurrency keys ─────────────────────────────────────────────────────────────────────────────────
    Mutation(
        "hand a place on in a turn of its own alone",
        "runs/crowding.py",
        "        found = crowd.next(free=1)\n",
        "        found = None\n",
        CROWDS,
    ),
    Mutation(
        "leave the place free that a crash has left free",
        "runs/crowding.py",
        "        for crowd in self._crowds.values():\n            self._advance(crowd)",
        "        pass",
        CROWDS,
    ),
    Mutation(
        "let one run more have a place than may",
        "runs/crowding.py",
        "len(self.holders) >= limit",
        "len(self.holders) > limit",
        CROWDS,
    ),
    Mutation(
        "let a run that replaces another begin beside it",
        "runs/crowding.py",
        "            ousted = _ousted(crowd, run, rule.limit)\n            crowd.line[run] = Queued(rule.limit)",
        "            ousted = _ousted(crowd, run, rule.limit)\n            crowd.holders[run] = None",
        CROWDS,
    ),
    Mutation(
        "let a queue grow without end",
        "runs/crowding.py",
        "elif len(crowd.line) >= LONGEST_QUEUE:",
        "elif len(crowd.line) < 0:",
        CROWDS,
    ),
    Mutation(
        "forget the queue at a restart",
        "runs/crowding.py",
        "crowd.line[one.run] = Queued(one.places, there=True)",
        "pass",
        CROWDS,
    ),
)

OF_OTHER_PARTS = (
    Mutation(
        "write a new version over the one that there is",
        "facts/publishing.py",
        "    version = standing.versions + 1\n",
        "    version = max(standing.versions, 1)\n",
        ("tests/unit/test_publisher.py",),
    ),
    Mutation(
        "let two runs create the same thing",
        "runs/running.py",
        "return None if found is None else Made(",
        "return None if found is None or found.run else Made(",
        ("tests/unit/runs/test_linking.py",),
    ),
    Mutation(
        "count no death of a run that was alone at work",
        "deaths.py",
        "found.runs[found.alone] = found.runs.get(found.alone, 0) + 1",
        "found.runs[found.alone] = 0",
        ("tests/unit/runs/test_ordeal.py",),
    ),
    Mutation(
        "leave those who did not answer out of the share of agreement",
        "consensus.py",
        "return Agreement(max(given.values(), default=0) / asked, given.total())",
        "return Agreement(max(given.values(), default=0) / (given.total() or 1), given.total())",
        ("tests/unit/test_consensus.py",),
    ),
    Mutation(
        "let a template take as many steps as it likes",
        "expressions/limits.py",
        "        self.steps -= count\n",
        "",
        ("tests/unit/expressions/test_limits.py", "tests/unit/expressions/test_bombs.py"),
    ),
    Mutation(
        "drop how far triggers have heard",
        "triggers/hearing.py",
        "turn.change(MoveHearing(reached))",
        "pass",
        ("tests/unit/triggers/test_hearing.py",),
    ),
    Mutation(
        "go on in the log behind what was not heard",
        "triggers/hearing.py",
        "self._after, self._until, self.saved = after, max(until, self._until), after",
        "self._after = self._until = self.saved = max(until, self._until)",
        ("tests/unit/triggers/test_hearing.py",),
    ),
    # ── what an earlier release has left ─────────────────────────────────────────────────────────────────
    Mutation(
        "forget how a type of fact was called",
        "facts/mishaps.py",
        '@fact("dead_lettered")',
        '@fact("given_up")',
        ("tests/replay",),
    ),
    Mutation(
        "leave behind what a killed server had in flight",
        "runs/runs.py",
        "        self._run_errand(self._take_up())\n",
        "",
        ("tests/replay",),
    ),
    # ── what authors are given ───────────────────────────────────────────────────────────────────────────
    Mutation(
        "let no simulated process die at a commit",
        "testing/crashing.py",
        "self._death.commit == self.commits",
        "self._death.commit == -self.commits",
        ("tests/unit/testing/test_simulation.py",),
    ),
    Mutation(
        "play another history for the same seed",
        "testing/simulation.py",
        "self._dice = Random(name)",
        "self._dice = Random()",
        ("tests/unit/testing/test_simulation.py",),
    ),
    Mutation(
        "let the house break its own promises unseen",
        "testing/simulation.py",
        "                if not finding.ok:",
        "                if not finding.ok and not finding.name:",
        ("tests/unit/testing/test_simulation.py",),
    ),
)
