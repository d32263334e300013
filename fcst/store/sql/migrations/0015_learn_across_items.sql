-- Learning is batch 0 of a run that learns: it has no items, and the other batches wait until it ends.
ALTER TABLE fcst_app.batch_status
    ADD COLUMN is_learning boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT batch_status_n_items_check,
    ADD CHECK (n_items > 0 OR is_learning),
    DROP CONSTRAINT batch_status_stage_check,
    ADD CONSTRAINT batch_status_stage_check CHECK (stage IN
        ('submitted', 'learning', 'obtaining_sales', 'processing', 'saving', 'completed', 'failed', 'cancelled'));
CREATE UNIQUE INDEX batch_status_learning ON fcst_app.batch_status (job_id) WHERE is_learning;
DROP INDEX fcst_app.batch_status_active;
CREATE INDEX batch_status_active ON fcst_app.batch_status (worker_id)
    WHERE stage IN ('learning', 'obtaining_sales', 'processing', 'saving');

-- What a run has learnt from the weeks up to weeks_ago before the end of its dataset. summary is readable; content is
-- loaded by each batch.
CREATE TABLE fcst_app.learned (
    job_id    integer NOT NULL,
    weeks_ago integer NOT NULL,
    summary   jsonb NOT NULL,
    content   bytea NOT NULL,
    PRIMARY KEY (job_id, weeks_ago)
);

-- forecast = baseline * uplift, by week; NULL if a run has no drivers of the item.
ALTER TABLE fcst_app.forecasts ADD COLUMN baseline double precision[], ADD COLUMN uplift double precision[];
