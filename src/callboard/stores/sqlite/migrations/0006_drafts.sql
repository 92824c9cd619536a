-- Workflows that are drafts or archived, drafts beside versions, and what the files of the folder were.
--
-- SQLite alters no constraint, so the table is made anew, and with it the one that refers to it.

CREATE TEMP TABLE kept_workflows AS SELECT * FROM workflows;
CREATE TEMP TABLE kept_versions AS SELECT * FROM workflow_versions;
DROP TABLE workflow_versions;
DROP TABLE workflows;

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

INSERT INTO workflows (tenant, workflow, status, version, description, owner, filed)
SELECT tenant, workflow, 'active', version, description, owner, 0 FROM kept_workflows;
INSERT INTO workflow_versions SELECT * FROM kept_versions;
DROP TABLE kept_versions;
DROP TABLE kept_workflows;
