-- Index the events of a run by the run, and batches in work without reading those of all runs.
ALTER TABLE fcst_app.batch_events ADD COLUMN job_id integer;
UPDATE fcst_app.batch_events e SET job_id = b.job_id FROM fcst_app.batch_status b WHERE b.batch_id = e.batch_id;
-- Replaces the key on event_id alone, which would scan the events of all later runs when read backwards.
ALTER TABLE fcst_app.batch_events
    ALTER COLUMN job_id SET NOT NULL,
    DROP CONSTRAINT batch_events_pkey,
    ADD PRIMARY KEY (job_id, event_id);
CREATE INDEX batch_events_reason ON fcst_app.batch_events (job_id, event_id) WHERE reason IS NOT NULL;
CREATE INDEX batch_status_active ON fcst_app.batch_status (worker_id)
    WHERE stage IN ('obtaining_sales', 'processing', 'saving');

CREATE OR REPLACE FUNCTION fcst_app.record_batch_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fcst_app.batch_events (job_id, batch_id, from_stage, to_stage, attempt, worker_id, reason)
    VALUES (NEW.job_id, NEW.batch_id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.stage END, NEW.stage, NEW.attempt,
            NEW.worker_id, NEW.error);
    RETURN NULL;
END $$;
