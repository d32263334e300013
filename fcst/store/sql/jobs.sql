-- hold_dataset
-- Locks a dataset against deletion until the end of the transaction.
SELECT dataset_id FROM fcst_app.datasets WHERE dataset_id = %(dataset_id)s FOR KEY SHARE;

-- insert_job
-- Inserts a job, before its batches.
INSERT INTO fcst_app.jobs (dataset_id, name, note, spec, n_items, n_batches)
VALUES (%(dataset_id)s, %(name)s, %(note)s, %(spec)s, %(n_items)s, %(n_batches)s)
RETURNING job_id;

-- count_chosen
-- Number of chosen items of a dataset.
SELECT count(*)::integer AS n_items FROM ({chosen}) d;

-- insert_batches
-- Inserts all batches of a job; the last one has the remaining items.
INSERT INTO fcst_app.batch_status (job_id, batch_no, n_items)
SELECT %(job_id)s, n, least(%(batch_size)s, %(n_items)s - (n - 1) * %(batch_size)s)
FROM generate_series(1, %(n_batches)s) n ORDER BY n;

-- insert_learning
-- Inserts the learning of a job, which runs before its batches.
INSERT INTO fcst_app.batch_status (job_id, batch_no, n_items, is_learning) VALUES (%(job_id)s, 0, 0, true);

-- insert_job_items
-- Inserts all items of a job in batches, the largest sellers in the first. Batches are selected as an array, not
-- joined: a new job has no planner statistics, and PostgreSQL would read all items again for each batch.
INSERT INTO fcst_app.job_items (job_id, unique_id, batch_id, sales_rank)
SELECT %(job_id)s, d.unique_id,
       (ARRAY(SELECT b.batch_id FROM fcst_app.batch_status b
              WHERE b.job_id = %(job_id)s AND b.batch_no > 0 ORDER BY b.batch_no))
           [(row_number() OVER (ORDER BY d.sales_rank) - 1) / %(batch_size)s + 1],
       d.sales_rank
FROM ({chosen}) d;

-- list_jobs
-- Jobs with status and counts, newest first: all, or those that match; n_found is the total number of matches. Searches
-- words in name and note; a job id matches too.
WITH found AS (
    SELECT j.job_id, s.status, count(*) OVER () AS n_found
    FROM fcst_app.jobs j
    CROSS JOIN LATERAL (
        SELECT COALESCE(j.status, CASE WHEN (
            SELECT max(started_at) FROM fcst_app.batch_status WHERE job_id = j.job_id
        ) IS NULL THEN 'submitted' ELSE 'running' END) AS status
    ) s
    WHERE (j.job_id = %(job_id)s OR %(job_id)s::integer IS NULL)
      AND (s.status = ANY (%(statuses)s) OR %(statuses)s::text[] IS NULL)
      AND (j.dataset_id = %(dataset_id)s OR %(dataset_id)s::integer IS NULL)
      AND (strpos(lower(concat_ws(' ', j.name, j.note)), lower(%(words)s)) > 0 OR j.job_id::text = %(words)s)
    ORDER BY j.job_id DESC LIMIT %(limit)s OFFSET %(skip)s
)
SELECT j.job_id, j.dataset_id, d.name AS dataset, d.version AS dataset_version, d.include_promo, d.last_wk_end_dt,
       d.attribute_change, j.name, j.note, j.spec, j.n_items, j.n_batches, j.submitted_at, j.finished_at, j.cancel_requested_at,
       b.n_completed, b.n_failed, b.n_cancelled, b.n_attempts, b.batches, b.learning, b.started_at, f.status, f.n_found,
       b.n_completed + b.n_failed - j.n_done_before AS n_done_now, b.worked_s, b.n_busy,
       (SELECT a.who FROM fcst_app.actions a WHERE a.noun = 'job' AND a.number = j.job_id
         AND a.action = 'submit') AS submitted_by,
       greatest(EXTRACT(epoch FROM COALESCE(j.finished_at, now()) - b.working_since), 0)::float8 AS running_s
FROM found f
JOIN fcst_app.jobs j USING (job_id)
JOIN fcst_app.datasets d USING (dataset_id)
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(n_completed), 0)::integer AS n_completed, COALESCE(sum(n_failed), 0)::integer AS n_failed,
           COALESCE(sum(n_cancelled), 0)::integer AS n_cancelled, COALESCE(sum(attempt), 0)::integer AS n_attempts,
           COALESCE(sum(worked_s) FILTER (WHERE NOT is_learning), 0) AS worked_s,
           count(*) FILTER (WHERE stage IN ('obtaining_sales', 'processing', 'saving'))::integer AS n_busy,
           jsonb_strip_nulls(jsonb_build_object(
               'submitted', NULLIF(count(*) FILTER (WHERE stage = 'submitted' AND NOT is_learning), 0),
               'obtaining_sales', NULLIF(count(*) FILTER (WHERE stage = 'obtaining_sales' AND NOT is_learning), 0),
               'processing', NULLIF(count(*) FILTER (WHERE stage = 'processing' AND NOT is_learning), 0),
               'saving', NULLIF(count(*) FILTER (WHERE stage = 'saving' AND NOT is_learning), 0),
               'completed', NULLIF(count(*) FILTER (WHERE stage = 'completed' AND NOT is_learning), 0),
               'failed', NULLIF(count(*) FILTER (WHERE stage = 'failed' AND NOT is_learning), 0),
               'cancelled', NULLIF(count(*) FILTER (WHERE stage = 'cancelled' AND NOT is_learning), 0)
           )) AS batches,
           min(stage) FILTER (WHERE is_learning) AS learning, min(started_at) AS started_at,
           min(started_at) FILTER (WHERE started_at >= j.resumed_at) AS working_since
    FROM fcst_app.batch_status WHERE job_id = j.job_id
) b
ORDER BY j.job_id DESC;

-- forget_idempotency_keys
-- Deletes idempotency keys older than two days: they are valid for a day, and the clock may be set ahead by another.
DELETE FROM fcst_app.idempotency_keys WHERE created_at < now() - interval '2 days';

-- take_idempotency_key
-- Inserts an idempotency key, if it is new; waits for a concurrent transaction that has inserted the same key.
INSERT INTO fcst_app.idempotency_keys (who, key, fingerprint) VALUES (%(who)s, %(key)s, %(fingerprint)s)
ON CONFLICT (who, key) DO NOTHING;

-- find_idempotency_key
-- The fingerprint and job of a valid idempotency key.
SELECT fingerprint, job_id FROM fcst_app.idempotency_keys
WHERE who = %(who)s AND key = %(key)s AND created_at >= now() - interval '2 days';

-- fill_idempotency_key
-- Stores the job of an idempotency key.
UPDATE fcst_app.idempotency_keys SET job_id = %(job_id)s WHERE who = %(who)s AND key = %(key)s;

-- count_jobs
-- Number of jobs by status.
SELECT s.status, count(*)::integer AS n
FROM fcst_app.jobs j
CROSS JOIN LATERAL (
    SELECT COALESCE(j.status, CASE WHEN EXISTS (
        SELECT 1 FROM fcst_app.batch_status WHERE job_id = j.job_id AND started_at IS NOT NULL
    ) THEN 'running' ELSE 'submitted' END) AS status
) s
GROUP BY s.status;

-- count_open_batches
-- Number of batches of open jobs by stage, and the age of the oldest.
SELECT b.stage, count(*)::integer AS n, greatest(EXTRACT(epoch FROM now() - min(b.submitted_at)), 0)::float8 AS age_s
FROM fcst_app.jobs j JOIN fcst_app.batch_status b USING (job_id)
WHERE j.status IS NULL GROUP BY b.stage;

-- find_pace
-- The speed of the most similar run with these models: among the newest runs completed on this host at the first
-- attempt, one on the same dataset, or otherwise the one with the nearest number of items. In seconds: from submission
-- to the first batch, learning, one item on one core, and from the last batch to the end.
WITH alike AS (
    SELECT j.job_id, j.submitted_at, j.finished_at, j.n_items, (j.spec ->> 'n_windows')::integer AS n_windows,
           d.name = %(dataset)s AS is_of_dataset
    FROM fcst_app.jobs j JOIN fcst_app.datasets d USING (dataset_id)
    WHERE j.status = 'completed' AND j.spec -> 'models' = %(models)s::jsonb
      AND COALESCE((j.spec ->> 'learns')::boolean, false) = %(learns)s
    ORDER BY j.job_id DESC LIMIT 10
)
SELECT a.job_id, a.n_windows, b.start_s, b.learning_s, b.work_s / b.n_done AS item_s, b.end_s
FROM alike a
CROSS JOIN LATERAL (
    SELECT sum(s.n_completed + s.n_failed) AS n_done, bool_and(s.attempt = 1 AND w.host = %(host)s) AS is_alike,
           greatest(EXTRACT(epoch FROM (min(s.started_at) - a.submitted_at)), 0)::float8 AS start_s,
           greatest(EXTRACT(epoch FROM (a.finished_at - max(s.finished_at))), 0)::float8 AS end_s,
           COALESCE(sum(s.worked_s) FILTER (WHERE s.is_learning), 0) AS learning_s,
           sum(s.worked_s) FILTER (WHERE NOT s.is_learning) AS work_s
    FROM fcst_app.batch_status s LEFT JOIN fcst_app.workers w USING (worker_id) WHERE s.job_id = a.job_id
) b
WHERE b.is_alike AND b.n_done > 0
ORDER BY a.is_of_dataset DESC, abs(ln(a.n_items::float8 / %(n_items)s)), a.job_id DESC LIMIT 1;

-- newest_job_of_item
-- The newest job with a forecast of an item, on any version of a dataset.
SELECT j.job_id FROM fcst_app.datasets d
JOIN fcst_app.datasets v ON v.name = d.name
JOIN fcst_app.jobs j ON j.dataset_id = v.dataset_id
JOIN fcst_app.job_items i ON i.job_id = j.job_id AND i.unique_id = %(unique_id)s AND i.outcome = 'completed'
WHERE d.dataset_id = %(dataset_id)s ORDER BY j.job_id DESC LIMIT 1;

-- list_job_keys
-- The keys of a job's items, largest sellers first.
SELECT unique_id FROM fcst_app.job_items WHERE job_id = %(job_id)s ORDER BY sales_rank;

-- lock_job
-- Locks the row of a job until the end of the transaction.
SELECT job_id, status, cancel_requested_at FROM fcst_app.jobs WHERE job_id = %(job_id)s FOR UPDATE;

-- request_cancel
-- Requests the cancellation of a job.
UPDATE fcst_app.jobs SET cancel_requested_at = now()
WHERE job_id = %(job_id)s AND status IS NULL AND cancel_requested_at IS NULL;

-- reopen_job
-- Reopens a job for a retry. Failed items that are not retried count as done.
UPDATE fcst_app.jobs
SET status = NULL, finished_at = NULL, cancel_requested_at = NULL, resumed_at = now(),
    n_done_before = (SELECT sum(n_completed + n_failed) FROM fcst_app.batch_status b WHERE b.job_id = jobs.job_id)
WHERE job_id = %(job_id)s AND status IS NOT NULL;

-- lock_ended_jobs
-- Locks jobs whose last batch has ended, until the end of the transaction; skips rows that others have locked.
SELECT j.job_id FROM fcst_app.jobs j
WHERE j.status IS NULL
  AND NOT EXISTS (SELECT 1 FROM fcst_app.batch_status b WHERE b.job_id = j.job_id AND b.finished_at IS NULL)
ORDER BY j.job_id FOR UPDATE SKIP LOCKED;

-- freeze_ended_jobs
-- Sets the final status of the locked jobs whose last batch has ended: cancelled if a user's cancel has ended any item,
-- even before a retry of others; otherwise failed if no item completed; otherwise completed. Writes the notification
-- with the data of this moment.
WITH ended AS (
    UPDATE fcst_app.jobs j
    SET finished_at = now(),
        status = CASE WHEN EXISTS (SELECT 1 FROM fcst_app.batch_status b WHERE b.job_id = j.job_id AND b.n_cancelled > 0)
                      THEN 'cancelled'
                      WHEN EXISTS (SELECT 1 FROM fcst_app.batch_status b WHERE b.job_id = j.job_id AND b.n_completed > 0)
                      THEN 'completed' ELSE 'failed' END
    WHERE j.job_id = ANY (%(job_ids)s) AND j.status IS NULL
      AND NOT EXISTS (SELECT 1 FROM fcst_app.batch_status b WHERE b.job_id = j.job_id AND b.finished_at IS NULL)
    RETURNING j.job_id, j.status, j.name, j.dataset_id, j.n_items
)
INSERT INTO fcst_app.notifications (job_id, data)
SELECT e.job_id, jsonb_build_object(
    'job_id', e.job_id, 'status', e.status, 'name', e.name, 'dataset', d.name, 'dataset_version', d.version,
    'n_items', e.n_items, 'n_completed', b.n_completed, 'n_failed', b.n_failed, 'n_cancelled', b.n_cancelled)
FROM ended e
JOIN fcst_app.datasets d USING (dataset_id)
CROSS JOIN LATERAL (
    SELECT sum(n_completed) AS n_completed, sum(n_failed) AS n_failed, sum(n_cancelled) AS n_cancelled
    FROM fcst_app.batch_status WHERE job_id = e.job_id
) b;

-- list_ended_jobs
-- Jobs that ended long ago, or all ended jobs except the newest; oldest first.
SELECT e.job_id, e.name, e.dataset, e.status, e.n_items, e.finished_at
FROM (
    SELECT j.job_id, j.name, d.name AS dataset, j.status, j.n_items, j.finished_at,
           row_number() OVER (ORDER BY j.finished_at DESC, j.job_id DESC) AS place
    FROM fcst_app.jobs j JOIN fcst_app.datasets d USING (dataset_id) WHERE j.finished_at IS NOT NULL
) e
WHERE e.finished_at < now() - make_interval(days => %(days)s) OR e.place > %(n_kept)s::integer
ORDER BY e.finished_at, e.job_id;

-- lock_ended_job
-- Locks the row of a job until the end of the transaction, if it has not been retried since.
SELECT job_id FROM fcst_app.jobs WHERE job_id = %(job_id)s AND finished_at = %(finished_at)s FOR UPDATE;

-- delete_jobs
-- Deletes jobs with all their data. Events are deleted first: there are many, and the cascade of a foreign key would
-- delete them row by row.
DELETE FROM fcst_app.forecasts WHERE job_id = ANY (%(job_ids)s);
DELETE FROM fcst_app.forecast_sums WHERE job_id = ANY (%(job_ids)s);
DELETE FROM fcst_app.metrics WHERE job_id = ANY (%(job_ids)s);
DELETE FROM fcst_app.backtests WHERE job_id = ANY (%(job_ids)s);
DELETE FROM fcst_app.accuracy_sums WHERE job_id = ANY (%(job_ids)s);
DELETE FROM fcst_app.learned WHERE job_id = ANY (%(job_ids)s);
DELETE FROM fcst_app.job_items WHERE job_id = ANY (%(job_ids)s);
DELETE FROM fcst_app.batch_events WHERE job_id = ANY (%(job_ids)s);
DELETE FROM fcst_app.jobs WHERE job_id = ANY (%(job_ids)s);

-- has_jobs
-- Whether there is a job, and one that is open.
SELECT EXISTS (SELECT FROM fcst_app.jobs) AS has_any, EXISTS (SELECT FROM fcst_app.jobs WHERE status IS NULL) AS has_open;

-- has_forecasts
-- Whether any run has a completed item.
SELECT EXISTS (SELECT FROM fcst_app.batch_status WHERE n_completed > 0) AS found;

-- last_changes
-- When a batch of each of some jobs last changed its stage; the submission time without changes.
SELECT j.job_id, COALESCE((SELECT max(e.at) FROM fcst_app.batch_events e WHERE e.job_id = j.job_id), j.submitted_at) AS at
FROM fcst_app.jobs j WHERE j.job_id = ANY (%(job_ids)s);
