-- Workflows and their runs: versions, the run list, the attempts of steps, and what was decided on the way.
--
-- Inputs, outputs, errors and texts of definitions are stored once, in the events; rows hold their positions.

-- derived: the workflows that were published, and the version that a run gets which names none
CREATE TABLE workflows (
    tenant      TEXT    NOT NULL,
    workflow    TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version >= 1),
    description TEXT    NOT NULL,
    owner       TEXT    NOT NULL,
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
    changed    INTEGER NOT NULL CHECK (changed >= started),
    UNIQUE (tenant, run_id)
) STRICT;

CREATE INDEX workflow_runs_workflow ON workflow_runs (tenant, workflow, started);
CREATE INDEX workflow_runs_status ON workflow_runs (tenant, status, started);

-- what start-up reads: few rows
CREATE INDEX workflow_runs_unended ON workflow_runs (started) WHERE ended_at IS NULL;

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
