-- claim_batches
-- Claims the next waiting batches for a supervisor. Jobs take turns, one batch each, the longest waiting job first;
-- served times in the future, after the clock was set back, are ignored; the times of one claim are in the order of
-- the turns, in any order of the update. Within a job, batches are claimed in order,
-- and after its learning has ended. Claims none if the schema is newer.
WITH ranked AS (
    SELECT w.batch_id, s.served_at, j.job_id, row_number() OVER (PARTITION BY j.job_id ORDER BY w.batch_no) AS round
    FROM fcst_app.jobs j
    CROSS JOIN LATERAL (
        SELECT max(started_at) AS served_at FROM fcst_app.batch_status WHERE job_id = j.job_id AND started_at <= now()
    ) s
    CROSS JOIN LATERAL (
        SELECT b.batch_id, b.batch_no FROM fcst_app.batch_status b
        WHERE b.job_id = j.job_id AND b.stage = 'submitted' AND (b.is_learning OR NOT EXISTS (
            SELECT FROM fcst_app.batch_status l WHERE l.job_id = j.job_id AND l.is_learning AND l.finished_at IS NULL))
        ORDER BY b.batch_no LIMIT %(n)s
        FOR UPDATE SKIP LOCKED
    ) w
    WHERE j.status IS NULL AND NOT EXISTS (SELECT FROM fcst_app.migrations m WHERE m.version > %(schema_version)s)
), next AS (
    SELECT batch_id, row_number() OVER (ORDER BY round, served_at NULLS FIRST, job_id) AS turn
    FROM ranked ORDER BY turn LIMIT %(n)s
), claimed AS (
    UPDATE fcst_app.batch_status b
    SET stage = CASE WHEN b.is_learning THEN 'learning' ELSE 'obtaining_sales' END, attempt = b.attempt + 1,
        worker_id = %(worker_id)s, run_token = NULL,
        started_at = statement_timestamp() + next.turn * interval '1 microsecond', touched_at = clock_timestamp(),
        error = NULL
    FROM next WHERE b.batch_id = next.batch_id
    RETURNING b.batch_id, b.job_id, b.batch_no, b.attempt, b.is_learning
)
SELECT batch_id, job_id, batch_no, attempt, is_learning FROM claimed ORDER BY batch_no, job_id;

-- begin_batch
-- Begins an attempt at a batch, once: a second task with the same attempt finds the token set.
UPDATE fcst_app.batch_status b SET run_token = %(run_token)s, touched_at = clock_timestamp()
FROM fcst_app.jobs j JOIN fcst_app.datasets d USING (dataset_id)
WHERE b.batch_id = %(batch_id)s AND b.attempt = %(attempt)s AND b.stage IN ('learning', 'obtaining_sales')
  AND b.run_token IS NULL
  AND j.job_id = b.job_id
RETURNING b.job_id, j.dataset_id, j.spec, d.last_wk_end_dt, b.worked_s;

-- move_batch
-- Moves a batch to the next stage; no row if the attempt has lost the batch.
UPDATE fcst_app.batch_status
SET stage = %(to_stage)s, finished_at = CASE WHEN %(to_stage)s = 'completed' THEN now() END,
    run_token = CASE WHEN %(to_stage)s <> 'completed' THEN run_token END,
    touched_at = clock_timestamp(), worked_s = %(worked_s)s, current_item = NULL, current_model = NULL
WHERE batch_id = %(batch_id)s AND attempt = %(attempt)s AND run_token = %(run_token)s AND stage = %(from_stage)s
RETURNING batch_id;

-- fence_batch
-- Locks the row of a batch for a write of its task, adds the finished items to its counts, and records the next item.
-- Finishing an item resets the retry count.
UPDATE fcst_app.batch_status
SET n_completed = n_completed + %(n_completed)s, n_failed = n_failed + %(n_failed)s,
    tries = CASE WHEN %(n_completed)s + %(n_failed)s > 0 THEN 0 ELSE tries END,
    current_item = %(current_item)s, current_model = NULL, touched_at = clock_timestamp(), worked_s = %(worked_s)s
WHERE batch_id = %(batch_id)s AND attempt = %(attempt)s AND run_token = %(run_token)s AND stage = %(stage)s
RETURNING job_id;

-- set_current_model
-- Records the model being fitted to the item in hand. Commits asynchronously: the record must survive a crash of the
-- process, not of the server.
SET LOCAL synchronous_commit = off;
UPDATE fcst_app.batch_status SET current_model = %(model)s, touched_at = clock_timestamp()
WHERE batch_id = %(batch_id)s AND attempt = %(attempt)s AND run_token = %(run_token)s AND current_item IS NOT NULL
RETURNING batch_id;

-- touch_batch
-- The heartbeat of a task between its writes; no row if the attempt has lost the batch.
UPDATE fcst_app.batch_status SET touched_at = clock_timestamp()
WHERE batch_id = %(batch_id)s AND attempt = %(attempt)s AND run_token = %(run_token)s
RETURNING batch_id;

-- check_batch
-- Whether a task still holds its batch.
SELECT batch_id FROM fcst_app.batch_status
WHERE batch_id = %(batch_id)s AND attempt = %(attempt)s AND run_token = %(run_token)s;

-- finish_items
-- Stores the outcomes of items of a batch.
UPDATE fcst_app.job_items i
SET outcome = u.outcome, reason = u.reason, provenance = u.provenance::jsonb, attempt = %(attempt)s,
    finished_at = clock_timestamp(), out_of_stock_weeks = u.out_of_stock_weeks, lost_units = u.lost_units,
    suspected_weeks = u.suspected_weeks, level_shift = u.level_shift, recent_stockouts = u.recent_stockouts,
    capped_units = u.capped_units
FROM unnest(%(unique_ids)s::text[], %(outcomes)s::text[], %(reasons)s::text[], %(provenances)s::text[],
            %(out_of_stock_weeks)s::integer[], %(lost_units)s::float8[], %(suspected_weeks)s::integer[],
            %(level_shifts)s::float8[], %(recent_stockouts)s::integer[], %(capped_units)s::float8[])
     AS u (unique_id, outcome, reason, provenance, out_of_stock_weeks, lost_units, suspected_weeks, level_shift,
           recent_stockouts, capped_units)
WHERE i.batch_id = %(batch_id)s AND i.unique_id = u.unique_id AND i.outcome = 'pending';

-- hold_attempt
-- Locks an open attempt in order to end it, and returns whether its job is being cancelled. Skips a row that a frozen
-- worker process has locked.
SELECT b.job_id, b.tries, b.run_token IS NOT NULL AS has_begun, b.current_item, b.current_model,
       j.cancel_requested_at IS NOT NULL AS is_cancelled
FROM fcst_app.batch_status b JOIN fcst_app.jobs j USING (job_id)
WHERE b.batch_id = %(batch_id)s AND b.attempt = %(attempt)s AND b.stage IN ('learning', 'obtaining_sales', 'processing', 'saving')
FOR UPDATE OF b SKIP LOCKED;

-- is_attempt_open
-- Whether an attempt is open, even if its row is locked.
SELECT EXISTS (
    SELECT 1 FROM fcst_app.batch_status WHERE batch_id = %(batch_id)s AND attempt = %(attempt)s
    AND stage IN ('learning', 'obtaining_sales', 'processing', 'saving')
) AS found;

-- end_held_attempt
-- Sets a batch back to waiting, or to failed or cancelled with its pending items counted.
UPDATE fcst_app.batch_status b
SET stage = %(stage)s, error = %(reason)s, run_token = NULL, tries = %(tries)s,
    current_item = NULL, current_model = NULL,
    finished_at = CASE WHEN %(stage)s <> 'submitted' THEN now() END,
    n_failed = n_failed + %(n_item_failures)s
               + CASE WHEN %(stage)s = 'failed' THEN n_items - n_completed - n_failed - n_cancelled ELSE 0 END,
    n_cancelled = n_cancelled
                  + CASE WHEN %(stage)s = 'cancelled' THEN n_items - n_completed - n_failed - n_cancelled ELSE 0 END
WHERE batch_id = %(batch_id)s;

-- end_pending_items
-- Ends the pending items of a failed or cancelled batch.
UPDATE fcst_app.job_items SET outcome = %(outcome)s, reason = %(reason)s, finished_at = clock_timestamp()
WHERE batch_id = %(batch_id)s AND outcome = 'pending';

-- cancel_waiting_batches
-- Cancels the waiting batches, with their items, of jobs with a cancel request.
WITH ended AS (
    UPDATE fcst_app.batch_status b
    SET stage = 'cancelled', finished_at = now(), error = 'cancelled by the user',
        n_cancelled = b.n_items - b.n_completed - b.n_failed
    FROM fcst_app.jobs j
    WHERE j.job_id = b.job_id AND j.status IS NULL AND j.cancel_requested_at IS NOT NULL AND b.stage = 'submitted'
    RETURNING b.batch_id
)
UPDATE fcst_app.job_items i SET outcome = 'cancelled', reason = 'cancelled by the user', finished_at = clock_timestamp()
FROM ended WHERE i.batch_id = ended.batch_id AND i.outcome = 'pending';

-- list_lost_batches
-- Claimed batches whose supervisor is lost or unknown, and batches of this supervisor that it does not run. Skips rows
-- that a frozen worker process has locked.
SELECT b.batch_id, b.job_id, b.batch_no, b.attempt, b.is_learning FROM fcst_app.batch_status b
LEFT JOIN fcst_app.workers w ON w.worker_id = b.worker_id
WHERE b.stage IN ('learning', 'obtaining_sales', 'processing', 'saving')
  AND (w.worker_id IS NULL OR w.worker_id = ANY (%(lost)s::uuid[])
       OR b.worker_id = %(worker_id)s AND b.batch_id <> ALL (%(running)s::bigint[]))
LIMIT 100 FOR UPDATE OF b SKIP LOCKED;

-- list_heartbeats
-- The last heartbeats of the given batches, and the longest time allowed without one: the time limit of an item plus a
-- margin. A task that has not begun may still wait for a worker process.
SELECT b.batch_id, b.touched_at, (j.spec ->> 'item_limit_s')::float8 + %(margin_s)s
       + CASE WHEN b.run_token IS NULL THEN %(wait_s)s ELSE 0 END AS limit_s
FROM fcst_app.batch_status b JOIN fcst_app.jobs j USING (job_id)
WHERE b.batch_id = ANY (%(running)s::bigint[]) AND b.stage IN ('learning', 'obtaining_sales', 'processing', 'saving');

-- retry_items
-- Sets failed and cancelled items of a job back to pending: all, the given ones, or those of a batch.
UPDATE fcst_app.job_items SET outcome = 'pending', reason = NULL, finished_at = NULL
WHERE job_id = %(job_id)s AND outcome IN ('failed', 'cancelled')
  AND (unique_id = ANY (%(unique_ids)s) OR %(unique_ids)s::text[] IS NULL)
  AND (batch_id = %(batch_id)s OR %(batch_id)s::bigint IS NULL);

-- lock_batch
-- Locks a batch of a job.
SELECT stage FROM fcst_app.batch_status WHERE job_id = %(job_id)s AND batch_id = %(batch_id)s FOR UPDATE;

-- retry_batches
-- Sets the batches of pending items back to waiting. Attempt numbers continue; the retry counts restart. Other failed
-- or cancelled items keep their outcomes. Deletes the stored accuracy sums of these batches. Retries a failed learning
-- only if no items were forecast without it.
UPDATE fcst_app.batch_status b
SET stage = 'submitted', tries = 0, worker_id = NULL, run_token = NULL, n_failed = i.n_failed,
    n_cancelled = i.n_cancelled, finished_at = NULL, error = NULL, submitted_at = now(), is_summed = false
FROM (
    SELECT batch_id, count(*) FILTER (WHERE outcome = 'failed') AS n_failed,
           count(*) FILTER (WHERE outcome = 'cancelled') AS n_cancelled
    FROM fcst_app.job_items
    WHERE job_id = %(job_id)s AND (batch_id = %(batch_id)s OR %(batch_id)s::bigint IS NULL)
    GROUP BY batch_id HAVING bool_or(outcome = 'pending')
) i
WHERE b.batch_id = i.batch_id;
UPDATE fcst_app.batch_status
SET stage = 'submitted', tries = 0, worker_id = NULL, run_token = NULL, finished_at = NULL, error = NULL,
    submitted_at = now()
WHERE job_id = %(job_id)s AND is_learning AND stage IN ('failed', 'cancelled') AND NOT EXISTS (
    SELECT FROM fcst_app.job_items i WHERE i.job_id = %(job_id)s AND i.outcome = 'completed');
DELETE FROM fcst_app.accuracy_sums a USING fcst_app.batch_status b
WHERE a.job_id = %(job_id)s AND b.batch_id = a.batch_id AND NOT b.is_summed;

-- list_batches
-- Batches of a job, optionally in given stages, in the requested order, then by number. Seconds increase while a batch
-- runs.
SELECT b.batch_id, b.batch_no, b.stage, b.attempt, w.host || ':' || w.pid AS worker, b.n_items, b.n_completed,
       b.n_failed, b.n_cancelled, b.submitted_at, b.started_at, b.finished_at, s.seconds,
       b.error, b.current_item, b.current_model
FROM fcst_app.batch_status b
LEFT JOIN fcst_app.workers w ON w.worker_id = b.worker_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN b.stage <> 'submitted' THEN
                greatest(EXTRACT(epoch FROM COALESCE(b.finished_at, now()) - b.started_at), 0)::float8 END AS seconds
) s
WHERE b.job_id = %(job_id)s AND NOT b.is_learning AND (b.stage = ANY (%(stages)s) OR %(stages)s::text[] IS NULL)
ORDER BY CASE %(sort)s
    WHEN 'urgent' THEN CASE WHEN b.stage IN ('learning', 'obtaining_sales', 'processing', 'saving') THEN 0
                            WHEN b.stage = 'failed' OR b.n_failed > 0 THEN 1 ELSE 2 END
    WHEN 'longest' THEN -s.seconds
    WHEN 'attempts' THEN -b.attempt
    WHEN 'failed' THEN -b.n_failed
    END NULLS LAST, b.batch_no
LIMIT %(limit)s OFFSET %(skip)s;

-- find_learning
-- The state of the learning of a run.
SELECT b.stage, b.attempt, w.host || ':' || w.pid AS worker, b.error, b.started_at, b.finished_at,
       greatest(EXTRACT(epoch FROM COALESCE(b.finished_at, now()) - b.started_at), 0)::float8 AS seconds
FROM fcst_app.batch_status b LEFT JOIN fcst_app.workers w ON w.worker_id = b.worker_id
WHERE b.job_id = %(job_id)s AND b.is_learning;

-- find_batch
-- The batch of a job with a number; without a number, a failed batch, or otherwise the first that has begun.
SELECT b.batch_id, b.batch_no, b.stage, b.attempt, w.host || ':' || w.pid AS worker
FROM fcst_app.batch_status b LEFT JOIN fcst_app.workers w ON w.worker_id = b.worker_id
WHERE b.job_id = %(job_id)s AND (b.batch_no = %(batch_no)s OR %(batch_no)s::integer IS NULL AND b.attempt > 0)
ORDER BY b.stage <> 'failed', b.batch_no LIMIT 1;

-- list_attempts
-- Attempts at the batches of a job, by start: begin, end, and the stage after the attempt. A running attempt ends now
-- and has no stage.
SELECT b.batch_no, e.attempt, e.at AS started_at, COALESCE(ended.at, now()) AS ended_at, ended.to_stage
FROM (
    SELECT batch_id, event_id, attempt, at FROM fcst_app.batch_events
    WHERE job_id = %(job_id)s AND to_stage IN ('learning', 'obtaining_sales')
    ORDER BY event_id LIMIT %(limit)s OFFSET %(skip)s
) e
JOIN fcst_app.batch_status b USING (batch_id)
LEFT JOIN LATERAL (
    SELECT at, to_stage FROM fcst_app.batch_events
    WHERE batch_id = e.batch_id AND event_id > e.event_id
      AND to_stage IN ('submitted', 'completed', 'failed', 'cancelled')
    ORDER BY event_id LIMIT 1
) ended ON true
ORDER BY e.event_id;

-- list_busy_jobs
-- The jobs with running batches.
SELECT DISTINCT job_id FROM fcst_app.batch_status
WHERE stage IN ('learning', 'obtaining_sales', 'processing', 'saving') ORDER BY job_id;

-- list_batch_events
-- Stage changes of a job's batches, newest first: all, or only those with a reason.
SELECT e.event_id, e.batch_id, b.batch_no, e.from_stage, e.to_stage, e.attempt, w.host || ':' || w.pid AS worker,
       e.reason, e.at
FROM fcst_app.batch_events e
JOIN fcst_app.batch_status b USING (batch_id)
LEFT JOIN fcst_app.workers w ON w.worker_id = e.worker_id
WHERE e.job_id = %(job_id)s AND (e.reason IS NOT NULL OR NOT %(only_with_reason)s)
ORDER BY e.event_id DESC LIMIT %(limit)s;

-- list_item_failures
-- The failed items of a job, with the reasons.
SELECT i.unique_id, b.batch_no, i.attempt, i.reason, i.finished_at
FROM fcst_app.job_items i JOIN fcst_app.batch_status b USING (batch_id)
WHERE i.job_id = %(job_id)s AND i.outcome = 'failed' ORDER BY i.sales_rank LIMIT %(limit)s OFFSET %(skip)s;

-- count_reasons
-- Reasons of a job's failed and cancelled items, most frequent first, with some of the items.
SELECT outcome, reason, count(*) AS n_items, count(DISTINCT batch_id) AS n_batches,
       (array_agg(unique_id ORDER BY sales_rank))[1:5] AS first_ids
FROM fcst_app.job_items WHERE job_id = %(job_id)s AND outcome IN ('failed', 'cancelled')
GROUP BY outcome, reason ORDER BY outcome DESC, n_items DESC, reason;

-- list_items_of_reason
-- The failed or cancelled items of a job with one reason.
SELECT unique_id FROM fcst_app.job_items
WHERE job_id = %(job_id)s AND outcome = %(outcome)s AND reason = %(reason)s ORDER BY sales_rank;
