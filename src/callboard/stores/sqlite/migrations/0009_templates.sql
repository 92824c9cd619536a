-- Templates: documents that are rendered, and workflows that are instantiated.

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
