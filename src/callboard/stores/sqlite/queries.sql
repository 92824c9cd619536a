-- Every statement that the adapter says, by name. A name's comment tells what must be known beyond the SQL.

-- ── the head ────────────────────────────────────────────────────────────────────────────────────────────

-- name: read_head
SELECT log_id, next_position, commits FROM log_head WHERE one = 1;

-- name: advance_head
-- Last in each transaction: the numbers are given out by it or not at all.
UPDATE log_head SET next_position = ?, commits = ? WHERE one = 1;

-- name: make_head
INSERT INTO log_head (one, log_id, next_position, commits) VALUES (1, ?, 1, 0);

-- name: is_copy
SELECT is_copy FROM log_head WHERE one = 1;

-- name: mark_copy
UPDATE log_head SET is_copy = 1 WHERE one = 1;

-- name: new_identity
UPDATE log_head SET log_id = ?, is_copy = 0 WHERE one = 1;

-- ── facts ───────────────────────────────────────────────────────────────────────────────────────────────

-- name: open_stream
-- No row is made if the stream is there already: that is the conflict.
INSERT INTO streams (tenant, stream_id, stream_type, version, ended_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: advance_stream
-- No row is changed if the stream is not at the expected version: that is the conflict.
UPDATE streams SET version = ?3 WHERE tenant = ?1 AND stream_id = ?2 AND version = ?4;

-- name: advance_streams
-- The same, for as many streams as there are rows (gathering.py).
UPDATE streams SET version = v.column3 FROM (VALUES (?, ?, ?, ?)) AS v
WHERE tenant = v.column1 AND stream_id = v.column2 AND version = v.column4;

-- name: end_stream
UPDATE streams SET ended_at = ?3 WHERE tenant = ?1 AND stream_id = ?2;

-- name: end_streams
UPDATE streams SET ended_at = v.column3 FROM (VALUES (?, ?, ?)) AS v
WHERE tenant = v.column1 AND stream_id = v.column2;

-- name: stream_version
SELECT version FROM streams WHERE tenant = ? AND stream_id = ?;

-- name: insert_event
INSERT INTO workflow_events (position, cause, tenant, principal, stream_id, stream_type, version, event_id,
                             type, revision, data, metadata, occurred_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_message
INSERT INTO bot_messages (position, cause, tenant, principal, message_id, sender, recipient_kind, recipient,
                          type, body, headers, reply_to, conversation, hops, sent_at, asks)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_action
INSERT INTO operator_actions (position, cause, tenant, principal, action, target, data, occurred_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- ── state ───────────────────────────────────────────────────────────────────────────────────────────────

-- name: move_cursor
-- max(): a cursor never goes back, whatever order its moves arrive in.
INSERT INTO bot_cursors (tenant, bot, subscription, position, moved_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, bot, subscription)
DO UPDATE SET position = max(position, excluded.position), moved_at = excluded.moved_at;

-- name: record_delivery
-- The first attempt's time stays; all else is what was said last.
INSERT INTO deliveries (tenant, message, bot, outcome, attempts, first_at, last_at, next_try_at, error, deaths,
                        redriven)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (message, bot, tenant)
DO UPDATE SET outcome = excluded.outcome, attempts = excluded.attempts, last_at = excluded.last_at,
              next_try_at = excluded.next_try_at, error = excluded.error, deaths = excluded.deaths,
              redriven = excluded.redriven;

-- name: save_memory
INSERT INTO bot_memory (tenant, bot, data, saved_at) VALUES (?, ?, ?, ?)
ON CONFLICT (tenant, bot) DO UPDATE SET data = excluded.data, saved_at = excluded.saved_at;

-- name: keep_key
-- The same key once more breaks the table's constraint, and so refuses its turn.
INSERT INTO idempotency_keys (tenant, scope, key, digest, about, kept_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: keep_link
-- The same of the same run again says nothing new. That two runs created one thing breaks the table's constraint, and so
-- refuses the turn of the second.
INSERT INTO resource_links (tenant, system, type, resource, run_id, how, workflow, step, position, number, linked_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
WHERE NOT EXISTS (SELECT 1 FROM resource_links
                  WHERE tenant = ?1 AND system = ?2 AND type = ?3 AND resource = ?4 AND run_id = ?5 AND how = ?6);

-- name: answer_ask
-- The first answer in time wins, and only from whom was asked. Text that is no JSON names nobody: an error in reading it
-- would be every turn's, not that of its own turn.
UPDATE waits SET answer = ?4
WHERE tenant = ?1 AND kind = 'ask' AND key = ?2 AND answer IS NULL
  AND (due_at IS NULL OR due_at >= ?5) AND iif(json_valid(data), data, 'null') ->> '$.asked' = ?3;

-- name: settle_answer
INSERT INTO deliveries (tenant, message, bot, outcome, attempts, first_at, last_at, error)
SELECT ?1, ?2, ?3, iif(taken, 'handled', 'refused'), 1, ?5, ?5,
       iif(taken, NULL, 'it came too late, or not from whom was asked')
FROM (SELECT EXISTS (SELECT 1 FROM waits
                     WHERE answer = ?2 AND tenant = ?1 AND kind = 'ask' AND key = ?4) AS taken)
WHERE true
ON CONFLICT DO NOTHING;

-- name: save_snapshot
INSERT INTO workflow_snapshots (tenant, stream_id, version, revision, data, taken_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, stream_id, version)
DO UPDATE SET revision = excluded.revision, data = excluded.data, taken_at = excluded.taken_at;

-- name: open_wait
INSERT INTO waits (wait_id, tenant, owner, kind, key, since, due_at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: answer_wait
-- The first answer wins; a wait that is closed by now takes none.
UPDATE waits SET answer = ?3 WHERE wait_id = ?1 AND tenant = ?2 AND answer IS NULL;

-- name: close_wait
DELETE FROM waits WHERE wait_id = ?1 AND tenant = ?2 AND (NOT ?3 OR answer IS NULL);

-- name: set_timer
-- Said again with the same id, it moves the timer.
INSERT INTO timers (timer_id, tenant, due_at, target, kind, data) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (timer_id)
DO UPDATE SET due_at = excluded.due_at, target = excluded.target, kind = excluded.kind, data = excluded.data
WHERE tenant = excluded.tenant;

-- name: drop_timer
DELETE FROM timers WHERE timer_id = ? AND tenant = ?;

-- name: record_decision
INSERT INTO decisions (position, number, tenant, run_id, about, source, target, expression, result, reason, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- ── derived ─────────────────────────────────────────────────────────────────────────────────────────────

-- name: put_bot
-- Said again of a bot on the board, it changes what the bot is and not since when: messages wait for it since then.
INSERT INTO bots (tenant, bot, kind, description, declared) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (tenant, bot)
DO UPDATE SET kind = excluded.kind, description = excluded.description, removed = NULL,
              declared = iif(removed IS NULL, declared, excluded.declared);

-- name: remove_bot
UPDATE bots SET removed = ?3 WHERE tenant = ?1 AND bot = ?2;

-- name: put_channel
INSERT INTO bot_channels (tenant, channel, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: remove_channel
DELETE FROM bot_channels WHERE tenant = ? AND channel = ?;

-- name: begin_subscription
INSERT INTO bot_subscriptions (opened, tenant, bot, pattern, since, own, declared) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: end_subscription
UPDATE bot_subscriptions SET until = ?4 WHERE tenant = ?1 AND bot = ?2 AND pattern = ?3 AND until IS NULL;

-- name: put_dead_letter
INSERT INTO dead_letters (letter, tenant, bot, reason, message, sender, recipient, type, attempts, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: mark_redriven
UPDATE dead_letters SET redriven = ?3 WHERE tenant = ?1 AND letter = ?2;

-- name: remove_dead_letter
DELETE FROM dead_letters WHERE tenant = ? AND letter = ?;

-- name: sketch_workflow
INSERT INTO workflows (tenant, workflow, status, version, description, owner, filed) VALUES (?, ?, 'draft', 0, ?, ?, 0)
ON CONFLICT (tenant, workflow)
DO UPDATE SET description = excluded.description, owner = excluded.owner WHERE status = 'draft';

-- name: put_workflow
INSERT INTO workflows (tenant, workflow, status, version, description, owner, filed) VALUES (?, ?, 'active', ?, ?, ?, 0)
ON CONFLICT (tenant, workflow)
DO UPDATE SET status = 'active', version = excluded.version, description = excluded.description,
              owner = excluded.owner, archived = NULL;

-- name: archive_workflow
UPDATE workflows SET status = 'archived', archived = ?3 WHERE tenant = ?1 AND workflow = ?2;

-- name: put_draft
UPDATE workflows SET draft = ?3 WHERE tenant = ?1 AND workflow = ?2;

-- name: remove_sketch
DELETE FROM workflows
WHERE tenant = ?1 AND workflow = ?2 AND draft IS NULL
  AND NOT EXISTS (SELECT 1 FROM workflow_versions WHERE tenant = ?1 AND workflow = ?2);

-- name: put_filed
UPDATE workflows SET filed = ?3 WHERE tenant = ?1 AND workflow = ?2;

-- name: put_version
INSERT INTO workflow_versions (tenant, workflow, version, checksum, published) VALUES (?, ?, ?, ?, ?);

-- name: put_template
INSERT INTO templates (tenant, template, kind, version, description, filed) VALUES (?, ?, ?, ?, ?, 0)
ON CONFLICT (tenant, template)
DO UPDATE SET kind = excluded.kind, version = excluded.version, description = excluded.description;

-- name: put_template_version
INSERT INTO template_versions (tenant, template, version, checksum, published) VALUES (?, ?, ?, ?, ?);

-- name: put_template_filed
UPDATE templates SET filed = ?3 WHERE tenant = ?1 AND template = ?2;

-- name: put_trigger
INSERT INTO triggers (tenant, trigger_id, workflow, kind, about, live, enabled, since) VALUES (?, ?, ?, ?, ?, 1, 1, ?)
ON CONFLICT (tenant, trigger_id)
DO UPDATE SET workflow = excluded.workflow, kind = excluded.kind, about = excluded.about, live = 1,
              since = excluded.since;

-- name: retire_trigger
UPDATE triggers SET live = 0 WHERE tenant = ? AND trigger_id = ?;

-- name: switch_trigger
UPDATE triggers SET enabled = ?3, since = ?4 WHERE tenant = ?1 AND trigger_id = ?2;

-- name: mark_fired
UPDATE triggers SET fired = ?3 WHERE tenant = ?1 AND trigger_id = ?2;

-- name: move_hearing
INSERT INTO trigger_hearing (tenant, position) VALUES (?, ?)
ON CONFLICT (tenant) DO UPDATE SET position = excluded.position WHERE excluded.position > position;

-- name: put_run
INSERT INTO workflow_runs (started, tenant, run_id, workflow, version, status, paused_by, principal, started_at,
                           ended_at, changed, forked_from, path, item, crowd, places, queued)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: leave_pending
UPDATE workflow_runs SET status = 'running', changed = ?3 WHERE tenant = ?1 AND run_id = ?2 AND status = 'pending';

-- name: move_run
UPDATE workflow_runs SET status = ?3, paused_by = ?4, ended_at = ?5, changed = ?6 WHERE tenant = ?1 AND run_id = ?2;

-- name: move_runs
UPDATE workflow_runs SET status = v.column3, paused_by = v.column4, ended_at = v.column5, changed = v.column6
FROM (VALUES (?, ?, ?, ?, ?, ?)) AS v WHERE tenant = v.column1 AND run_id = v.column2;

-- name: admit_run
UPDATE workflow_runs SET queued = 0 WHERE tenant = ?1 AND run_id = ?2;

-- name: put_child
-- A run is started once, by one step.
INSERT INTO workflow_children (tenant, child, parent, step, started) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: queue_step
INSERT INTO workflow_queue (tenant, run_id, step, queued) VALUES (?, ?, ?, ?)
ON CONFLICT (tenant, run_id, step) DO UPDATE SET queued = excluded.queued;

-- name: unqueue_step
DELETE FROM workflow_queue WHERE tenant = ? AND run_id = ? AND step = ?;

-- name: begin_attempt
INSERT INTO workflow_steps (tenant, run_id, step, iteration, attempt, status, open, began, input, last)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: repeat_attempt
-- With the input of the attempt before it, wherever that stands.
INSERT INTO workflow_steps (tenant, run_id, step, iteration, attempt, status, open, began, input, last)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
        coalesce((SELECT input FROM workflow_steps INDEXED BY workflow_steps_open
                  WHERE open = 1 AND tenant = ?1 AND run_id = ?2 AND step = ?3 AND iteration = ?4 AND attempt < ?5
                  ORDER BY attempt DESC LIMIT 1), ?8), ?9);

-- name: move_attempt
UPDATE workflow_steps INDEXED BY workflow_steps_open SET status = ?6, last = ?7
WHERE open = 1 AND tenant = ?1 AND run_id = ?2 AND step = ?3 AND iteration = ?4 AND attempt = ?5;

-- name: complete_step
-- Earlier attempts of the step are settled with it.
UPDATE workflow_steps INDEXED BY workflow_steps_open
SET status = iif(attempt = ?4, 'completed', status), last = iif(attempt = ?4, ?5, last), open = 0
WHERE open = 1 AND tenant = ?1 AND run_id = ?2 AND step = ?3;

-- name: complete_steps
UPDATE workflow_steps INDEXED BY workflow_steps_open
SET status = iif(attempt = v.column4, 'completed', status), last = iif(attempt = v.column4, v.column5, last), open = 0
FROM (VALUES (?, ?, ?, ?, ?)) AS v
WHERE open = 1 AND tenant = v.column1 AND run_id = v.column2 AND step = v.column3;

-- name: fail_attempt
-- A step that could not begin has no row yet. An attempt that was interrupted stays so, whatever became of its step.
INSERT INTO workflow_steps (tenant, run_id, step, iteration, attempt, status, open, began, input, last)
VALUES (?1, ?2, ?3, ?4, ?5, 'failed', 1, ?6, ?6, ?6)
ON CONFLICT (tenant, run_id, step, iteration, attempt) WHERE open = 1
DO UPDATE SET status = 'failed', last = excluded.last WHERE status <> 'interrupted';

-- name: close_steps
-- What they still have under way is cancelled.
UPDATE workflow_steps INDEXED BY workflow_steps_open
SET last = iif(status IN ('running', 'waiting', 'waiting_approval'), ?4, last), open = 0,
    status = iif(status IN ('running', 'waiting', 'waiting_approval'), 'cancelled', status)
WHERE open = 1 AND tenant = ?1 AND run_id = ?2 AND step IN (SELECT value FROM json_each(?3));

-- ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

-- name: log_page
-- Each kind is read in its own order and cut before they are merged: the view would sort the whole log.
SELECT * FROM (
    SELECT * FROM (SELECT position, cause, 'event' AS kind, tenant, principal, occurred_at AS at,
                          stream_id AS subject, type, data
                   FROM workflow_events WHERE position > ?1 AND tenant = ?2 ORDER BY position LIMIT ?3)
    UNION ALL
    SELECT * FROM (SELECT position, cause, 'message', tenant, principal, sent_at,
                          recipient_kind || ':' || recipient, type, body
                   FROM bot_messages WHERE position > ?1 AND tenant = ?2 ORDER BY position LIMIT ?3)
    UNION ALL
    SELECT * FROM (SELECT position, cause, 'action', tenant, principal, occurred_at, target, action, data
                   FROM operator_actions WHERE position > ?1 AND tenant = ?2 ORDER BY position LIMIT ?3)
) ORDER BY position LIMIT ?3;

-- name: read_stream
SELECT stream_type, version, ended_at FROM streams WHERE tenant = ? AND stream_id = ?;

-- name: read_events
SELECT position, cause, tenant, principal, stream_id, stream_type, version, event_id, type, revision, data,
       metadata, occurred_at
FROM workflow_events WHERE tenant = ? AND stream_id = ? AND version > ? ORDER BY version LIMIT ?;

-- name: read_version_at
-- From the newest backwards, over the index alone.
SELECT version FROM workflow_events INDEXED BY sqlite_autoindex_workflow_events_1
WHERE tenant = ? AND stream_id = ? AND position <= ? ORDER BY version DESC LIMIT 1;

-- name: read_all_events
-- For rebuilding projections: every tenant, in pages.
SELECT position, cause, tenant, principal, stream_id, stream_type, version, event_id, type, revision, data,
       metadata, occurred_at
FROM workflow_events WHERE position > ? ORDER BY position LIMIT ?;

-- name: read_snapshot
SELECT version, revision, data FROM workflow_snapshots WHERE tenant = ? AND stream_id = ?
ORDER BY version DESC LIMIT 1;

-- name: read_message
SELECT position, cause, tenant, principal, message_id, sender, recipient_kind, recipient, type, body, headers,
       reply_to, conversation, hops, sent_at, asks
FROM bot_messages WHERE message_id = ? AND tenant = ?;

-- name: read_message_at
SELECT position, cause, tenant, principal, message_id, sender, recipient_kind, recipient, type, body, headers,
       reply_to, conversation, hops, sent_at, asks
FROM bot_messages WHERE position = ? AND tenant = ?;

-- name: read_entry
SELECT position, cause, kind, tenant, principal, at, subject, type, data FROM log
WHERE position = ? AND tenant = ?;

-- name: read_cursor
SELECT position FROM bot_cursors WHERE tenant = ? AND bot = ? AND subscription = ?;

-- name: read_deliveries
SELECT bot, message, outcome, attempts, first_at, last_at, next_try_at, error, deaths, redriven
FROM deliveries WHERE message = ? AND tenant = ? ORDER BY bot;

-- name: read_delivery
SELECT bot, message, outcome, attempts, first_at, last_at, next_try_at, error, deaths, redriven
FROM deliveries WHERE message = ? AND bot = ? AND tenant = ?;

-- name: read_retries
SELECT bot, message, outcome, attempts, first_at, last_at, next_try_at, error, deaths, redriven
FROM deliveries INDEXED BY deliveries_retrying
WHERE outcome = 'retrying' AND tenant = ? AND bot = ? AND next_try_at <= ?
ORDER BY next_try_at, message LIMIT ?;

-- name: read_started
SELECT bot, message, outcome, attempts, first_at, last_at, next_try_at, error, deaths, redriven
FROM deliveries INDEXED BY deliveries_started
WHERE outcome = 'started' AND tenant = ? AND bot = ? ORDER BY message;

-- name: read_next_retry
SELECT min(next_try_at) FROM deliveries INDEXED BY deliveries_retrying
WHERE outcome = 'retrying' AND tenant = ? AND bot = ?;

-- name: read_retrying
SELECT message FROM deliveries INDEXED BY deliveries_retrying
WHERE outcome = 'retrying' AND tenant = ? AND bot = ? LIMIT ?;

-- name: read_memory
SELECT data, saved_at FROM bot_memory WHERE tenant = ? AND bot = ?;

-- name: read_key
SELECT digest, about FROM idempotency_keys WHERE tenant = ? AND scope = ? AND key = ?;

-- name: read_waits
SELECT wait_id, tenant, owner, kind, key, since, due_at, answer, data
FROM waits WHERE tenant = ? AND owner = ? ORDER BY wait_id;

-- name: read_wait
SELECT wait_id, tenant, owner, kind, key, since, due_at, answer, data
FROM waits WHERE tenant = ? AND wait_id = ?;

-- name: read_waits_of
SELECT wait_id, tenant, owner, kind, key, since, due_at, answer, data
FROM waits WHERE tenant = ? AND kind = ? AND answer IS NULL AND wait_id > ? ORDER BY wait_id LIMIT ?;

-- name: read_timers
SELECT timer_id, tenant, due_at, target, kind, data FROM timers WHERE timer_id > ? ORDER BY timer_id LIMIT ?;

-- ── the board and inboxes ───────────────────────────────────────────────────────────────────────────────

-- name: read_bots
SELECT bot, kind, description, declared, removed FROM bots WHERE tenant = ? ORDER BY bot;

-- name: read_declared
SELECT declared FROM bots WHERE tenant = ? AND bot = ?;

-- name: read_channels
SELECT channel, created FROM bot_channels WHERE tenant = ? ORDER BY channel;

-- name: read_subscriptions
SELECT opened, bot, pattern, since, until, own, declared FROM bot_subscriptions
WHERE tenant = ? AND until IS NULL ORDER BY opened;

-- name: read_subscriptions_of
SELECT opened, bot, pattern, since, until, own, declared FROM bot_subscriptions
WHERE tenant = ? AND bot = ? AND until IS NULL ORDER BY opened;

-- name: read_intervals
-- Of one bot, ended ones too, unless they ended before the part of the log that is asked for.
SELECT opened, pattern, until, own FROM bot_subscriptions
WHERE tenant = ?1 AND bot = ?2 AND (until IS NULL OR until > ?3 + 1) ORDER BY opened;

-- name: read_all_intervals
SELECT s.bot, s.pattern, s.since, s.opened, s.until, s.own, coalesce(c.position, s.since)
FROM bot_subscriptions AS s
LEFT JOIN bot_cursors AS c ON c.tenant = s.tenant AND c.bot = s.bot AND c.subscription = s.opened
WHERE s.tenant = ?;

-- name: read_standing
-- Where each bot on the board stands; none of what was addressed to it before it was declared is its own.
SELECT b.bot, b.declared, c.position FROM bots AS b
LEFT JOIN bot_cursors AS c ON c.tenant = b.tenant AND c.bot = b.bot AND c.subscription = 0
WHERE b.tenant = ? AND b.removed IS NULL;

-- name: read_subscription
SELECT s.bot, s.pattern, s.since, s.own, coalesce(c.position, s.since) FROM bot_subscriptions AS s
LEFT JOIN bot_cursors AS c ON c.tenant = s.tenant AND c.bot = s.bot AND c.subscription = s.opened
WHERE s.opened = ? AND s.tenant = ?;

-- name: read_catch_ups
SELECT s.opened, s.bot, s.pattern, s.since, s.until, s.own, s.declared, coalesce(c.position, s.since)
FROM bot_subscriptions AS s
LEFT JOIN bot_cursors AS c ON c.tenant = s.tenant AND c.bot = s.bot AND c.subscription = s.opened
WHERE s.tenant = ? AND s.bot = ? AND s.since + 1 < s.opened AND coalesce(c.position, s.since) < s.opened
ORDER BY s.opened;

-- name: spoken_channels
-- Every channel that something was said on, deleted ones too: one step of the index for each.
WITH RECURSIVE spoken (name) AS (
    SELECT min(recipient) FROM bot_messages WHERE tenant = ?1 AND recipient_kind = 'channel'
    UNION ALL
    SELECT (SELECT min(recipient) FROM bot_messages
            WHERE tenant = ?1 AND recipient_kind = 'channel' AND recipient > name)
    FROM spoken WHERE name IS NOT NULL)
SELECT name FROM spoken WHERE name IS NOT NULL;

-- name: said_on
SELECT position FROM bot_messages
WHERE tenant = ?1 AND recipient_kind = ?2 AND recipient = ?3 AND position > ?4 AND position <= ?5
  AND (?6 IS NULL OR sender = ?6) AND (?7 IS NULL OR type = ?7) ORDER BY position;

-- name: said_by
SELECT position FROM bot_messages
WHERE tenant = ?1 AND sender = ?2 AND recipient_kind = ?3 AND recipient = ?4 AND position > ?5 AND position <= ?6
  AND (?7 IS NULL OR type = ?7) ORDER BY position;

-- name: unsettled
-- One range of the index: what one recipient got between two positions, and one bot has still to handle. What is
-- being retried counts only past the cursor: below it the bot goes on meanwhile.
SELECT m.position FROM bot_messages AS m INDEXED BY bot_messages_inbox
WHERE m.tenant = ?1 AND m.recipient_kind = ?2 AND m.recipient = ?3 AND m.position > ?4 AND m.position < ?5
  AND (?6 OR m.sender <> ?7)
  AND NOT EXISTS (SELECT 1 FROM deliveries AS d
                  WHERE d.message = m.position AND d.bot = ?7 AND d.tenant = ?1 AND d.outcome <> 'started'
                    AND (d.outcome <> 'retrying' OR m.position <= ?8))
ORDER BY m.position;

-- ── dead letters ────────────────────────────────────────────────────────────────────────────────────────

-- name: read_dead_letter
SELECT letter, bot, reason, message, sender, recipient, type, attempts, error, redriven
FROM dead_letters WHERE letter = ? AND tenant = ?;

-- name: read_dead_letters
SELECT letter, bot, reason, message, sender, recipient, type, attempts, error, redriven
FROM dead_letters WHERE tenant = ? AND letter > ? AND (? OR redriven IS NULL) ORDER BY letter LIMIT ?;

-- name: read_dead_letters_of
SELECT letter, bot, reason, message, sender, recipient, type, attempts, error, redriven
FROM dead_letters INDEXED BY dead_letters_bot
WHERE bot = ? AND tenant = ? AND letter > ? AND (? OR redriven IS NULL) ORDER BY letter LIMIT ?;

-- ── workflows and runs ──────────────────────────────────────────────────────────────────────────────────

-- name: read_workflows
-- {wanted} is put together in `runs.py`, from our own words.
SELECT w.workflow, w.version, coalesce((SELECT max(version) FROM workflow_versions AS n
                                        WHERE n.tenant = w.tenant AND n.workflow = w.workflow), 0),
       w.description, w.owner, coalesce(v.checksum, ''), e.occurred_at, w.status, coalesce(d.version, 0), w.filed,
       a.occurred_at, a.principal, coalesce(json_extract(a.data, '$.reason'), '')
FROM workflows AS w
LEFT JOIN workflow_versions AS v ON v.tenant = w.tenant AND v.workflow = w.workflow AND v.version = w.version
LEFT JOIN workflow_events AS e ON e.position = v.published
LEFT JOIN workflow_events AS d ON d.position = w.draft
LEFT JOIN workflow_events AS a ON a.position = w.archived
WHERE {wanted} ORDER BY w.workflow LIMIT :limit;

-- name: read_draft
SELECT w.workflow, e.version, e.type, e.revision, e.data, e.position, e.occurred_at, e.principal
FROM workflows AS w JOIN workflow_events AS e ON e.position = w.draft
WHERE w.tenant = ? AND w.workflow = ?;

-- name: read_triggers
SELECT t.trigger_id, t.workflow, t.kind, t.about, t.live, t.enabled, t.since, t.fired, e.occurred_at,
       e.data ->> '$.run', (SELECT min(due_at) FROM timers AS n
                            WHERE n.tenant = t.tenant AND n.target = 'trigger:' || t.trigger_id)
FROM triggers AS t LEFT JOIN workflow_events AS e ON e.position = t.fired
WHERE t.tenant = ?1 AND (?2 IS NULL OR t.trigger_id = ?2) AND (?3 IS NULL OR t.workflow = ?3)
ORDER BY t.trigger_id;

-- name: read_audible
-- By position alone, within a stretch: what is said of a fact is read only where it fires something.
SELECT position, 'message', recipient, type FROM bot_messages NOT INDEXED
WHERE tenant = ?1 AND position > ?2 AND position <= ?3 AND recipient_kind = 'channel'
UNION ALL
SELECT position, 'event', stream_id, type FROM workflow_events NOT INDEXED
WHERE tenant = ?1 AND position > ?2 AND position <= ?3
  AND type IN ('workflow_completed', 'workflow_failed', 'workflow_cancelled')
ORDER BY 1 LIMIT ?4;

-- name: read_hearing
SELECT position FROM trigger_hearing WHERE tenant = ?;

-- name: read_version
SELECT v.workflow, v.version, v.version = w.version, v.checksum, e.type, e.revision, e.data, v.published,
       e.occurred_at, e.principal
FROM workflow_versions AS v
JOIN workflows AS w ON w.tenant = v.tenant AND w.workflow = v.workflow
JOIN workflow_events AS e ON e.position = v.published
WHERE v.tenant = ?1 AND v.workflow = ?2 AND v.version = coalesce(?3, w.version);

-- name: check_versions
-- Every tenant's, of workflows and of templates. What is no JSON any more has no text.
SELECT v.name, v.version, v.checksum, coalesce(iif(json_valid(e.data), json_extract(e.data, '$.text'), ''), '')
FROM (SELECT workflow AS name, version, checksum, published FROM workflow_versions
      UNION ALL
      SELECT 'the template ' || template, version, checksum, published FROM template_versions) AS v
JOIN workflow_events AS e ON e.position = v.published;

-- name: read_templates
-- {wanted} is put together in `templates.py`, from our own words.
SELECT t.template, t.kind, t.version, (SELECT max(version) FROM template_versions AS n
                                       WHERE n.tenant = t.tenant AND n.template = t.template),
       t.description, t.filed, e.occurred_at
FROM templates AS t
JOIN template_versions AS v ON v.tenant = t.tenant AND v.template = t.template AND v.version = t.version
JOIN workflow_events AS e ON e.position = v.published
WHERE {wanted} ORDER BY t.template LIMIT :limit;

-- name: read_template_versions
-- {wanted} is put together in `templates.py`, from our own words.
SELECT v.template, v.version, v.version = t.version, v.checksum, e.type, e.revision, e.data, v.published,
       e.occurred_at, e.principal
FROM template_versions AS v
JOIN templates AS t ON t.tenant = v.tenant AND t.template = v.template
JOIN workflow_events AS e ON e.position = v.published
WHERE v.tenant = :tenant AND v.template = :name AND {wanted} ORDER BY v.version DESC LIMIT :limit;

-- name: read_version_like
SELECT version FROM workflow_versions WHERE tenant = ? AND workflow = ? AND checksum = ?;

-- name: read_versions
SELECT v.workflow, v.version, v.version = w.version, v.checksum, e.type, e.revision, e.data, v.published,
       e.occurred_at, e.principal
FROM workflow_versions AS v
JOIN workflows AS w ON w.tenant = v.tenant AND w.workflow = v.workflow
JOIN workflow_events AS e ON e.position = v.published
WHERE v.tenant = ?1 AND v.workflow = ?2 AND v.version < ?3 ORDER BY v.version DESC LIMIT ?4;

-- name: read_run
SELECT r.run_id, r.workflow, r.version, r.status, r.paused_by, r.principal, c.parent, r.forked_from, r.path, r.item, r.crowd, r.queued,
       r.started, r.started_at, r.ended_at, r.changed, e.type, e.revision, e.data
FROM workflow_runs AS r
LEFT JOIN workflow_children AS c ON c.tenant = r.tenant AND c.child = r.run_id
LEFT JOIN workflow_events AS e ON e.position = r.changed AND r.status IN ('failed', 'crashed', 'cancelled')
WHERE r.tenant = ? AND r.run_id = ?;

-- name: read_runs
-- The planner takes the index of what is named; all of them have the order of the log within.
SELECT r.run_id, r.workflow, r.version, r.status, r.paused_by, r.principal, c.parent, r.forked_from, r.path, r.item, r.crowd, r.queued,
       r.started, r.started_at, r.ended_at, r.changed, e.type, e.revision, e.data
FROM (SELECT * FROM workflow_runs WHERE {wanted} ORDER BY started {order} LIMIT :limit) AS r
LEFT JOIN workflow_children AS c ON c.tenant = r.tenant AND c.child = r.run_id
LEFT JOIN workflow_events AS e ON e.position = r.changed AND r.status IN ('failed', 'crashed', 'cancelled')
ORDER BY r.started {order};

-- name: read_descendants
-- Level by level would let one parent's many children keep out another's: they come in the order of the log.
WITH RECURSIVE family (started, child, step) AS (
    SELECT started, child, step FROM workflow_children WHERE tenant = ?1 AND parent = ?2
    UNION ALL
    SELECT c.started, c.child, c.step FROM family AS f
    JOIN workflow_children AS c INDEXED BY workflow_children_parent ON c.tenant = ?1 AND c.parent = f.child
    ORDER BY 1 LIMIT ?3)
SELECT f.step, r.run_id, r.workflow, r.version, r.status, r.paused_by, r.principal, c.parent, r.forked_from,
       r.path, r.item, r.crowd, r.queued, r.started, r.started_at, r.ended_at, r.changed, e.type, e.revision, e.data
FROM family AS f
JOIN workflow_runs AS r ON r.tenant = ?1 AND r.run_id = f.child
JOIN workflow_children AS c ON c.tenant = ?1 AND c.child = f.child
LEFT JOIN workflow_events AS e ON e.position = r.changed AND r.status IN ('failed', 'crashed', 'cancelled')
ORDER BY r.started;

-- name: read_attempts
-- By the run's events, in whose order attempts began. The page is cut before inputs and outputs are joined.
SELECT s.step, s.iteration, s.attempt, s.status, s.began, iif(s.began = s.input, NULL, b.data),
       i.type, i.revision, i.data, l.type, l.revision, l.data
FROM (SELECT s.* FROM workflow_events AS e INDEXED BY sqlite_autoindex_workflow_events_1
      CROSS JOIN workflow_steps AS s ON s.began = e.position
      WHERE e.tenant = ?1 AND e.stream_id = ?2 AND e.position > ?3 ORDER BY e.version LIMIT ?4) AS s
JOIN workflow_events AS b ON b.position = s.began
JOIN workflow_events AS i ON i.position = s.input
JOIN workflow_events AS l ON l.position = s.last
ORDER BY s.began;

-- name: read_decisions
-- By the run's events. The page ends with all that belongs to the event of its last row.
WITH found (position, number) AS (
    SELECT d.position, d.number
    FROM workflow_events AS e INDEXED BY sqlite_autoindex_workflow_events_1
    CROSS JOIN decisions AS d ON d.position = e.position
    WHERE e.tenant = ?1 AND e.stream_id = ?2 AND e.position > ?3 ORDER BY e.version LIMIT ?4)
SELECT position, number, about, source, target, expression, result, reason, at
FROM decisions WHERE position IN (SELECT position FROM found) ORDER BY position, number;

-- name: read_unended
SELECT r.tenant, r.run_id, r.workflow, r.version, r.status, r.started,
       EXISTS (SELECT 1 FROM workflow_steps AS s INDEXED BY workflow_steps_running
               WHERE s.tenant = r.tenant AND s.run_id = r.run_id AND s.status = 'running'),
       EXISTS (SELECT 1 FROM workflow_queue AS q WHERE q.tenant = r.tenant AND q.run_id = r.run_id),
       EXISTS (SELECT 1 FROM waits AS w
               WHERE w.tenant = r.tenant AND w.owner = 'run:' || r.run_id AND w.answer IS NOT NULL)
FROM workflow_runs AS r INDEXED BY workflow_runs_unended
WHERE r.ended_at IS NULL AND r.started > ? ORDER BY r.started LIMIT ?;

-- name: read_stirring
-- From what stirs to its run, so that runs that only wait are not even looked at.
SELECT r.tenant, r.run_id, r.workflow, r.version, r.status, r.started, max(found.flies), max(found.queued),
       max(found.answered)
FROM (SELECT tenant, run_id, 1 AS flies, 0 AS queued, 0 AS answered
      FROM workflow_steps INDEXED BY workflow_steps_running WHERE status = 'running'
      UNION ALL
      SELECT tenant, run_id, 0, 1, 0 FROM workflow_queue
      UNION ALL
      SELECT tenant, substr(owner, 5), 0, 0, 1 FROM waits INDEXED BY waits_answer
      WHERE answer IS NOT NULL AND owner GLOB 'run:*') AS found
JOIN workflow_runs AS r ON r.tenant = found.tenant AND r.run_id = found.run_id
WHERE r.ended_at IS NULL AND r.started > ?
GROUP BY r.started ORDER BY r.started LIMIT ?;

-- name: read_crowds
SELECT r.run_id, r.workflow, r.crowd, r.places,
       r.queued AND NOT EXISTS (SELECT 1 FROM waits AS w WHERE w.tenant = r.tenant AND w.owner = 'run:' || r.run_id
                                AND w.kind = 'turn' AND w.answer IS NOT NULL),
       r.started
FROM workflow_runs AS r INDEXED BY workflow_runs_crowds
WHERE r.tenant = ?1 AND r.crowd IS NOT NULL AND r.ended_at IS NULL AND r.started > ?2
ORDER BY r.started LIMIT ?3;

-- name: read_created
SELECT run_id, workflow, step, system, type, resource, how, position, number, linked_at FROM resource_links
WHERE tenant = ? AND system = ? AND type = ? AND resource = ? AND how = 'created';

-- name: read_links
SELECT run_id, workflow, step, system, type, resource, how, position, number, linked_at FROM resource_links
WHERE {wanted} AND (position, number) > (:position, :number) ORDER BY position, number LIMIT :limit;

-- ── auditing ────────────────────────────────────────────────────────────────────────────────────────────

-- name: addressed_by
-- Whom a sender ever wrote to, and where it ever published: one step of the index for each.
WITH RECURSIVE addressed (place) AS (
    SELECT (SELECT json_array(recipient_kind, recipient) FROM bot_messages INDEXED BY bot_messages_sender
            WHERE tenant = ?1 AND sender = ?2 ORDER BY recipient_kind, recipient LIMIT 1)
    UNION ALL
    SELECT (SELECT json_array(recipient_kind, recipient) FROM bot_messages INDEXED BY bot_messages_sender
            WHERE tenant = ?1 AND sender = ?2
              AND (recipient_kind, recipient) > (place ->> 0, place ->> 1)
            ORDER BY recipient_kind, recipient LIMIT 1)
    FROM addressed WHERE place IS NOT NULL)
SELECT place ->> 0, place ->> 1 FROM addressed WHERE place IS NOT NULL;

-- name: read_effects
-- The queue is taken in the order of positions, and an effect always stands past its cause: so what comes out is in
-- log order, and nothing is looked at past the last that is wanted.
WITH RECURSIVE led (position) AS (
    SELECT ?1
    UNION ALL
    SELECT e.position FROM led JOIN workflow_events AS e ON e.cause = led.position AND e.tenant = ?2
    UNION ALL
    SELECT m.position FROM led JOIN bot_messages AS m ON m.cause = led.position AND m.tenant = ?2
    UNION ALL
    SELECT a.position FROM led JOIN operator_actions AS a ON a.cause = led.position AND a.tenant = ?2
    ORDER BY 1)
SELECT position FROM led WHERE position > max(?1, ?3) LIMIT ?4;

-- ── checking ────────────────────────────────────────────────────────────────────────────────────────────

-- name: check_streams
-- Versions begin at 1 and have no gaps, and the stream's own count agrees with them.
SELECT s.tenant, s.stream_id, s.version, count(e.position), min(e.version), max(e.version)
FROM streams AS s LEFT JOIN workflow_events AS e ON e.tenant = s.tenant AND e.stream_id = s.stream_id
GROUP BY s.tenant, s.stream_id
HAVING count(e.position) <> s.version OR min(e.version) IS NOT 1 OR max(e.version) IS NOT s.version
LIMIT 5;

-- name: check_positions
-- No position is past the head.
SELECT kind, position FROM (
    SELECT 'event' AS kind, max(position) AS position FROM workflow_events
    UNION ALL SELECT 'message', max(position) FROM bot_messages
    UNION ALL SELECT 'action', max(position) FROM operator_actions
) WHERE position >= (SELECT next_position FROM log_head);

-- name: check_shared_positions
-- No position belongs to two facts. (A cause before its effect is a constraint of the tables.)
SELECT position FROM workflow_events AS e WHERE EXISTS (SELECT 1 FROM bot_messages AS m WHERE m.position = e.position)
UNION ALL
SELECT position FROM operator_actions AS a
WHERE EXISTS (SELECT 1 FROM bot_messages AS m WHERE m.position = a.position)
   OR EXISTS (SELECT 1 FROM workflow_events AS e WHERE e.position = a.position)
LIMIT 5;

-- name: check_cursors
SELECT tenant, bot, position FROM bot_cursors WHERE position >= (SELECT next_position FROM log_head) LIMIT 5;

-- name: check_answers
-- A wait is answered by a fact that exists, or did: never by one that is still to come.
SELECT wait_id, answer FROM waits WHERE answer >= (SELECT next_position FROM log_head) LIMIT 5;

-- name: check_owned
-- A run that has not ended goes on by an attempt, a step that is ready, a timer, a wait or a run that it started; or
-- by a person, when one paused it or it was left crashed.
SELECT r.tenant, r.run_id, r.status FROM workflow_runs AS r INDEXED BY workflow_runs_unended
WHERE r.ended_at IS NULL AND r.status <> 'crashed' AND r.paused_by NOT IN ('operator', 'hold')
  AND NOT EXISTS (SELECT 1 FROM workflow_steps AS s INDEXED BY workflow_steps_running
                  WHERE s.tenant = r.tenant AND s.run_id = r.run_id AND s.status = 'running')
  AND NOT EXISTS (SELECT 1 FROM workflow_queue AS q WHERE q.tenant = r.tenant AND q.run_id = r.run_id)
  AND NOT EXISTS (SELECT 1 FROM waits AS w WHERE w.tenant = r.tenant AND w.owner = 'run:' || r.run_id)
  AND NOT EXISTS (SELECT 1 FROM timers AS t WHERE t.tenant = r.tenant AND t.target = 'run:' || r.run_id)
  AND NOT EXISTS (SELECT 1 FROM workflow_children AS c
                  JOIN workflow_runs AS k ON k.tenant = c.tenant AND k.run_id = c.child
                  WHERE c.tenant = r.tenant AND c.parent = r.run_id AND k.ended_at IS NULL)
LIMIT 5;

-- name: check_queues
-- Whoever waits for a turn has somebody before it, or its turn has come.
SELECT r.tenant, r.run_id FROM workflow_runs AS r INDEXED BY workflow_runs_crowds
WHERE r.crowd IS NOT NULL AND r.ended_at IS NULL AND r.queued = 1
  AND NOT EXISTS (SELECT 1 FROM workflow_runs AS h INDEXED BY workflow_runs_crowds
                  WHERE h.tenant = r.tenant AND h.workflow = r.workflow AND h.crowd = r.crowd
                    AND h.ended_at IS NULL
                    AND (h.queued = 0 OR EXISTS (SELECT 1 FROM waits AS w
                                                 WHERE w.tenant = h.tenant AND w.owner = 'run:' || h.run_id
                                                   AND w.kind = 'turn' AND w.answer IS NOT NULL)))
LIMIT 5;

-- name: facts_exist
SELECT EXISTS (SELECT 1 FROM workflow_events) OR EXISTS (SELECT 1 FROM bot_messages)
    OR EXISTS (SELECT 1 FROM operator_actions);

-- ── retention ───────────────────────────────────────────────────────────────────────────────────────────

-- name: nth_message
SELECT position FROM bot_messages ORDER BY position DESC LIMIT 1 OFFSET ?;

-- name: nth_ended
SELECT ended_at FROM streams WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT 1 OFFSET ?;

-- name: next_message
SELECT min(position) FROM bot_messages WHERE position > ?;

-- name: any_old_message
-- Whether age or count lets anything go in a stretch of the log. Past the first where it does not, all is newer, or
-- was sent while a clock was wrong: that goes later.
SELECT EXISTS (SELECT 1 FROM bot_messages
               WHERE position BETWEEN ?1 AND ?2 AND (sent_at < ?3 OR position < ?4));

-- name: old_messages
-- What somebody has still to handle stays: a bot on the board that it is addressed to and whose cursor lies below
-- it; a subscription whose interval and pattern cover it and whose bot, or catch-up, has not come that far; a
-- retry, or an attempt that began; a wait that it answers, that looks back at it, or that waits for its answer.
-- `matches(pattern, channel)` is ours.
SELECT m.position FROM bot_messages AS m
WHERE m.position BETWEEN ?1 AND ?2 AND (m.sent_at < ?3 OR m.position < ?4)
  AND NOT EXISTS (
    SELECT 1 FROM bots AS b
    LEFT JOIN bot_cursors AS c ON c.tenant = b.tenant AND c.bot = b.bot AND c.subscription = 0
    WHERE m.recipient_kind = 'bot' AND b.tenant = m.tenant AND b.bot = m.recipient AND b.removed IS NULL
      AND m.position > coalesce(c.position, b.declared))
  AND NOT EXISTS (
    SELECT 1 FROM bot_subscriptions AS s
    JOIN bots AS b ON b.tenant = s.tenant AND b.bot = s.bot AND b.removed IS NULL
    LEFT JOIN bot_cursors AS c ON c.tenant = s.tenant AND c.bot = s.bot
          AND c.subscription = iif(m.position < s.opened, s.opened, 0)
    WHERE m.recipient_kind = 'channel' AND s.tenant = m.tenant
      AND m.position > s.since AND (s.until IS NULL OR m.position < s.until)
      AND m.position > coalesce(c.position, s.since) AND matches(s.pattern, m.recipient))
  AND NOT EXISTS (
    SELECT 1 FROM deliveries AS d
    LEFT JOIN bots AS b ON b.tenant = d.tenant AND b.bot = d.bot
    WHERE d.message = m.position AND d.outcome IN ('started', 'retrying') AND b.removed IS NULL)
  AND NOT EXISTS (SELECT 1 FROM waits AS w WHERE w.answer = m.position)
  AND NOT EXISTS (SELECT 1 FROM waits AS w
                  WHERE w.tenant = m.tenant AND w.kind = 'ask' AND w.key = m.message_id AND w.answer IS NULL)
  AND NOT EXISTS (SELECT 1 FROM waits AS w WHERE w.tenant = m.tenant AND w.since < m.position AND w.answer IS NULL)
ORDER BY m.position;

-- name: delete_keys
-- The key of a run outlives it: whoever repeats a request is told of the run that there is.
DELETE FROM idempotency_keys WHERE (tenant, scope, key) IN (
    SELECT tenant, scope, key FROM idempotency_keys AS k
    WHERE k.kept_at < ?1
      AND NOT EXISTS (SELECT 1 FROM workflow_runs AS r
                      WHERE r.started = k.about AND (r.ended_at IS NULL OR r.ended_at >= ?1))
    LIMIT ?2);

-- name: delete_links
DELETE FROM resource_links WHERE tenant = ?1 AND run_id = ?2 AND how = 'touched';

-- name: leave_links
-- The run is gone, and nobody else shall make a second of what it made; when that was is told by the next pruning.
UPDATE resource_links SET left_at = 0 WHERE tenant = ? AND run_id = ?;

-- name: date_left_links
UPDATE resource_links SET left_at = ? WHERE left_at = 0;

-- name: delete_left_links
DELETE FROM resource_links WHERE (tenant, system, type, resource, run_id, how) IN (
    SELECT tenant, system, type, resource, run_id, how FROM resource_links
    WHERE left_at BETWEEN 1 AND ?1 LIMIT ?2);

-- name: delete_deliveries
DELETE FROM deliveries WHERE message = ?;

-- name: delete_message
DELETE FROM bot_messages WHERE position = ?;

-- name: old_streams
-- Whole ended streams, in pages. What waits in one, what one answers, and what a timer will wake is not over; nor is
-- a run that items or rounds which go on still look at.
SELECT s.ended_at, s.tenant, s.stream_id, s.version FROM streams AS s
WHERE s.ended_at < ?1 AND (s.ended_at, s.tenant, s.stream_id) > (?2, ?3, ?4)
  AND NOT EXISTS (SELECT 1 FROM waits AS w WHERE w.tenant = s.tenant AND w.owner = s.stream_id)
  AND NOT EXISTS (SELECT 1 FROM timers AS t WHERE t.tenant = s.tenant AND t.target = s.stream_id)
  AND NOT EXISTS (SELECT 1 FROM waits AS w JOIN workflow_events AS e ON e.position = w.answer
                  WHERE w.answer IS NOT NULL AND e.tenant = s.tenant AND e.stream_id = s.stream_id)
  AND NOT EXISTS (SELECT 1 FROM workflow_children AS c
                  JOIN workflow_runs AS k ON k.tenant = c.tenant AND k.run_id = c.child
                  WHERE c.tenant = s.tenant AND c.parent = substr(s.stream_id, 5) AND k.path <> ''
                    AND k.ended_at IS NULL)
ORDER BY s.ended_at, s.tenant, s.stream_id LIMIT ?5;

-- name: stream_is_over
-- The same of one stream: it has ended, nothing waits in it, wakes it, or has still to read its end.
SELECT 1 FROM streams AS s
WHERE s.ended_at < ?1 AND s.tenant = ?2 AND s.stream_id = ?3
  AND NOT EXISTS (SELECT 1 FROM waits AS w WHERE w.tenant = s.tenant AND w.owner = s.stream_id)
  AND NOT EXISTS (SELECT 1 FROM timers AS t WHERE t.tenant = s.tenant AND t.target = s.stream_id)
  AND NOT EXISTS (SELECT 1 FROM waits AS w JOIN workflow_events AS e ON e.position = w.answer
                  WHERE w.answer IS NOT NULL AND e.tenant = s.tenant AND e.stream_id = s.stream_id)
  AND NOT EXISTS (SELECT 1 FROM workflow_children AS c
                  JOIN workflow_runs AS k ON k.tenant = c.tenant AND k.run_id = c.child
                  WHERE c.tenant = s.tenant AND c.parent = substr(s.stream_id, 5) AND k.path <> ''
                    AND k.ended_at IS NULL);

-- name: delete_decisions
DELETE FROM decisions WHERE position IN (SELECT position FROM workflow_events WHERE tenant = ? AND stream_id = ?);

-- name: delete_queue
DELETE FROM workflow_queue WHERE tenant = ? AND run_id = ?;

-- name: delete_steps
DELETE FROM workflow_steps WHERE began IN (SELECT position FROM workflow_events WHERE tenant = ? AND stream_id = ?);

-- name: parts_of
-- The items and rounds of a run and those of theirs; what goes on comes first, then what lies deepest.
WITH RECURSIVE parts (run_id, ended_at, depth) AS (
    SELECT r.run_id, r.ended_at, 1 FROM workflow_children AS c
    JOIN workflow_runs AS r ON r.tenant = c.tenant AND r.run_id = c.child AND r.path <> ''
    WHERE c.tenant = ?1 AND c.parent = ?2
    UNION ALL
    SELECT r.run_id, r.ended_at, p.depth + 1 FROM parts AS p
    JOIN workflow_children AS c ON c.tenant = ?1 AND c.parent = p.run_id
    JOIN workflow_runs AS r ON r.tenant = c.tenant AND r.run_id = c.child AND r.path <> '')
SELECT run_id, ended_at FROM parts ORDER BY ended_at IS NULL DESC, depth DESC LIMIT ?3;

-- name: delete_children
-- Those that it started; that it was itself started goes with its parent.
DELETE FROM workflow_children WHERE tenant = ? AND parent = ?;

-- name: delete_run
DELETE FROM workflow_runs WHERE tenant = ? AND run_id = ?;

-- name: delete_events
DELETE FROM workflow_events WHERE tenant = ? AND stream_id = ?;

-- name: delete_stream
DELETE FROM streams WHERE tenant = ? AND stream_id = ?;
