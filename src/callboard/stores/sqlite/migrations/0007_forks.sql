-- Runs that were forked from other runs.

ALTER TABLE workflow_runs ADD COLUMN forked_from TEXT;
