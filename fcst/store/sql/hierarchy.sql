-- delete_sums
-- The sums of items that are about to be written: there are none, unless an item is written twice.
DELETE FROM fcst_app.forecast_sums
WHERE job_id = %(job_id)s AND model = ANY (%(models)s) AND unique_id = ANY (%(unique_ids)s);

-- copy_sums
-- What forecasts come to over the horizon, from a binary stream.
COPY fcst_app.forecast_sums (job_id, unique_id, model, forecast, sold, last_year, down, up, abs_error, error, actual)
FROM STDIN (FORMAT binary, ENCODING 'UTF8');

-- for_large_sums
-- Until the end of the transaction: joins of many items in memory, and no time for compiling.
SET LOCAL work_mem = '64MB'; SET LOCAL jit = off;

-- sum_groups
-- The items of a run that match, summed by an attribute: a page of its values in an order. The program fills in the items,
-- the value, what else must hold, and by level the distances of bounds and their squares.
SELECT g.value, g.n_items, g.sold, g.last_year, g.forecast, g.forecast + g.change AS final, g.wape, g.bias,
       g.down, g.up, g.squares_down, g.squares_up
FROM (
    SELECT {value} AS value, count(*)::integer AS n_items, sum(s.sold) AS sold, sum(s.last_year) AS last_year,
           sum(s.forecast) AS forecast, COALESCE(sum(c.change), 0) AS change,
           sum(s.abs_error) / NULLIF(sum(s.actual), 0) AS wape, sum(s.error) / NULLIF(sum(s.actual), 0) AS bias,
           ARRAY[{down}]::float8[] AS down, ARRAY[{up}]::float8[] AS up,
           ARRAY[{squares_down}]::float8[] AS squares_down, ARRAY[{squares_up}]::float8[] AS squares_up
    FROM ({rows}) s
    LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = s.unique_id
    LEFT JOIN ({changes}) c ON c.unique_id = s.unique_id
    WHERE {condition}
    GROUP BY 1
) g
ORDER BY {order} LIMIT %(limit)s OFFSET %(skip)s;

-- count_groups
-- How many values an attribute has among the items of a run that match; items without it count as one.
SELECT count(DISTINCT g.value)::integer + count(*) FILTER (WHERE g.value IS NULL AND g.place = 1)::integer AS n_found
FROM (
    SELECT v.value, row_number() OVER (PARTITION BY v.value) AS place
    FROM (
        SELECT {value} AS value FROM fcst_app.job_items i
        JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
        WHERE i.job_id = %(job_id)s AND {condition}
    ) v
) g;

-- summed_items
-- The items of a run that one model has forecast, with their sums.
SELECT f.unique_id, f.forecast, f.sold, f.last_year, f.down, f.up, f.abs_error, f.error, f.actual
FROM fcst_app.forecast_sums f WHERE f.job_id = %(job_id)s AND f.model = %(model)s;

-- items_without_forecast
-- The items of a run that have no forecast, yet or at all, with what they sold.
SELECT i.unique_id, NULL::float8, r.sold, r.last_year, NULL::float8[], NULL::float8[], NULL::float8, NULL::float8,
       NULL::float8
FROM fcst_app.job_items i
LEFT JOIN LATERAL (
    SELECT (SELECT sum(u.units) FROM unnest(o.unit_sales[greatest(cardinality(o.unit_sales) - %(h)s + 1, 1) :]) u (units))
               AS sold,
           (SELECT sum(u.units) FROM unnest(o.unit_sales[greatest(cardinality(o.unit_sales) - 51, 1)
                                                         : cardinality(o.unit_sales) - 52 + %(h)s]) u (units)
            WHERE %(h)s <= 52) AS last_year
    FROM fcst_app.sales o WHERE o.dataset_id = %(dataset_id)s AND o.unique_id = i.unique_id
) r ON TRUE
WHERE i.job_id = %(job_id)s AND i.outcome <> 'completed';

-- changes_of_forecasts
-- By how many units people have changed one model's forecasts over the horizon, of the items whose forecast is changed.
SELECT a.unique_id, a.total - f.total AS change
FROM fcst_app.adjusted_forecasts a JOIN fcst_app.forecasts f USING (job_id, unique_id, model)
WHERE a.job_id = %(job_id)s AND a.model = %(model)s;
