-- The base: one log of three kinds of facts, and the rows that stand beside it.
--
-- Each table's first line says what it is:
--   fact     a part of the log; `position` is its place in the one order, `cause` the position that led to it
--   derived  a projection: made from facts alone, and made anew from them at any time
--   state    neither: its invariants are checked, it is not rebuilt
--
-- Times are microseconds since 1970 in UTC: exact, ordered, and without a time zone to get wrong. JSON is text.
-- No constraint is deferred: what is wrong with a turn shows at its own statement, and refuses it alone.

-- state: one row. Which log this is, and what the next fact and the next commit will be numbered. Positions are
-- counted here and never computed from the rows that exist, since rows can be deleted and positions must not
-- come back. A copy made by `callboard backup` says so, and gets an identity of its own when it is first opened.
CREATE TABLE log_head (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    log_id        TEXT    NOT NULL,
    next_position INTEGER NOT NULL CHECK (next_position >= 1),
    commits       INTEGER NOT NULL CHECK (commits >= 0),
    is_copy       INTEGER NOT NULL DEFAULT 0 CHECK (is_copy IN (0, 1))
) STRICT;

-- state: one row for each stream, as long as retention leaves it. The version is counted here and not computed
-- from the events, and whoever appends says which one it expects.
CREATE TABLE streams (
    tenant      TEXT    NOT NULL,
    stream_id   TEXT    NOT NULL,
    stream_type TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version >= 1),
    ended_at    INTEGER,
    PRIMARY KEY (tenant, stream_id)
) STRICT, WITHOUT ROWID;

-- what retention looks for, and nothing else
CREATE INDEX streams_ended ON streams (ended_at) WHERE ended_at IS NOT NULL;

-- fact: the events of all streams (runs, bots, channels, triggers, workflows)
CREATE TABLE workflow_events (
    position    INTEGER PRIMARY KEY,
    cause       INTEGER CHECK (cause < position),
    tenant      TEXT    NOT NULL,
    principal   TEXT    NOT NULL,
    stream_id   TEXT    NOT NULL,
    stream_type TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version >= 1),
    event_id    TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    revision    INTEGER NOT NULL CHECK (revision >= 1),
    data        TEXT    NOT NULL,
    metadata    TEXT    NOT NULL,
    occurred_at INTEGER NOT NULL,
    UNIQUE (tenant, stream_id, version),
    FOREIGN KEY (tenant, stream_id) REFERENCES streams (tenant, stream_id)
) STRICT;

CREATE INDEX workflow_events_cause ON workflow_events (cause) WHERE cause IS NOT NULL;

-- fact: every message, once, however many receive it
CREATE TABLE bot_messages (
    position       INTEGER PRIMARY KEY,
    cause          INTEGER CHECK (cause < position),
    tenant         TEXT    NOT NULL,
    principal      TEXT    NOT NULL,
    message_id     TEXT    NOT NULL UNIQUE,
    sender         TEXT    NOT NULL,
    recipient_kind TEXT    NOT NULL CHECK (recipient_kind IN ('bot', 'channel')),
    recipient      TEXT    NOT NULL,
    type           TEXT    NOT NULL,
    body           TEXT    NOT NULL,
    headers        TEXT    NOT NULL,
    reply_to       TEXT,
    conversation   TEXT,
    hops           INTEGER NOT NULL CHECK (hops >= 0),
    sent_at        INTEGER NOT NULL,
    asks           INTEGER NOT NULL DEFAULT 0 CHECK (asks IN (0, 1))
) STRICT;

CREATE INDEX bot_messages_inbox ON bot_messages (tenant, recipient_kind, recipient, position);
CREATE INDEX bot_messages_cause ON bot_messages (cause) WHERE cause IS NOT NULL;
CREATE INDEX bot_messages_sender ON bot_messages (tenant, sender, recipient_kind, recipient, position);
CREATE INDEX bot_messages_conversation ON bot_messages (tenant, conversation, position)
WHERE conversation IS NOT NULL;

-- fact: what operators did to the house itself
CREATE TABLE operator_actions (
    position    INTEGER PRIMARY KEY,
    cause       INTEGER CHECK (cause < position),
    tenant      TEXT    NOT NULL,
    principal   TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    data        TEXT    NOT NULL,
    occurred_at INTEGER NOT NULL
) STRICT;

CREATE INDEX operator_actions_cause ON operator_actions (cause) WHERE cause IS NOT NULL;

-- The log: all facts in their one order.
CREATE VIEW log (position, cause, kind, tenant, principal, at, subject, type, data) AS
SELECT position, cause, 'event', tenant, principal, occurred_at, stream_id, type, data FROM workflow_events
UNION ALL
SELECT position, cause, 'message', tenant, principal, sent_at,
       recipient_kind || ':' || recipient, type, body FROM bot_messages
UNION ALL
SELECT position, cause, 'action', tenant, principal, occurred_at, target, action, data FROM operator_actions;

-- state: folds of streams, so that rebuilding one reads the newest of these and the tail
CREATE TABLE workflow_snapshots (
    tenant    TEXT    NOT NULL,
    stream_id TEXT    NOT NULL,
    version   INTEGER NOT NULL CHECK (version >= 1),
    revision  INTEGER NOT NULL,
    data      TEXT    NOT NULL,
    taken_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, stream_id, version),
    FOREIGN KEY (tenant, stream_id) REFERENCES streams (tenant, stream_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- derived: the bots on the board
CREATE TABLE bots (
    tenant      TEXT    NOT NULL,
    bot         TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    declared    INTEGER NOT NULL,
    removed     INTEGER,
    PRIMARY KEY (tenant, bot)
) STRICT, WITHOUT ROWID;

-- derived: the channels there are
CREATE TABLE bot_channels (
    tenant  TEXT    NOT NULL,
    channel TEXT    NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (tenant, channel)
) STRICT, WITHOUT ROWID;

-- derived: who listens to what, as intervals of positions: since < position, and up to `until` once it is closed
CREATE TABLE bot_subscriptions (
    opened   INTEGER PRIMARY KEY,
    tenant   TEXT    NOT NULL,
    bot      TEXT    NOT NULL,
    pattern  TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    until    INTEGER CHECK (until > opened),
    own      INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1)),
    declared INTEGER NOT NULL DEFAULT 0 CHECK (declared IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX bot_subscriptions_open ON bot_subscriptions (tenant, bot, pattern) WHERE until IS NULL;
CREATE INDEX bot_subscriptions_bot ON bot_subscriptions (tenant, bot, opened);

-- state: up to where each bot's inbox is settled; `subscription` is 0 for the bot's own stream, or the position
-- that opened the subscription whose catch-up this is
CREATE TABLE bot_cursors (
    tenant       TEXT    NOT NULL,
    bot          TEXT    NOT NULL,
    subscription INTEGER NOT NULL,
    position     INTEGER NOT NULL CHECK (position >= 0),
    moved_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, bot, subscription)
) STRICT, WITHOUT ROWID;

-- state: what became of each message at each bot that had it; once each, however many subscriptions match
CREATE TABLE deliveries (
    tenant      TEXT    NOT NULL,
    message     INTEGER NOT NULL REFERENCES bot_messages (position),
    bot         TEXT    NOT NULL,
    outcome     TEXT    NOT NULL CHECK (outcome IN ('started', 'handled', 'retrying', 'dead', 'refused')),
    attempts    INTEGER NOT NULL CHECK (attempts >= 0),
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    next_try_at INTEGER,
    error       TEXT,
    deaths      INTEGER NOT NULL DEFAULT 0 CHECK (deaths >= 0),
    redriven    INTEGER NOT NULL DEFAULT 0 CHECK (redriven IN (0, 1)),
    PRIMARY KEY (message, bot, tenant)
) STRICT, WITHOUT ROWID;

-- what is still to be tried, in the order of its time: few rows
CREATE INDEX deliveries_retrying ON deliveries (tenant, bot, next_try_at) WHERE outcome = 'retrying';

-- what has begun and was not settled: few rows
CREATE INDEX deliveries_started ON deliveries (tenant, bot) WHERE outcome = 'started';

-- state: what each bot keeps from one message to the next
CREATE TABLE bot_memory (
    tenant   TEXT    NOT NULL,
    bot      TEXT    NOT NULL,
    data     TEXT    NOT NULL,
    saved_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, bot)
) STRICT, WITHOUT ROWID;

-- state: idempotency keys that were used, with the position of what came of each
CREATE TABLE idempotency_keys (
    tenant  TEXT    NOT NULL,
    scope   TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    digest  TEXT    NOT NULL,
    about   INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope, key)
) STRICT, WITHOUT ROWID;

-- what retention looks for
CREATE INDEX idempotency_keys_kept ON idempotency_keys (kept_at);

-- derived: the dead letters that are on the list, and where each was redriven
CREATE TABLE dead_letters (
    letter    INTEGER PRIMARY KEY,
    tenant    TEXT    NOT NULL,
    bot       TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    message   INTEGER,
    sender    TEXT    NOT NULL,
    recipient TEXT    NOT NULL,
    type      TEXT    NOT NULL,
    attempts  INTEGER NOT NULL CHECK (attempts >= 0),
    error     TEXT    NOT NULL,
    redriven  INTEGER CHECK (redriven > letter)
) STRICT;

CREATE INDEX dead_letters_bot ON dead_letters (tenant, bot, letter);

-- state: whoever sleeps on disk, and the answer once it is there
CREATE TABLE waits (
    wait_id  TEXT    PRIMARY KEY,
    tenant   TEXT    NOT NULL,
    owner    TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    since    INTEGER,
    due_at   INTEGER,
    answer   INTEGER,
    data     TEXT    NOT NULL,
    FOREIGN KEY (tenant, owner) REFERENCES streams (tenant, stream_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX waits_owner ON waits (tenant, owner);
CREATE INDEX waits_key ON waits (tenant, kind, key) WHERE answer IS NULL;
CREATE INDEX waits_answer ON waits (answer) WHERE answer IS NOT NULL;
CREATE INDEX waits_since ON waits (tenant, since) WHERE answer IS NULL;

-- state: what is due at a time; the turn that acts on it deletes it
CREATE TABLE timers (
    timer_id TEXT    PRIMARY KEY,
    tenant   TEXT    NOT NULL,
    due_at   INTEGER NOT NULL,
    target   TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    data     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX timers_target ON timers (tenant, target);

-- derived: the workflows that there are. `version` is what a run gets which names none, or got until the workflow
-- was archived; `archived` is the event that says so, `draft` the one that holds the text of its draft, and `filed` the
-- version that its file in the folder was when it last changed
CREATE TABLE workflows (
    tenant      TEXT    NOT NULL,
    workflow    TEXT    NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    version     INTEGER NOT NULL CHECK ((version >= 1) = (status <> 'draft')),
    description TEXT    NOT NULL,
    owner       TEXT    NOT NULL,
    archived    INTEGER CHECK ((archived IS NOT NULL) = (status = 'archived')),
    draft       INTEGER,
    filed       INTEGER NOT NULL CHECK (filed >= 0),
    PRIMARY KEY (tenant, workflow)
) STRICT, WITHOUT ROWID;

-- derived: every version; `published` is the event that holds its text
CREATE TABLE workflow_versions (
    tenant    TEXT    NOT NULL,
    workflow  TEXT    NOT NULL,
    version   INTEGER NOT NULL CHECK (version >= 1),
    checksum  TEXT    NOT NULL,
    published INTEGER NOT NULL,
    PRIMARY KEY (tenant, workflow, version),
    UNIQUE (tenant, workflow, checksum),
    FOREIGN KEY (tenant, workflow) REFERENCES workflows (tenant, workflow)
) STRICT, WITHOUT ROWID;

-- derived: every run; `started` is its first event, and `changed` the one that brought it into its status
CREATE TABLE workflow_runs (
    started    INTEGER PRIMARY KEY REFERENCES workflow_events (position),
    tenant     TEXT    NOT NULL,
    run_id     TEXT    NOT NULL,
    workflow   TEXT    NOT NULL,
    version    INTEGER NOT NULL CHECK (version >= 1),
    status     TEXT    NOT NULL CHECK (status IN ('pending', 'running', 'paused', 'completed', 'failed',
                                                  'crashed', 'cancelled')),
    paused_by  TEXT    NOT NULL CHECK ((paused_by <> '') = (status = 'paused')),
    principal  TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER CHECK ((ended_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled'))),
    changed    INTEGER NOT NULL CHECK (changed >= started), forked_from TEXT, path TEXT NOT NULL DEFAULT '', item INTEGER,
    crowd TEXT, places INTEGER, queued INTEGER NOT NULL DEFAULT 0 CHECK (queued IN (0, 1)),
    UNIQUE (tenant, run_id)
) STRICT;

CREATE INDEX workflow_runs_workflow ON workflow_runs (tenant, workflow, started);
CREATE INDEX workflow_runs_status ON workflow_runs (tenant, status, started);

-- what start-up reads: few rows
CREATE INDEX workflow_runs_unended ON workflow_runs (started) WHERE ended_at IS NULL;

-- who is counted under a concurrency key: few rows
CREATE INDEX workflow_runs_crowds ON workflow_runs (tenant, workflow, crowd, started)
WHERE crowd IS NOT NULL AND ended_at IS NULL;

-- derived: runs that were started by a step of another one
CREATE TABLE workflow_children (
    tenant  TEXT    NOT NULL,
    child   TEXT    NOT NULL,
    parent  TEXT    NOT NULL,
    step    TEXT    NOT NULL,
    started INTEGER NOT NULL,
    PRIMARY KEY (tenant, child)
) STRICT, WITHOUT ROWID;

CREATE INDEX workflow_children_parent ON workflow_children (tenant, parent);

-- derived: one row for each attempt of a step. `began` is the event with which it began, `input` the one that
-- holds its input, and `last` the newest one about it: of an attempt that has ended, its output or error. Rows
-- lie in the order of the log, so that a commit touches few pages however many runs go on; those of one run are
-- found by its events, and those that may still change, since their step has not ended, by an index of their own.
CREATE TABLE workflow_steps (
    began     INTEGER PRIMARY KEY REFERENCES workflow_events (position),
    tenant    TEXT    NOT NULL,
    run_id    TEXT    NOT NULL,
    step      TEXT    NOT NULL,
    iteration INTEGER NOT NULL CHECK (iteration >= 1),
    attempt   INTEGER NOT NULL CHECK (attempt >= 0),
    status    TEXT    NOT NULL CHECK (status IN ('running', 'waiting', 'waiting_approval', 'completed', 'failed',
                                                 'cancelled', 'interrupted')),
    open      INTEGER NOT NULL CHECK (open IN (0, 1)),
    input     INTEGER NOT NULL,
    last      INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX workflow_steps_open ON workflow_steps (tenant, run_id, step, iteration, attempt) WHERE open = 1;

-- what was under way when a process ended: few rows
CREATE INDEX workflow_steps_running ON workflow_steps (tenant, run_id) WHERE status = 'running';

-- derived: the steps that are ready and have not begun, since there was no room for them yet: few rows
CREATE TABLE workflow_queue (
    tenant TEXT    NOT NULL,
    run_id TEXT    NOT NULL,
    step   TEXT    NOT NULL,
    queued INTEGER NOT NULL,
    PRIMARY KEY (tenant, run_id, step),
    FOREIGN KEY (tenant, run_id) REFERENCES workflow_runs (tenant, run_id)
) STRICT, WITHOUT ROWID;

-- state: what was looked at to find out where a run goes, and what it came to; in the order of the log
CREATE TABLE decisions (
    position   INTEGER NOT NULL REFERENCES workflow_events (position),
    number     INTEGER NOT NULL CHECK (number >= 0),
    tenant     TEXT    NOT NULL,
    run_id     TEXT    NOT NULL,
    about      TEXT    NOT NULL CHECK (about IN ('edge', 'again')),
    source     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    expression TEXT    NOT NULL,
    result     INTEGER NOT NULL CHECK (result IN (0, 1)),
    reason     TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (position, number)
) STRICT, WITHOUT ROWID;

-- derived: the triggers; `live` while the active version of the workflow has it, `fired` is the newest fact that says
-- so. What happened up to `since` does not fire it.
CREATE TABLE triggers (
    tenant     TEXT    NOT NULL,
    trigger_id TEXT    NOT NULL,
    workflow   TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('schedule', 'webhook', 'message', 'run')),
    about      TEXT    NOT NULL,
    live       INTEGER NOT NULL CHECK (live IN (0, 1)),
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    since      INTEGER NOT NULL,
    fired      INTEGER,
    PRIMARY KEY (tenant, trigger_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX triggers_workflow ON triggers (tenant, workflow);

-- state: up to where the log was heard by triggers that messages and ends of runs fire
CREATE TABLE trigger_hearing (
    tenant   TEXT    PRIMARY KEY,
    position INTEGER NOT NULL CHECK (position >= 0)
) STRICT, WITHOUT ROWID;

-- derived: the templates that there are. `version` is what is rendered where none is named, and `filed` the version
-- that its file in the folder was when it last changed
CREATE TABLE templates (
    tenant      TEXT    NOT NULL,
    template    TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('document', 'workflow')),
    version     INTEGER NOT NULL CHECK (version >= 1),
    description TEXT    NOT NULL,
    filed       INTEGER NOT NULL CHECK (filed >= 0),
    PRIMARY KEY (tenant, template)
) STRICT, WITHOUT ROWID;

-- derived: every version; `published` is the event that holds its text
CREATE TABLE template_versions (
    tenant    TEXT    NOT NULL,
    template  TEXT    NOT NULL,
    version   INTEGER NOT NULL CHECK (version >= 1),
    checksum  TEXT    NOT NULL,
    published INTEGER NOT NULL,
    PRIMARY KEY (tenant, template, version),
    UNIQUE (tenant, template, checksum),
    FOREIGN KEY (tenant, template) REFERENCES templates (tenant, template)
) STRICT, WITHOUT ROWID;

-- state: what runs made that lives elsewhere, or laid hands on; `left_at` is set once the run was
-- taken away: when that was, or 0 where nobody has looked at a clock since
CREATE TABLE resource_links (
    tenant    TEXT    NOT NULL,
    system    TEXT    NOT NULL,
    type      TEXT    NOT NULL,
    resource  TEXT    NOT NULL,
    run_id    TEXT    NOT NULL,
    how       TEXT    NOT NULL CHECK (how IN ('created', 'touched')),
    workflow  TEXT    NOT NULL,
    step      TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    number    INTEGER NOT NULL CHECK (number >= 0),
    linked_at INTEGER NOT NULL,
    left_at   INTEGER,
    PRIMARY KEY (tenant, system, type, resource, run_id, how)
) STRICT, WITHOUT ROWID;

-- of all runs one may say that it created a thing
CREATE UNIQUE INDEX resource_links_created ON resource_links (tenant, system, type, resource) WHERE how = 'created';
CREATE INDEX resource_links_run ON resource_links (tenant, run_id, position, number);

-- what retention looks for
CREATE INDEX resource_links_left ON resource_links (left_at) WHERE left_at IS NOT NULL;
