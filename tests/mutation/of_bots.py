"""Ways in which the machinery of bots could be broken, each with the tests that must notice."""

from __future__ import annotations

from tests.mutation.mutations import CONFORMANCE, Mutation

COMPANY = "tests/unit/company"
AHEAD = f"{COMPANY}/test_ahead.py"
ANSWERS = f"{COMPANY}/test_answers.py"
ASKS = f"{COMPANY}/test_asks.py"
BOTS = f"{COMPANY}/test_bot.py"
CATCH_UPS = f"{COMPANY}/test_catch_ups.py"
CIRCLES = f"{COMPANY}/test_ask_circles.py"
CLEARING = f"{COMPANY}/test_clearing.py"
GUARD = f"{COMPANY}/test_guard.py"
HOPS = f"{COMPANY}/test_hops.py"
HOLDING = f"{COMPANY}/test_holding.py"
OUTSIDE = f"{COMPANY}/test_outside.py"
PACE = f"{COMPANY}/test_pace.py"
REDRIVING = f"{COMPANY}/test_redriving.py"
ROSTER = f"{COMPANY}/test_roster.py"
SUBSCRIBING = f"{COMPANY}/test_subscribing.py"
WEBHOOK = f"{COMPANY}/test_webhook.py"
WHOLE = f"{COMPANY}/test_turns_whole.py"
HISTORIES = "tests/simulation/test_bots.py"
ANSWERS_IN_A_STORE = (CONFORMANCE, "-k", "answer")

OF_BOTS = (
    Mutation(
        "forget what was committed ahead of a question",
        "company/attempts.py",
        "                await self._ahead.gone()\n",
        "",
        (AHEAD,),
    ),
    # ── messages, and whole histories of them ────────────────────────────────────────────────────────────
    Mutation(
        "drop a cursor move",
        "company/sitting.py",
        "            self.turn.change(MoveCursor(self._bot, position, catch_up))",
        "            position + (catch_up or 0)",
        (BOTS,),
    ),
    Mutation(
        "let more messages follow one from another than may",
        "company/sitting.py",
        "        if hops > allowed:",
        "        if hops > allowed * 3:",  # with none at all the tests would never end
        (HOPS,),
    ),
    Mutation(
        "drop the timer of a delayed message",
        "company/calendar.py",
        "                if timer.kind in {DELAYED, SCHEDULE}:",
        "                if timer.kind == SCHEDULE:",
        (BOTS,),
    ),
    Mutation(
        "keep what a handler did to the memory before it raised",
        "company/attempts.py",
        "            self._recall()\n            return await self._failed",
        "            self._memory = encode(self._bot.memory) if self._shape.memory else self._memory\n            return await self._failed",
        (BOTS,),
    ),
    Mutation(
        "ask again what was asked already",
        "company/asking.py",
        "        asking = self._asks.get((delivery, ordinal))",
        "        asking = None if ordinal >= 0 else self._asks.get((delivery, ordinal))",
        (BOTS,),
    ),
    Mutation(
        "let a ring of asks wait for ever",
        "company/board.py",
        "            if name == asker:",
        "            if name is None:",
        (CIRCLES,),
    ),
    Mutation(
        "forget that the mailbox was full",
        "company/bot.py",
        "            if not always and self._line.last <= self._place:",
        "            if not always:",
        (BOTS,),
    ),
    Mutation(
        "let any bot answer an ask",
        "stores/sqlite/queries.sql",
        "->> '$.asked' = ?3;",
        "->> '$.asked' <> '';",
        ANSWERS_IN_A_STORE,
    ),
    Mutation(
        "give messages again that are settled",
        "stores/sqlite/queries.sql",
        "AND d.outcome <> 'started'\n",
        "AND d.outcome <> 'started' AND d.outcome <> 'handled'\n",
        (HISTORIES,),
    ),
    Mutation(
        "take hints that lie behind",
        "company/bot.py",
        "hint.before <= self._place < hint.message.position",
        "hint.before <= self._place",
        (HISTORIES,),
    ),
    Mutation(
        "forget delayed messages at a restart",
        "company/calendar.py",
        "if timer.kind in {DELAYED, SCHEDULE}:",
        "if timer.kind == SCHEDULE:",
        (HISTORIES,),
    ),
    Mutation(
        "send a delayed message without its cause",
        "company/calendar.py",
        "written(said, kept.sender, kept.hops, kept.cause)",
        "written(said, kept.sender, kept.hops, None)",
        (HISTORIES,),
    ),
    Mutation(
        "leave waits open",
        "company/sitting.py",
        "        for wait in waits:\n            self.turn.change(CloseWait(wait))",
        "        del waits",
        (HISTORIES,),
    ),
    Mutation(
        "go on listening after the end of an interval",
        "stores/sqlite/inboxes.py",
        "until or NO_END",
        "NO_END",
        (HISTORIES,),
    ),
    Mutation(
        "begin a catch-up before its interval",
        "stores/sqlite/inboxes.py",
        "max(after, since), opened, own",
        "min(after, since) - 1, opened, own",
        (HISTORIES,),
    ),
    Mutation(
        "keep the memory of a commit that failed",
        "company/attempts.py",
        "        self._memory = self._saved\n        self._recall()\n",
        "        self._memory = self._saved\n",
        (HISTORIES,),
    ),
    Mutation(
        "let messages pass by one that holds the stream",
        "company/attempts.py",
        'holds=self._terms.on_error == "block" and not given.beside',
        "holds=False",
        (HISTORIES,),
    ),
    Mutation(
        "use an idempotency key and not keep it",
        "company/bus.py",
        "            turn.change(KeepKey(scope, key, digest, ref))",
        "            pass",
        (HISTORIES,),
    ),
    Mutation(
        "say that a dead letter is redriven, and write nothing",
        "company/letters.py",
        "    await services.journal.commit(turn)\n    line = ",
        "    line = ",
        (HISTORIES,),
    ),
    # ── what kills the process ──────────────────────────────────────────────────────────────────────────
    Mutation(
        "write no attempt down before it begins",
        "company/guard.py",
        "        return self.wary or given.deaths > 0",
        "        return self.wary and given.deaths > 0",
        (GUARD,),
    ),
    Mutation(
        "count no deaths",
        "company/guard.py",
        "        return 1 if self._alert.unclean and one.next_try_at is None and not ours else 0",
        "        return 1 if ours else 0",
        (GUARD,),
    ),
    Mutation(
        "count the end of a bot as the end of the process",
        "company/guard.py",
        "one.next_try_at is None and not ours else 0",
        "one.next_try_at is None else 0",
        (GUARD,),
    ),
    Mutation(
        "let suspects run beside each other",
        "company/guard.py",
        "        if given.deaths > 0:\n            await self._alert.alone.acquire()",
        "        if given.deaths > DEATHS:\n            await self._alert.alone.acquire()",
        (GUARD,),
    ),
    # ── what is cleared, and what is held up ────────────────────────────────────────────────────────────
    Mutation(
        "remove a bot and bury nothing",
        "company/bus.py",
        "        return await clearing.bury_rest(self._services, line)",
        "        return 0",
        (CLEARING,),
    ),
    Mutation(
        "expire what is young",
        "company/clearing.py",
        "        return self.before is None or message.at < self.before",
        "        return True",
        (CLEARING,),
    ),
    Mutation(
        "ignore how much a pair may say",
        "company/pace.py",
        "        if not enough:",
        "        if not enough and not self._most:",
        (PACE,),
    ),
    # ── turns that do not fit ───────────────────────────────────────────────────────────────────────────
    Mutation(
        "leave in a turn what did not fit",
        "store/turn.py",
        "        del self.entries[length:]",
        "        del self.entries[max(length, len(self.entries)) :]",
        (WHOLE,),
    ),
    Mutation(
        "count what was cut out of a turn",
        "store/turn.py",
        "        length, self.facts, self.bytes = mark",
        "        length, _, _ = mark",
        (WHOLE,),
    ),
    Mutation(
        "blame nobody for a commit that was refused",
        "company/bot.py",
        "            self._attempts.one_by_one = refused.count",
        "            self._attempts.one_by_one = 0",
        (WHOLE,),
    ),
    Mutation(
        "keep an error as it is",
        "company/sitting.py",
        '    return text.encode(errors="backslashreplace").decode()',
        "    return text",
        (WHOLE,),
    ),
    # ── asks ────────────────────────────────────────────────────────────────────────────────────────────
    Mutation(
        "forget at a start that a question was asked twice",
        "company/asking.py",
        "                _set_aside(found, what.delivery, what.ordinal)\n",
        "                pass\n",
        (ASKS,),
    ),
    Mutation(
        "let a ring of asks close through a plain message",
        "company/asking.py",
        "        if any(entry.position in open_questions for entry in causes):",
        "        if not causes and open_questions:",
        (CIRCLES,),
    ),
    Mutation(
        "take an answer that comes too late, on disk",
        "stores/sqlite/queries.sql",
        "(due_at IS NULL OR due_at >= ?5)",
        "?5 = ?5",
        ANSWERS_IN_A_STORE,
    ),
    Mutation(
        "refuse an answer at the instant when it is due",
        "stores/sqlite/queries.sql",
        "(due_at IS NULL OR due_at >= ?5)",
        "(due_at IS NULL OR due_at > ?5)",
        ANSWERS_IN_A_STORE,
    ),
    Mutation(
        "take an answer that comes too late, in memory",
        "company/board.py",
        "        in_time = self.due is None or at <= self.due",
        "        in_time = True",
        (ANSWERS,),
    ),
    Mutation(
        "take a reply to anybody for the answer",
        "company/board.py",
        "        if to != To.bot(asker):\n            return\n",
        "",
        (ANSWERS,),
    ),
    Mutation(
        "forget a question while it is written",
        "company/asking.py",
        "        return await asyncio.shield(task)\n\n    def _put_done",
        "        return await task\n\n    def _put_done",
        (ASKS,),
    ),
    Mutation(
        "leave the asks of a handler that is over",
        "company/asking.py",
        "        for answer in self._open:\n            answer.cancel()\n",
        "",
        (ASKS,),
    ),
    Mutation(
        "wait for an answer that cannot come",
        "company/asking.py",
        "        if hops + 1 > hops_allowed(question.headers):",
        "        if hops > hops_allowed(question.headers):",
        (ASKS,),
    ),
    # ── catch-ups, subscriptions and retries ────────────────────────────────────────────────────────────
    Mutation(
        "tell of a catch-up only whose mailbox has room",
        "company/board.py",
        "            self.behind = True\n        if self.ref",
        "            self.behind = self.ref is None or self.ref.actor_inbox.put(Envelope(Look()))\n        if self.ref",
        (CATCH_UPS,),
    ),
    Mutation(
        "begin to count attempts anew in a catch-up",
        "company/bot.py",
        "msgspec.structs.replace(next_attempt(message, before, beside=False), catch_up=catch_up)",
        "Delivered(message, catch_up=catch_up)",
        (CATCH_UPS,),
    ),
    Mutation(
        "try early what holds the stream",
        "company/bot.py",
        "            if before.next_try_at is not None and before.next_try_at > self._services.clock.now():",
        "            if before.next_try_at is None:",
        (HOLDING,),
    ),
    Mutation(
        "let the first word about a subscription hold",
        "company/sitting.py",
        "            self._listens[want.pattern] = False",
        "            self._listens.pop(want.pattern, None)",
        (SUBSCRIBING,),
    ),
    Mutation(
        "let a subscription begin past the log",
        "company/board.py",
        "not 0 <= since <= self.head:",
        "since < 0:",
        (SUBSCRIBING,),
    ),
    Mutation(
        "redrive a letter as often as it is said at once",
        "company/letters.py",
        "    redriving.add(letter)",
        "    redriving.discard(letter)",
        (REDRIVING,),
    ),
    # ── bots outside, reloads and webhooks ──────────────────────────────────────────────────────────────
    Mutation(
        "settle what was not served",
        "company/serving.py",
        "            if position <= self._mark_of(part) or (again and not failed):",
        "            if position > 0 or (again and not failed):",
        (OUTSIDE,),
    ),
    Mutation(
        "drop what waits for a bot when its code is replaced",
        "company/bot.py",
        "        self._place = self._attempts.settled\n        self._line.behind = True",
        "        self._place = self._line.last\n        self._line.behind = True",
        (ROSTER,),
    ),
    Mutation(
        "post without a key",
        "company/webhook.py",
        '            "Idempotency-Key": str(message.id),',
        '            "Idempotency-Key": "",',
        (WEBHOOK,),
    ),
    Mutation(
        "post under another key at each attempt",
        "company/webhook.py",
        '            "Idempotency-Key": str(message.id),',
        '            "Idempotency-Key": str(turn.now),',
        (WEBHOOK,),
    ),
)
