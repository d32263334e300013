-- Durations are measured with the clocks of the working processes, because the database's clock may be set.

-- worked_s: seconds of work on a batch in all attempts. phase_s: seconds of an ingest in its current step.
ALTER TABLE fcst_app.batch_status ADD COLUMN worked_s double precision NOT NULL DEFAULT 0;
UPDATE fcst_app.batch_status SET worked_s = greatest(extract(epoch FROM (finished_at - started_at)), 0)
WHERE finished_at IS NOT NULL AND started_at IS NOT NULL;
ALTER TABLE fcst_app.ingests ADD COLUMN phase_s double precision NOT NULL DEFAULT 0, DROP COLUMN phase_started_at;
