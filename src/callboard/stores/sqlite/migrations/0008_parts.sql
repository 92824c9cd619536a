-- Runs of items and rounds: parts of another run, which lists of runs leave out.

ALTER TABLE workflow_runs ADD COLUMN path TEXT NOT NULL DEFAULT '';
ALTER TABLE workflow_runs ADD COLUMN item INTEGER;
