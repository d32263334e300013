-- What is worked out from how long work took follows the clocks of the processes that did it: the database's may be set.

-- worked_s: seconds that the tasks of a batch have worked at it, in all attempts. phase_s: seconds that an ingest does
-- what it does now.
ALTER TABLE fcst_app.batch_status ADD COLUMN worked_s double precision NOT NULL DEFAULT 0;
UPDATE fcst_app.batch_status SET worked_s = greatest(extract(epoch FROM (finished_at - started_at)), 0)
WHERE finished_at IS NOT NULL AND started_at IS NOT NULL;
ALTER TABLE fcst_app.ingests ADD COLUMN phase_s double precision NOT NULL DEFAULT 0, DROP COLUMN phase_started_at;
