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
