-- claim_batches
-- The next waiting batches become this supervisor's. Ordered by batch number before job, so that jobs take turns.
WITH next AS (
    SELECT batch_id FROM fcst_app.batch_status WHERE stage = 'submitted'
    ORDER BY batch_no, job_id LIMIT %(n)s
    FOR UPDATE SKIP LOCKED
)
UPDATE fcst_app.batch_status b
SET stage = 'obtaining_sales', attempt = b.attempt + 1, tries = b.tries + 1, worker_id = %(worker_id)s,
    run_token = NULL, started_at = now(), error = NULL
FROM next WHERE b.batch_id = next.batch_id
RETURNING b.batch_id, b.job_id, b.batch_no, b.attempt, b.tries;

-- begin_batch
-- The task takes the batch, once: a second run with the same attempt finds the token taken.
UPDATE fcst_app.batch_status b SET run_token = %(run_token)s
FROM fcst_app.jobs j JOIN fcst_app.datasets d USING (dataset_id)
WHERE b.batch_id = %(batch_id)s AND b.attempt = %(attempt)s AND b.stage = 'obtaining_sales' AND b.run_token IS NULL
  AND j.job_id = b.job_id
RETURNING b.job_id, j.dataset_id, j.spec, d.last_wk_end_dt;

-- move_batch
-- The task moves its batch on; no row means that it is not its own any more.
UPDATE fcst_app.batch_status
SET stage = %(to_stage)s, finished_at = CASE WHEN %(to_stage)s = 'completed' THEN now() END,
    run_token = CASE WHEN %(to_stage)s <> 'completed' THEN run_token END
WHERE batch_id = %(batch_id)s AND attempt = %(attempt)s AND run_token = %(run_token)s AND stage = %(from_stage)s
RETURNING batch_id;

-- guard_fenced_write
-- A frozen worker may not hold its batch's row, and the server notices a vanished one.
SET LOCAL idle_in_transaction_session_timeout = '8s';
SET LOCAL client_connection_check_interval = '2s';

-- fence_batch
-- Holds the batch's row for a write of its task, and counts the items that it ends.
UPDATE fcst_app.batch_status
SET n_completed = n_completed + %(n_completed)s, n_failed = n_failed + %(n_failed)s
WHERE batch_id = %(batch_id)s AND attempt = %(attempt)s AND run_token = %(run_token)s AND stage = %(stage)s
RETURNING job_id;

-- finish_items
-- How items of a batch ended.
UPDATE fcst_app.job_items i
SET outcome = u.outcome, reason = u.reason, attempt = %(attempt)s, finished_at = clock_timestamp()
FROM unnest(%(unique_ids)s::text[], %(outcomes)s::text[], %(reasons)s::text[]) AS u (unique_id, outcome, reason)
WHERE i.batch_id = %(batch_id)s AND i.unique_id = u.unique_id AND i.outcome = 'pending';

-- end_batch
-- The supervisor ends an attempt that did not complete: the batch waits again, or has failed or been cancelled.
-- A job that is to stop gets no new attempt.
UPDATE fcst_app.batch_status b
SET stage = e.stage, error = e.reason, run_token = NULL,
    tries = b.tries - %(forgiven)s,
    finished_at = CASE WHEN e.stage <> 'submitted' THEN now() END,
    n_failed = b.n_failed + CASE WHEN e.stage = 'failed' THEN e.n_pending ELSE 0 END,
    n_cancelled = b.n_cancelled + CASE WHEN e.stage = 'cancelled' THEN e.n_pending ELSE 0 END
FROM (
    SELECT b.batch_id, b.n_items - b.n_completed - b.n_failed - b.n_cancelled AS n_pending,
           CASE WHEN j.cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE %(to_stage)s END AS stage,
           CASE WHEN j.cancel_requested_at IS NOT NULL THEN 'cancelled by the user' ELSE %(reason)s END AS reason
    FROM fcst_app.batch_status b JOIN fcst_app.jobs j USING (job_id)
    WHERE b.batch_id = %(batch_id)s FOR UPDATE OF b
) e
WHERE b.batch_id = e.batch_id AND b.attempt = %(attempt)s AND b.stage IN ('obtaining_sales', 'processing', 'saving')
RETURNING b.stage, b.error;

-- end_pending_items
-- The items that a failed or cancelled batch leaves behind.
UPDATE fcst_app.job_items SET outcome = %(outcome)s, reason = %(reason)s, finished_at = clock_timestamp()
WHERE batch_id = %(batch_id)s AND outcome = 'pending';

-- cancel_waiting_batches
-- The waiting batches of jobs that are to stop, and their items, end at once.
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
-- Batches whose supervisor left or let its lease run out, and those of this supervisor that it does not know to run;
-- a row that its frozen worker holds is passed over.
SELECT b.batch_id, b.attempt, b.tries FROM fcst_app.batch_status b
LEFT JOIN fcst_app.workers w ON w.worker_id = b.worker_id
WHERE b.finished_at IS NULL AND b.stage <> 'submitted' AND (w.worker_id IS NULL OR w.lease_expires_at <= now()
       OR b.worker_id = %(worker_id)s AND b.batch_id <> ALL (%(running)s::bigint[]))
LIMIT 100 FOR UPDATE OF b SKIP LOCKED;

-- retry_items
-- The failed and cancelled items of a job are to be computed once more.
UPDATE fcst_app.job_items SET outcome = 'pending', reason = NULL, finished_at = NULL
WHERE job_id = %(job_id)s AND outcome IN ('failed', 'cancelled');

-- retry_batches
-- The batches of those items wait again; the attempt counts on, the tries begin anew.
UPDATE fcst_app.batch_status
SET stage = 'submitted', tries = 0, worker_id = NULL, run_token = NULL, n_failed = 0, n_cancelled = 0,
    finished_at = NULL, error = NULL, submitted_at = now()
WHERE job_id = %(job_id)s AND n_failed + n_cancelled > 0;

-- list_batches
-- The batches of a job, in order; seconds tick while one runs.
SELECT b.batch_id, b.batch_no, b.stage, b.attempt, w.host || ':' || w.pid AS worker, b.n_items, b.n_completed,
       b.n_failed, b.n_cancelled, b.submitted_at, b.started_at, b.finished_at,
       CASE WHEN b.stage <> 'submitted' THEN
            EXTRACT(epoch FROM COALESCE(b.finished_at, now()) - b.started_at)::float8 END AS seconds,
       b.error
FROM fcst_app.batch_status b LEFT JOIN fcst_app.workers w ON w.worker_id = b.worker_id
WHERE b.job_id = %(job_id)s ORDER BY b.batch_no;

-- count_stages
-- How many batches of a job are in each stage.
SELECT stage, count(*) AS n FROM fcst_app.batch_status WHERE job_id = %(job_id)s GROUP BY stage;

-- list_batch_events
-- Every change of stage of a job's batches, in order.
SELECT e.batch_id, b.batch_no, e.from_stage, e.to_stage, e.attempt, e.reason, e.at
FROM fcst_app.batch_events e JOIN fcst_app.batch_status b USING (batch_id)
WHERE b.job_id = %(job_id)s ORDER BY e.event_id;

-- list_item_failures
-- The items of a job that failed, with the reason.
SELECT i.unique_id, b.batch_no, i.attempt, i.reason, i.finished_at
FROM fcst_app.job_items i JOIN fcst_app.batch_status b USING (batch_id)
WHERE i.job_id = %(job_id)s AND i.outcome = 'failed' ORDER BY i.sales_rank;
