-- A notification stores its payload, so that it is delivered unchanged even if the job is retried or deleted meanwhile.
ALTER TABLE fcst_app.notifications ADD COLUMN data jsonb;
UPDATE fcst_app.notifications n
SET gave_up_at = CASE WHEN j.status IS NULL AND n.delivered_at IS NULL THEN now() ELSE n.gave_up_at END,
    data = jsonb_build_object(
    'job_id', j.job_id, 'status', COALESCE(j.status, 'running'), 'name', j.name, 'dataset', d.name,
    'dataset_version', d.version, 'n_items', j.n_items, 'n_completed', b.n_completed, 'n_failed', b.n_failed,
    'n_cancelled', b.n_cancelled)
FROM fcst_app.jobs j
JOIN fcst_app.datasets d USING (dataset_id)
CROSS JOIN LATERAL (
    SELECT sum(n_completed) AS n_completed, sum(n_failed) AS n_failed, sum(n_cancelled) AS n_cancelled
    FROM fcst_app.batch_status WHERE job_id = j.job_id
) b
WHERE j.job_id = n.job_id;
ALTER TABLE fcst_app.notifications ALTER COLUMN data SET NOT NULL,
    DROP CONSTRAINT notifications_job_id_fkey;
DROP INDEX fcst_app.notifications_job, fcst_app.notifications_due;
CREATE INDEX notifications_untold ON fcst_app.notifications (ended_at)
    WHERE delivered_at IS NULL AND gave_up_at IS NULL;
