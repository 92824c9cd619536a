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

-- name: end_stream
UPDATE streams SET ended_at = ?3 WHERE tenant = ?1 AND stream_id = ?2;

-- name: stream_version
SELECT version FROM streams WHERE tenant = ? AND stream_id = ?;

-- name: insert_event
INSERT INTO workflow_events (position, cause, tenant, principal, stream_id, stream_type, version, event_id,
                             type, revision, data, metadata, occurred_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_message
INSERT INTO bot_messages (position, cause, tenant, principal, message_id, sender, recipient_kind, recipient,
                          type, body, headers, reply_to, conversation, hops, sent_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

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
INSERT INTO deliveries (tenant, message, bot, outcome, attempts, first_at, last_at, next_try_at, error)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)
ON CONFLICT (message, bot, tenant)
DO UPDATE SET outcome = excluded.outcome, attempts = excluded.attempts, last_at = excluded.last_at,
              next_try_at = excluded.next_try_at, error = excluded.error;

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
DELETE FROM waits WHERE wait_id = ? AND tenant = ?;

-- name: set_timer
-- Said again with the same id, it moves the timer.
INSERT INTO timers (timer_id, tenant, due_at, target, kind, data) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (timer_id)
DO UPDATE SET due_at = excluded.due_at, target = excluded.target, kind = excluded.kind, data = excluded.data
WHERE tenant = excluded.tenant;

-- name: drop_timer
DELETE FROM timers WHERE timer_id = ? AND tenant = ?;

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
INSERT INTO bot_subscriptions (opened, tenant, bot, pattern, since) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: end_subscription
UPDATE bot_subscriptions SET until = ?4 WHERE tenant = ?1 AND bot = ?2 AND pattern = ?3 AND until IS NULL;

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
       reply_to, conversation, hops, sent_at
FROM bot_messages WHERE message_id = ? AND tenant = ?;

-- name: read_cursor
SELECT position FROM bot_cursors WHERE tenant = ? AND bot = ? AND subscription = ?;

-- name: read_deliveries
SELECT bot, message, outcome, attempts, first_at, last_at, next_try_at, error
FROM deliveries WHERE message = ? AND tenant = ? ORDER BY bot;

-- name: read_waits
SELECT wait_id, tenant, owner, kind, key, since, due_at, answer, data
FROM waits WHERE tenant = ? AND owner = ? ORDER BY wait_id;

-- name: read_timers
SELECT timer_id, tenant, due_at, target, kind, data FROM timers WHERE timer_id > ? ORDER BY timer_id LIMIT ?;

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
-- retry; a wait that it answers, or that looks back at it. `matches(pattern, channel)` is ours.
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
    WHERE d.message = m.position AND d.outcome = 'retrying' AND b.removed IS NULL)
  AND NOT EXISTS (SELECT 1 FROM waits AS w WHERE w.answer = m.position)
  AND NOT EXISTS (SELECT 1 FROM waits AS w WHERE w.tenant = m.tenant AND w.since < m.position AND w.answer IS NULL)
ORDER BY m.position;

-- name: delete_deliveries
DELETE FROM deliveries WHERE message = ?;

-- name: delete_message
DELETE FROM bot_messages WHERE position = ?;

-- name: old_streams
-- Whole ended streams, in pages. What waits in one, what one answers, and what a timer will wake is not over.
SELECT s.ended_at, s.tenant, s.stream_id, s.version FROM streams AS s
WHERE s.ended_at < ?1 AND (s.ended_at, s.tenant, s.stream_id) > (?2, ?3, ?4)
  AND NOT EXISTS (SELECT 1 FROM waits AS w WHERE w.tenant = s.tenant AND w.owner = s.stream_id)
  AND NOT EXISTS (SELECT 1 FROM timers AS t WHERE t.tenant = s.tenant AND t.target = s.stream_id)
  AND NOT EXISTS (SELECT 1 FROM waits AS w JOIN workflow_events AS e ON e.position = w.answer
                  WHERE w.answer IS NOT NULL AND e.tenant = s.tenant AND e.stream_id = s.stream_id)
ORDER BY s.ended_at, s.tenant, s.stream_id LIMIT ?5;

-- name: delete_events
DELETE FROM workflow_events WHERE tenant = ? AND stream_id = ?;

-- name: delete_stream
DELETE FROM streams WHERE tenant = ? AND stream_id = ?;
