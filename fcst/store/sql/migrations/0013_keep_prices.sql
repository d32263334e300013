-- Mean price of an item: revenue divided by units, in the currency of its file; NULL without a revenue column.
ALTER TABLE fcst_app.items ADD COLUMN price double precision;
