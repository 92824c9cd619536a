"""Ways in which the rows of workflows and runs could be broken; the store's tests must notice each."""

from __future__ import annotations

from tests.mutation.mutations import Mutation

ROWS = ("tests/properties/test_run_rows.py",)
CASES = ("tests/conformance/test_sqlite_store.py::TestInMemoryInline",)
PUBLISHER = ("tests/unit/test_publisher.py",)
PROJECTIONS = "run_projections.py"
QUERIES = "stores/sqlite/queries.sql"

OF_ROWS = (
    Mutation(
        "a step that was cancelled stays ready",
        PROJECTIONS,
        "return [CloseSteps(run, steps, at), *_unqueued(run, steps), *_opened(run, opened, at)]",
        "return [CloseSteps(run, steps, at), *_opened(run, opened, at)]",
        ROWS,
    ),
    Mutation(
        "what is to be tried again after a crash is not ready",
        PROJECTIONS,
        'if one.then == "retry":',
        'if one.then == "never":',
        ROWS,
    ),
    Mutation(
        "a step that is done leaves its earlier attempts open",
        PROJECTIONS,
        "if change.attempt > 1:",
        "if change.attempt > 99:",
        ROWS,
    ),
    Mutation(
        "a run whose first step begins in another turn stays pending",
        PROJECTIONS,
        "        LeavePending(run, at),\n        UnqueueStep(run, fact.step),\n        BeginAttempt",
        "        UnqueueStep(run, fact.step),\n        BeginAttempt",
        ROWS,
    ),
    Mutation(
        "an interrupted attempt is told as failed",
        QUERIES,
        "DO UPDATE SET status = 'failed', last = excluded.last WHERE status <> 'interrupted';",
        "DO UPDATE SET status = 'failed', last = excluded.last;",
        ROWS,
    ),
    Mutation(
        "start-up does not see an answer that is there",
        QUERIES,
        "WHERE answer IS NOT NULL AND owner GLOB 'run:*') AS found",
        "WHERE answer IS NULL AND owner GLOB 'run:*') AS found",
        CASES,
    ),
    Mutation(
        "a page of decisions ends within an event",
        QUERIES,
        "FROM decisions WHERE position IN (SELECT position FROM found)",
        "FROM decisions WHERE (position, number) IN (SELECT position, number FROM found)",
        CASES,
    ),
    Mutation(
        "the key of a run that goes on is taken",
        QUERIES,
        "WHERE r.started = k.about AND (r.ended_at IS NULL OR r.ended_at >= ?1))",
        "WHERE r.started = k.about AND r.ended_at >= ?1)",
        CASES,
    ),
    Mutation(
        "a further attempt is told with another input",
        QUERIES,
        "AND attempt < ?5\n                  ORDER BY attempt DESC LIMIT 1), ?8), ?9);",
        "AND attempt > ?5\n                  ORDER BY attempt DESC LIMIT 1), ?8), ?9);",
        CASES,
    ),
    Mutation(
        "content that was there before is another version",
        "publishing.py",
        "    if standing.same is not None:\n",
        "    if standing.same == standing.active:\n",
        PUBLISHER,
    ),
    Mutation(
        "a workflow changes hands by a file of its name",
        "publishing.py",
        "if standing.versions and owner != standing.owner:",
        "if standing.versions < 0:",
        PUBLISHER,
    ),
    Mutation(
        "two that publish at once both have the last word",
        "publisher.py",
        "            except ConcurrencyConflict:\n                continue\n",
        "            except ConcurrencyConflict:\n                return published\n",
        PUBLISHER,
    ),
)
