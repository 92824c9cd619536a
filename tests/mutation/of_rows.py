"""Ways in which the rows of workflows and runs could be broken; the store's tests must notice each."""

from __future__ import annotations

from tests.mutation.mutations import Mutation

ROWS = ("tests/properties/test_run_rows.py",)
CASES = ("tests/conformance/test_sqlite_store.py::TestInMemoryInline",)
PUBLISHER = ("tests/unit/test_publisher.py",)
LIFECYCLE = ("tests/unit/test_lifecycle.py",)
PROJECTIONS = "store/run_projections.py"
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
        "facts/publishing.py",
        "    if same is not None:\n",
        "    if same == standing.active:\n",
        PUBLISHER,
    ),
    Mutation(
        "a workflow changes hands by a file of its name",
        "facts/publishing.py",
        "if standing.versions and owner != standing.owner:",
        "if standing.versions < 0:",
        PUBLISHER,
    ),
    Mutation(
        "two that publish at once both have the last word",
        "publish/agreed.py",
        "        except ConcurrencyConflict:\n            continue\n",
        "        except ConcurrencyConflict:\n            pass\n",
        PUBLISHER,
    ),
    Mutation(
        "whoever saves last overwrites what he has not read",
        "facts/publishing.py",
        "    if revision == standing.draft:\n",
        "    if revision <= standing.draft:\n",
        LIFECYCLE,
    ),
    Mutation(
        "a file that has not changed undoes what an operator did",
        "facts/publishing.py",
        "    if same is not None and same == standing.filed:\n",
        "    if same is not None and same == standing.active:\n",
        LIFECYCLE,
    ),
    Mutation(
        "a changed file takes its workflow out of the archive",
        "facts/publishing.py",
        '    activate = standing.status != "archived"\n',
        "    activate = True\n",
        LIFECYCLE,
    ),
    Mutation(
        "a run of an archived workflow starts if it names a version",
        "publish/publisher.py",
        "        if row.archived is not None:\n",
        "        if row.archived is not None and version is None:\n",
        LIFECYCLE,
    ),
    Mutation(
        "a version runs whatever became of its text",
        "publish/publisher.py",
        "        if hashlib.sha256(row.text.encode()).hexdigest() != row.checksum:\n",
        "        if not row.text:\n",
        LIFECYCLE,
    ),
    Mutation(
        "a draft that is published stays",
        "facts/publishing.py",
        "    return published, [*facts, DraftDropped(published.name, published.version)]\n",
        "    return published, facts\n",
        LIFECYCLE,
    ),
    Mutation(
        "a draft alters what is said of the version that runs",
        QUERIES,
        "owner = excluded.owner WHERE status = 'draft';",
        "owner = excluded.owner;",
        CASES,
    ),
    Mutation(
        "a workflow with versions goes with its draft",
        QUERIES,
        "  AND NOT EXISTS (SELECT 1 FROM workflow_versions WHERE tenant = ?1 AND workflow = ?2);",
        "  AND status = 'draft';",
        CASES,
    ),
)
