-- for_large_sums
-- Settings until the end of the transaction: more memory for joins of many items, and no JIT compilation.
SET LOCAL work_mem = '64MB'; SET LOCAL jit = off;

-- sum_groups
-- A page of the items of a run that match, summed by a value, sorted. The program inserts the items, the value, the
-- condition, and by level the distances of the bounds and their squares.
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
-- Number of distinct values of an attribute among the items of a run that match; items without a value count as one.
SELECT count(DISTINCT g.value)::integer + count(*) FILTER (WHERE g.value IS NULL AND g.place = 1)::integer AS n_found
FROM (
    SELECT v.value, row_number() OVER (PARTITION BY v.value) AS place
    FROM (SELECT {value} AS value FROM ({rows}) p {joined} WHERE {condition}) v
) g;
