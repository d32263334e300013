-- register_worker
-- Registers a supervisor with a lease.
INSERT INTO fcst_app.workers (worker_id, host, pid, process_start, version, processes, lease_s, lease_expires_at)
VALUES (%(worker_id)s, %(host)s, %(pid)s, %(process_start)s, %(version)s, %(processes)s, %(lease_s)s,
        now() + make_interval(secs => %(lease_s)s));

-- find_worker
-- A supervisor, whether or not its lease is valid.
SELECT worker_id FROM fcst_app.workers WHERE worker_id = %(worker_id)s;

-- renew_lease
-- The heartbeat: extends the lease of a supervisor, so that it keeps its batches. Returns the schema version.
UPDATE fcst_app.workers SET lease_expires_at = now() + make_interval(secs => lease_s)
WHERE worker_id = %(worker_id)s AND stopped_at IS NULL
RETURNING (SELECT max(m.version) FROM fcst_app.migrations m) AS schema_version;

-- stop_worker
-- Signs off a supervisor; its lease ends.
UPDATE fcst_app.workers SET stopped_at = now(), lease_expires_at = now() WHERE worker_id = %(worker_id)s;

-- list_live_workers
-- Supervisors with a valid lease.
SELECT worker_id::text, host, pid, process_start, processes, problem FROM fcst_app.live_workers ORDER BY started_at;

-- list_leases
-- Leases of other supervisors that hold work, and whether they are valid by the database's clock.
SELECT w.worker_id::text, w.lease_s, w.lease_expires_at,
       EXISTS (SELECT FROM fcst_app.live_workers l WHERE l.worker_id = w.worker_id) AS holds
FROM fcst_app.workers w
WHERE w.worker_id <> %(worker_id)s AND w.worker_id IN (
    SELECT worker_id FROM fcst_app.batch_status WHERE stage IN ('learning', 'obtaining_sales', 'processing', 'saving')
    UNION SELECT worker_id FROM fcst_app.ingests WHERE status = 'running');

-- list_lapsed_workers
-- Supervisors that have not signed off and whose lease has expired or that are known to have ended, with the work that
-- they hold; without work, only the given process.
SELECT w.worker_id::text, w.host, w.pid, w.process_start, w.lease_expires_at,
       EXTRACT(epoch FROM now() - w.lease_expires_at)::float8 AS lapsed_s, b.n AS n_batches, i.n AS n_ingests
FROM fcst_app.workers w
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM fcst_app.batch_status
    WHERE worker_id = w.worker_id AND stage IN ('learning', 'obtaining_sales', 'processing', 'saving')
) b
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM fcst_app.ingests WHERE worker_id = w.worker_id AND status = 'running'
) i
WHERE w.stopped_at IS NULL AND (w.worker_id = ANY (%(gone)s::uuid[])
       OR NOT EXISTS (SELECT FROM fcst_app.live_workers l WHERE l.worker_id = w.worker_id))
  AND (b.n + i.n > 0 OR w.host = %(host)s AND w.pid = %(pid)s)
ORDER BY w.lease_expires_at;

-- look_for_work
-- Jobs and ingests with a cancel request, whether any is open, the seconds until the next notification is due, and
-- whether a job waits only for its final status.
SELECT ARRAY(SELECT job_id FROM fcst_app.jobs WHERE status IS NULL AND cancel_requested_at IS NOT NULL) AS cancelled_jobs,
       ARRAY(SELECT ingest_id FROM fcst_app.ingests WHERE finished_at IS NULL AND cancel_requested_at IS NOT NULL)
       AS cancelled_ingests,
       EXISTS (SELECT 1 FROM fcst_app.jobs WHERE status IS NULL) AS has_jobs,
       EXISTS (SELECT 1 FROM fcst_app.ingests WHERE finished_at IS NULL) AS has_ingests,
       (SELECT min(CASE WHEN due_at > now() + interval '5 hours' THEN 0 ELSE EXTRACT(epoch FROM (due_at - now())) END)::float8
        FROM fcst_app.notifications
        WHERE %(include_notifications)s AND delivered_at IS NULL AND gave_up_at IS NULL
          AND ended_at > now() - interval '1 day') AS next_notification_s,
       EXISTS (
           SELECT 1 FROM fcst_app.jobs j WHERE j.status IS NULL AND NOT EXISTS (
               SELECT 1 FROM fcst_app.batch_status b WHERE b.job_id = j.job_id AND b.finished_at IS NULL
           )
       ) AS has_ended_jobs;

-- set_problem
-- Stores the problem that stops a supervisor's work; pages show it.
UPDATE fcst_app.workers SET problem = %(problem)s WHERE worker_id = %(worker_id)s;
