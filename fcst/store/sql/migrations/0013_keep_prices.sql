-- What all units of an item were sold for, divided by them, in the money of its file; NULL where no column said so.
ALTER TABLE fcst_app.items ADD COLUMN price double precision;
