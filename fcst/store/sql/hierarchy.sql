-- for_large_sums
-- Until the end of the transaction: joins of many items in memory, and no time for compiling.
SET LOCAL work_mem = '64MB'; SET LOCAL jit = off;

-- sum_groups
-- The items of a run that match, summed by a value: a page of the groups in an order. The program fills in the items, the
-- value, what they must have, and by level the distances of bounds and their squares.
SELECT g.value, g.n_items, g.sold, g.last_year, g.forecast, g.final, g.wape, g.bias, g.down, g.up, g.squares_down,
       g.squares_up
FROM (
    SELECT {value} AS value, count(*)::integer AS n_items, sum(p.sold) AS sold,
           CASE WHEN %(h)s <= 52 THEN sum(p.known_last_year) END AS last_year, sum(p.forecast) AS forecast,
           sum(p.final) AS final,
           sum(p.abs_error) / NULLIF(sum(p.actual), 0) AS wape, sum(p.error) / NULLIF(sum(p.actual), 0) AS bias,
           ARRAY[{down}]::float8[] AS down, ARRAY[{up}]::float8[] AS up,
           ARRAY[{squares_down}]::float8[] AS squares_down, ARRAY[{squares_up}]::float8[] AS squares_up
    FROM ({rows}) p
    {joined}
    WHERE {condition}
    GROUP BY 1
) g
ORDER BY {order} LIMIT %(limit)s OFFSET %(skip)s;

-- count_groups
-- How many values an attribute has among the items of a run that match; items without it count as one.
SELECT count(DISTINCT g.value)::integer + count(*) FILTER (WHERE g.value IS NULL AND g.place = 1)::integer AS n_found
FROM (
    SELECT v.value, row_number() OVER (PARTITION BY v.value) AS place
    FROM (SELECT {value} AS value FROM ({rows}) p {joined} WHERE {condition}) v
) g;
