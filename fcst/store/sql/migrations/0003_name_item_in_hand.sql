-- A batch stores its last heartbeat and, in careful attempts, the item in hand; a supervisor stores its problem; jobs
-- take turns by the time they were last served.
ALTER TABLE fcst_app.batch_status
    ADD COLUMN touched_at timestamptz,
    ADD COLUMN item_in_hand text COLLATE "C",
    ADD COLUMN model_in_hand text,
    ADD CONSTRAINT batch_status_in_hand_check
        CHECK (item_in_hand IS NULL OR stage = 'processing');
CREATE INDEX batch_status_started ON fcst_app.batch_status (job_id, started_at);
DROP INDEX fcst_app.batch_status_queue;
CREATE INDEX batch_status_queue ON fcst_app.batch_status (job_id, batch_no) WHERE stage = 'submitted';

ALTER TABLE fcst_app.workers ADD COLUMN problem text NOT NULL DEFAULT '';

-- Failures of a run are read while it is running.
CREATE INDEX job_items_failed ON fcst_app.job_items (job_id) WHERE outcome = 'failed';

-- Earlier runs have no limits; open and retried ones get the defaults.
UPDATE fcst_app.jobs SET spec = spec || '{"item_limit_s": 300, "process_memory": 4000000000}';
