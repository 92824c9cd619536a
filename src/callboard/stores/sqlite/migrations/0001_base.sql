-- The base. What each table and index is for is said in ../schema.sql, which shows the schema as it stands.

CREATE TABLE log_head (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    log_id        TEXT    NOT NULL,
    next_position INTEGER NOT NULL CHECK (next_position >= 1),
    commits       INTEGER NOT NULL CHECK (commits >= 0),
    is_copy       INTEGER NOT NULL DEFAULT 0 CHECK (is_copy IN (0, 1))
) STRICT;

CREATE TABLE streams (
    tenant      TEXT    NOT NULL,
    stream_id   TEXT    NOT NULL,
    stream_type TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version >= 1),
    ended_at    INTEGER,
    PRIMARY KEY (tenant, stream_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX streams_ended ON streams (ended_at) WHERE ended_at IS NOT NULL;

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
    sent_at        INTEGER NOT NULL
) STRICT;

CREATE INDEX bot_messages_inbox ON bot_messages (tenant, recipient_kind, recipient, position);
CREATE INDEX bot_messages_cause ON bot_messages (cause) WHERE cause IS NOT NULL;

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

CREATE VIEW log (position, cause, kind, tenant, principal, at, subject, type, data) AS
SELECT position, cause, 'event', tenant, principal, occurred_at, stream_id, type, data FROM workflow_events
UNION ALL
SELECT position, cause, 'message', tenant, principal, sent_at,
       recipient_kind || ':' || recipient, type, body FROM bot_messages
UNION ALL
SELECT position, cause, 'action', tenant, principal, occurred_at, target, action, data FROM operator_actions;

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

CREATE TABLE bots (
    tenant      TEXT    NOT NULL,
    bot         TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    declared    INTEGER NOT NULL,
    removed     INTEGER,
    PRIMARY KEY (tenant, bot)
) STRICT, WITHOUT ROWID;

CREATE TABLE bot_channels (
    tenant  TEXT    NOT NULL,
    channel TEXT    NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (tenant, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE bot_subscriptions (
    opened  INTEGER PRIMARY KEY,
    tenant  TEXT    NOT NULL,
    bot     TEXT    NOT NULL,
    pattern TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER CHECK (until > opened)
) STRICT;

CREATE UNIQUE INDEX bot_subscriptions_open ON bot_subscriptions (tenant, bot, pattern) WHERE until IS NULL;

CREATE TABLE bot_cursors (
    tenant       TEXT    NOT NULL,
    bot          TEXT    NOT NULL,
    subscription INTEGER NOT NULL,
    position     INTEGER NOT NULL CHECK (position >= 0),
    moved_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, bot, subscription)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    tenant      TEXT    NOT NULL,
    message     INTEGER NOT NULL REFERENCES bot_messages (position),
    bot         TEXT    NOT NULL,
    outcome     TEXT    NOT NULL CHECK (outcome IN ('handled', 'retrying', 'dead', 'refused')),
    attempts    INTEGER NOT NULL CHECK (attempts >= 0),
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    next_try_at INTEGER,
    error       TEXT,
    PRIMARY KEY (message, bot, tenant)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_open ON deliveries (tenant, bot, message) WHERE outcome = 'retrying';

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

CREATE TABLE timers (
    timer_id TEXT    PRIMARY KEY,
    tenant   TEXT    NOT NULL,
    due_at   INTEGER NOT NULL,
    target   TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    data     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX timers_target ON timers (tenant, target);
