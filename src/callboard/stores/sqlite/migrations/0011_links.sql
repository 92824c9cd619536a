-- Links to what lives elsewhere.

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
