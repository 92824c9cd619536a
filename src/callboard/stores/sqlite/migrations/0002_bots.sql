-- Bots at work: asks and their answers, memory, idempotency keys, dead letters, and what auditing looks for.

ALTER TABLE bot_messages ADD COLUMN asks INTEGER NOT NULL DEFAULT 0 CHECK (asks IN (0, 1));

CREATE INDEX bot_messages_sender ON bot_messages (tenant, sender, recipient_kind, recipient, position);
CREATE INDEX bot_messages_conversation ON bot_messages (tenant, conversation, position)
WHERE conversation IS NOT NULL;

CREATE INDEX operator_actions_cause ON operator_actions (cause) WHERE cause IS NOT NULL;

ALTER TABLE bot_subscriptions ADD COLUMN own INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1));
ALTER TABLE bot_subscriptions ADD COLUMN declared INTEGER NOT NULL DEFAULT 0 CHECK (declared IN (0, 1));

CREATE INDEX bot_subscriptions_bot ON bot_subscriptions (tenant, bot, opened);

-- A constraint cannot be altered, so the deliveries move into a new table; nothing refers to them.
DROP INDEX deliveries_open;
ALTER TABLE deliveries RENAME TO deliveries_before;

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

INSERT INTO deliveries (tenant, message, bot, outcome, attempts, first_at, last_at, next_try_at, error)
SELECT tenant, message, bot, outcome, attempts, first_at, last_at, next_try_at, error FROM deliveries_before;

DROP TABLE deliveries_before;

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
