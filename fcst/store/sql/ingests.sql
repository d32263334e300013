-- insert_ingest
-- Submits an ingest.
INSERT INTO fcst_app.ingests (spec) VALUES (%(spec)s) RETURNING ingest_id;

-- claim_ingest
-- Claims the oldest waiting ingest for a supervisor; none if the schema is newer.
WITH next AS (
    SELECT i.ingest_id FROM fcst_app.ingests i
    WHERE i.status = 'submitted' AND i.cancel_requested_at IS NULL
      AND NOT EXISTS (SELECT FROM fcst_app.migrations m WHERE m.version > %(schema_version)s)
    ORDER BY i.ingest_id LIMIT 1
    FOR UPDATE OF i SKIP LOCKED
)
UPDATE fcst_app.ingests i
SET status = 'running', attempt = attempt + 1, worker_id = %(worker_id)s, run_token = NULL, started_at = now(),
    progress = NULL, done_bytes = 0, total_bytes = 0, phase_s = 0
FROM next WHERE i.ingest_id = next.ingest_id
RETURNING i.ingest_id, i.attempt;

-- begin_ingest
-- Begins an attempt at an ingest, once.
UPDATE fcst_app.ingests SET run_token = %(run_token)s
WHERE ingest_id = %(ingest_id)s AND attempt = %(attempt)s AND status = 'running' AND run_token IS NULL
  AND cancel_requested_at IS NULL
RETURNING spec;

-- set_ingest_progress
-- Stores the progress of an ingest: the current step, its seconds so far, and the bytes.
UPDATE fcst_app.ingests
SET progress = %(progress)s, phase_s = %(phase_s)s, done_bytes = %(done_bytes)s, total_bytes = %(total_bytes)s
WHERE ingest_id = %(ingest_id)s AND run_token = %(run_token)s AND status = 'running';

-- complete_ingest
-- Completes an ingest, in the transaction that wrote its dataset; not if it was cancelled meanwhile.
UPDATE fcst_app.ingests
SET status = 'completed', dataset_id = %(dataset_id)s, finished_at = now(), progress = NULL
WHERE ingest_id = %(ingest_id)s AND run_token = %(run_token)s AND status = 'running' AND cancel_requested_at IS NULL
RETURNING ingest_id;

-- fail_ingest
-- Ends an ingest whose file was refused or whose task failed.
UPDATE fcst_app.ingests
SET status = 'failed', error = %(error)s, hint = %(hint)s, report = %(report)s, finished_at = now(), progress = NULL,
    run_token = NULL
WHERE ingest_id = %(ingest_id)s AND attempt = %(attempt)s AND status = 'running';

-- request_ingest_cancel
-- Requests the cancellation of an ingest. Its supervisor cancels it, or any supervisor if it waits.
UPDATE fcst_app.ingests SET cancel_requested_at = now()
WHERE ingest_id = %(ingest_id)s AND finished_at IS NULL AND cancel_requested_at IS NULL;

-- cancel_waiting_ingests
-- Cancels ingests with a cancel request that no supervisor runs: not begun, or without a valid lease.
UPDATE fcst_app.ingests i SET status = 'cancelled', finished_at = now(), progress = NULL, run_token = NULL
WHERE i.finished_at IS NULL AND i.cancel_requested_at IS NOT NULL
  AND (i.status = 'submitted'
       OR NOT EXISTS (SELECT FROM fcst_app.live_workers w WHERE w.worker_id = i.worker_id))
RETURNING i.ingest_id;

-- cancel_ingest
-- Cancels a running ingest; later writes of its task are refused.
UPDATE fcst_app.ingests SET status = 'cancelled', finished_at = now(), progress = NULL, run_token = NULL
WHERE ingest_id = %(ingest_id)s AND attempt = %(attempt)s AND status = 'running';

-- release_ingest
-- Sets an ingest back to waiting for another attempt, after its process died or its supervisor stopped.
UPDATE fcst_app.ingests SET status = 'submitted', run_token = NULL, worker_id = NULL
WHERE ingest_id = %(ingest_id)s AND attempt = %(attempt)s AND status = 'running';

-- release_lost_ingests
-- Releases ingests of lost supervisors, and those of this supervisor that it does not run.
UPDATE fcst_app.ingests SET status = 'submitted', run_token = NULL, worker_id = NULL
WHERE status = 'running' AND (worker_id = ANY (%(lost)s::uuid[])
       OR worker_id = %(worker_id)s AND ingest_id <> ALL (%(running)s::integer[]));

-- get_ingest
-- One ingest.
SELECT ingest_id, spec, status, attempt, progress, done_bytes, total_bytes,
       phase_s, cancel_requested_at, error, hint, report, dataset_id, submitted_at, started_at, finished_at
FROM fcst_app.ingests WHERE ingest_id = %(ingest_id)s;

-- list_open_ingests
-- Ingests that wait or run.
SELECT ingest_id, spec, status, attempt, progress, done_bytes, total_bytes,
       phase_s, cancel_requested_at, error, hint, report, dataset_id, submitted_at, started_at, finished_at
FROM fcst_app.ingests WHERE finished_at IS NULL ORDER BY ingest_id;

-- list_uploads
-- Paths of uploads that may still be read; for a failed load with bad rows, the user may still load the valid rows.
SELECT DISTINCT p.path
FROM fcst_app.ingests i CROSS JOIN LATERAL jsonb_array_elements_text(i.spec -> 'paths') AS p (path)
WHERE (i.spec ->> 'is_upload')::boolean AND (i.finished_at IS NULL OR i.status = 'failed' AND i.report IS NOT NULL)
ORDER BY p.path;

-- move_uploads
-- Changes the folder of all uploads. Clears the fingerprint, because the copied files are new files with the same
-- content.
UPDATE fcst_app.ingests i
SET spec = i.spec || jsonb_build_object('fingerprint', '', 'paths', (
    SELECT jsonb_agg(%(folder)s || '/' || substring(p.path FROM '[^/]+/[^/]+$') ORDER BY p.place)
    FROM jsonb_array_elements_text(i.spec -> 'paths') WITH ORDINALITY AS p (path, place)))
WHERE (i.spec ->> 'is_upload')::boolean;
