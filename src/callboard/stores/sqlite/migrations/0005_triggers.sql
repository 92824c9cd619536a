-- Triggers: what starts runs by itself, one row for each entry of `on` that there is or was.

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
