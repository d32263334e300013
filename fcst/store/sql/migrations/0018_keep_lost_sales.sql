-- For each completed item: out-of-stock weeks, from a driver or because the run treats them as such; estimated units
-- lost in them; weeks that look like stock-outs, whether or not the run treats them as such. NULL: completed by an
-- earlier version.
ALTER TABLE fcst_app.job_items
    ADD COLUMN out_of_stock_weeks integer,
    ADD COLUMN lost_units double precision,
    ADD COLUMN suspected_weeks integer;
CREATE INDEX job_items_lost ON fcst_app.job_items (job_id, lost_units DESC, suspected_weeks DESC, sales_rank)
    WHERE out_of_stock_weeks > 0 OR suspected_weeks > 0;
