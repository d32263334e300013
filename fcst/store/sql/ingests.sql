-- insert_ingest
-- A file is to be read.
INSERT INTO fcst_app.ingests (spec) VALUES (%(spec)s) RETURNING ingest_id;

-- claim_ingest
-- The oldest waiting ingest becomes this supervisor's. None where the schema is newer.
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
-- The task takes the ingest, once.
UPDATE fcst_app.ingests SET run_token = %(run_token)s
WHERE ingest_id = %(ingest_id)s AND attempt = %(attempt)s AND status = 'running' AND run_token IS NULL
  AND cancel_requested_at IS NULL
RETURNING spec;

-- set_ingest_progress
-- What the reading does now, in words, since when, and how far it is with it.
UPDATE fcst_app.ingests
SET progress = %(progress)s, phase_s = %(phase_s)s, done_bytes = %(done_bytes)s, total_bytes = %(total_bytes)s
WHERE ingest_id = %(ingest_id)s AND run_token = %(run_token)s AND status = 'running';

-- complete_ingest
-- The dataset is there; in the transaction that wrote it. Not if the user has cancelled meanwhile.
UPDATE fcst_app.ingests
SET status = 'completed', dataset_id = %(dataset_id)s, finished_at = now(), progress = NULL
WHERE ingest_id = %(ingest_id)s AND run_token = %(run_token)s AND status = 'running' AND cancel_requested_at IS NULL
RETURNING ingest_id;

-- fail_ingest
-- The file was refused, or its reading broke off.
UPDATE fcst_app.ingests
SET status = 'failed', error = %(error)s, hint = %(hint)s, report = %(report)s, finished_at = now(), progress = NULL,
    run_token = NULL
WHERE ingest_id = %(ingest_id)s AND attempt = %(attempt)s AND status = 'running';

-- request_ingest_cancel
-- The user wants it to stop; its supervisor ends it, or whoever finds it waiting.
UPDATE fcst_app.ingests SET cancel_requested_at = now()
WHERE ingest_id = %(ingest_id)s AND finished_at IS NULL AND cancel_requested_at IS NULL;

-- cancel_waiting_ingests
-- Those that are to stop and that no supervisor runs: none has begun, or its lease does not hold.
UPDATE fcst_app.ingests i SET status = 'cancelled', finished_at = now(), progress = NULL, run_token = NULL
WHERE i.finished_at IS NULL AND i.cancel_requested_at IS NOT NULL
  AND (i.status = 'submitted'
       OR NOT EXISTS (SELECT FROM fcst_app.live_workers w WHERE w.worker_id = i.worker_id))
RETURNING i.ingest_id;

-- cancel_ingest
-- Its supervisor ends it: what its task may still write is refused.
UPDATE fcst_app.ingests SET status = 'cancelled', finished_at = now(), progress = NULL, run_token = NULL
WHERE ingest_id = %(ingest_id)s AND attempt = %(attempt)s AND status = 'running';

-- release_ingest
-- Its process died or the supervisor leaves: another try, by whoever comes first.
UPDATE fcst_app.ingests SET status = 'submitted', run_token = NULL, worker_id = NULL
WHERE ingest_id = %(ingest_id)s AND attempt = %(attempt)s AND status = 'running';

-- release_lost_ingests
-- The ingests of supervisors that are lost, and those of this one that it does not know to run.
UPDATE fcst_app.ingests SET status = 'submitted', run_token = NULL, worker_id = NULL
WHERE status = 'running' AND (worker_id = ANY (%(lost)s::uuid[])
       OR worker_id = %(worker_id)s AND ingest_id <> ALL (%(running)s::integer[]));

-- get_ingest
-- One ingest.
SELECT ingest_id, spec, status, attempt, progress, done_bytes, total_bytes,
       phase_s, cancel_requested_at, error, hint, report, dataset_id, submitted_at, started_at, finished_at
FROM fcst_app.ingests WHERE ingest_id = %(ingest_id)s;

-- list_open_ingests
-- What is being read or waits for it.
SELECT ingest_id, spec, status, attempt, progress, done_bytes, total_bytes,
       phase_s, cancel_requested_at, error, hint, report, dataset_id, submitted_at, started_at, finished_at
FROM fcst_app.ingests WHERE finished_at IS NULL ORDER BY ingest_id;

-- list_uploads
-- Where the uploads are that may still be read; the good rows of a load that had bad ones may be asked for.
SELECT DISTINCT p.path
FROM fcst_app.ingests i CROSS JOIN LATERAL jsonb_array_elements_text(i.spec -> 'paths') AS p (path)
WHERE (i.spec ->> 'is_upload')::boolean AND (i.finished_at IS NULL OR i.status = 'failed' AND i.report IS NOT NULL)
ORDER BY p.path;

-- move_uploads
-- Loads find their uploads in this folder. The files are other ones than were seen, with the same content.
UPDATE fcst_app.ingests i
SET spec = i.spec || jsonb_build_object('seen', '', 'paths', (
    SELECT jsonb_agg(%(folder)s || '/' || substring(p.path FROM '[^/]+/[^/]+$') ORDER BY p.place)
    FROM jsonb_array_elements_text(i.spec -> 'paths') WITH ORDINALITY AS p (path, place)))
WHERE (i.spec ->> 'is_upload')::boolean;
