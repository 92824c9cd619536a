-- Concurrency keys: under which a run is counted as long as it has not ended, and whether it waits for its turn.

ALTER TABLE workflow_runs ADD COLUMN crowd TEXT;
ALTER TABLE workflow_runs ADD COLUMN places INTEGER;
ALTER TABLE workflow_runs ADD COLUMN queued INTEGER NOT NULL DEFAULT 0 CHECK (queued IN (0, 1));

CREATE INDEX workflow_runs_crowds ON workflow_runs (tenant, workflow, crowd, started)
WHERE crowd IS NOT NULL AND ended_at IS NULL;
