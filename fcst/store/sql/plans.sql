-- page_of_plan
-- Final plans of a page of a run's completed items by one model, largest sellers first: forecast with bounds, adjusted
-- weeks, and sales of the last year of the dataset.
SELECT i.unique_id, i.sales_rank, COALESCE(d.description, '') AS name, COALESCE(d.family, '') AS family, f.forecast,
       a.adjusted, f.lo, f.hi, s.unit_sales[cardinality(s.unit_sales) - {season} + 1 :] AS sold
FROM fcst_app.job_items i
JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id AND f.model = %(planned_model)s
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
LEFT JOIN fcst_app.items d ON d.dataset_id = %(planned_dataset)s AND d.unique_id = i.unique_id
LEFT JOIN fcst_app.sales s ON s.dataset_id = %(planned_dataset)s AND s.unique_id = i.unique_id
WHERE i.job_id = %(job_id)s AND i.outcome = 'completed' AND i.sales_rank > %(after)s {which}
ORDER BY i.sales_rank LIMIT %(limit)s;

-- list_plans
-- Final plans of some items of a run by one model, with the outcomes of the items; NULL without a forecast.
SELECT i.unique_id, COALESCE(d.description, '') AS name, i.outcome, COALESCE(i.reason, '') AS reason, f.forecast, a.adjusted
FROM fcst_app.job_items i
LEFT JOIN fcst_app.forecasts f ON f.job_id = i.job_id AND f.unique_id = i.unique_id AND f.model = %(model)s
    AND i.outcome = 'completed'
LEFT JOIN fcst_app.adjusted_forecasts a ON a.job_id = f.job_id AND a.model = f.model AND a.unique_id = f.unique_id
LEFT JOIN fcst_app.items d ON d.dataset_id = %(dataset_id)s AND d.unique_id = i.unique_id
WHERE i.job_id = %(job_id)s AND i.unique_id = ANY (%(unique_ids)s);
