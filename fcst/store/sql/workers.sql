-- register_worker
-- A supervisor is there, with a lease.
INSERT INTO fcst_app.workers (worker_id, host, pid, version, processes, lease_expires_at)
VALUES (%(worker_id)s, %(host)s, %(pid)s, %(version)s, %(processes)s, now() + make_interval(secs => %(lease_s)s));

-- renew_lease
-- The heartbeat: its batches stay its own.
UPDATE fcst_app.workers SET lease_expires_at = now() + make_interval(secs => %(lease_s)s)
WHERE worker_id = %(worker_id)s AND stopped_at IS NULL;

-- stop_worker
-- A supervisor leaves in good order, and holds nothing any more.
UPDATE fcst_app.workers SET stopped_at = now(), lease_expires_at = now() WHERE worker_id = %(worker_id)s;

-- list_live_workers
-- The supervisors whose lease holds.
SELECT worker_id::text, host, pid, version, processes, started_at, lease_expires_at
FROM fcst_app.workers WHERE stopped_at IS NULL AND lease_expires_at > now() ORDER BY started_at;

-- has_work
-- Whether anything is left for a supervisor to do.
SELECT EXISTS (SELECT 1 FROM fcst_app.jobs WHERE status IS NULL)
    OR EXISTS (SELECT 1 FROM fcst_app.ingests WHERE finished_at IS NULL) AS found;
