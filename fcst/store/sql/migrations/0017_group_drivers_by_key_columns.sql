-- Drivers may be of all items that share some of the columns that their keys are joined of, such as a promotion of an
-- item in all stores: then grouped_by is 'part', and key_columns has the names of those columns as the dataset's mapping
-- has them, in the order of its keys. The keys of the values are their values, joined as those of items are.
ALTER TABLE fcst_app.driver_loads
    ADD COLUMN key_columns text[] NOT NULL DEFAULT '{}',
    DROP CONSTRAINT driver_loads_grouped_by_check,
    ADD CONSTRAINT driver_loads_grouped_by_check CHECK (grouped_by IN ('item', 'part', 'family', 'class', 'all')),
    ADD CHECK ((grouped_by = 'part') = (key_columns <> '{}'));
