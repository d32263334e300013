-- Of each item that completed: weeks out of stock, by a driver or because the run takes them as such; about how many units
-- more would have sold in them; weeks that look like stock-outs, whether the run takes them as such or not. NULL where an
-- earlier version completed it.
ALTER TABLE fcst_app.job_items
    ADD COLUMN out_of_stock_weeks integer,
    ADD COLUMN lost_units double precision,
    ADD COLUMN suspected_weeks integer;
CREATE INDEX job_items_lost ON fcst_app.job_items (job_id, lost_units DESC, suspected_weeks DESC, sales_rank)
    WHERE out_of_stock_weeks > 0 OR suspected_weeks > 0;
