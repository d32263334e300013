-- Drivers can apply to all items that share some of their key columns, such as a promotion of an item in all stores:
-- then grouped_by is 'part', and key_columns has the names of those columns as in the dataset's mapping, in the order
-- of its keys. The keys are the values of those columns, joined as in item keys.
ALTER TABLE fcst_app.driver_loads
    ADD COLUMN key_columns text[] NOT NULL DEFAULT '{}',
    DROP CONSTRAINT driver_loads_grouped_by_check,
    ADD CONSTRAINT driver_loads_grouped_by_check CHECK (grouped_by IN ('item', 'part', 'family', 'class', 'all')),
    ADD CHECK ((grouped_by = 'part') = (key_columns <> '{}'));
