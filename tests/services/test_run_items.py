"""Items of a run: SQL results compared with Python loops, for filters, orders, pages, positions and totals."""

import io
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fcst.attention import ABC, XYZ
from fcst.filters import ALL_RUN_ITEMS, RunFilter, RunOrder, RunSort, Selection, by_keys
from fcst.job_records import Job
from fcst.names import BENCHMARK, ENDED_AFTER_WEEKS, NEW_WITHIN_WEEKS
from fcst.records import RunItem
from fcst.services import accuracy, adjustments, comparison, datasets, exports, forecasts, jobs
from fcst.services.adjustments import Change
from fcst.specs import JobSpec
from fcst.store import sales
from fcst.store.attention import refresh_run
from fcst.store.database import transaction
from tests.random_items import LAST, SIGNS, folded, insert_dataset, random_items

pytestmark = pytest.mark.full

H = 4
MODEL, OTHER = "Auto", "Naive"
MADE_BY = ("AutoETS", "AutoETS 45%, Naive 30% and 8 more", "Naive 100%", "SES 7 of 9", "Median of SES, Naive")
HEAVIEST = ("AutoETS", "AutoETS", "Naive", "SES 7 of 9", "Median of SES, Naive")


def insert_run(dataset_id: int, source: random.Random) -> Job:
    """Creates a run of all items with random sales and errors; some items have no forecast."""
    job_id = jobs.submit_job(dataset_id, Selection(), JobSpec(models=(MODEL, OTHER), h=H))
    with transaction() as cur:
        for item in datasets.list_items(dataset_id):
            n_weeks = min(item.n_weeks, 60)
            units = [None if source.random() < 0.05 else float(source.randint(0, 9)) for _ in range(n_weeks)]
            promo = [float(u is None) for u in units] if source.random() < 0.3 else None
            row = {"dataset_id": dataset_id, "job_id": job_id, "key": item.unique_id, "units": units, "promo": promo}
            row |= {"first": LAST - timedelta(weeks=n_weeks - 1), "next": LAST + timedelta(weeks=1)}
            cur.execute(
                "INSERT INTO fcst_app.sales VALUES (%(dataset_id)s, %(key)s, %(first)s, %(units)s::float8[],"
                " %(promo)s::float8[])",
                row,
            )
            if source.random() < 0.15:
                cur.execute(
                    "UPDATE fcst_app.job_items SET outcome = 'failed', reason = 'why', finished_at = now()"
                    " WHERE job_id = %(job_id)s AND unique_id = %(key)s",
                    row,
                )
                continue
            cur.execute(
                "UPDATE fcst_app.job_items SET outcome = 'completed', finished_at = now()"
                " WHERE job_id = %(job_id)s AND unique_id = %(key)s",
                row,
            )
            for model in (MODEL, OTHER):
                forecast = [float(source.choice([0, 0, 1, 2, 5])) for _ in range(H)]
                bounds = [[f * part for f in forecast] for part in (0.5, 0.25, 1.5, 2.0)]
                made_by, heaviest = source.choice(list(zip(MADE_BY, HEAVIEST, strict=True)))
                row |= {"model": model, "made_by": made_by, "heaviest": heaviest, "is_fallback": source.random() < 0.2}
                row |= {
                    "forecast": forecast,
                    "lo": bounds[:2],
                    "hi": bounds[2:],
                    "actual": source.choice([0.0, 2.0, 8.0]),
                }
                row |= {"error": source.choice([-2.0, 0.0, 1.0, 3.0]), "cutoff": LAST - timedelta(weeks=13)}
                cur.execute(
                    "INSERT INTO fcst_app.forecasts VALUES (%(job_id)s, %(key)s, %(model)s, %(next)s, %(forecast)s,"
                    " %(lo)s, %(hi)s, %(is_fallback)s, %(made_by)s, %(heaviest)s)",
                    row,
                )
                cur.execute(
                    "INSERT INTO fcst_app.metrics (job_id, unique_id, model, cutoff, n_weeks, abs_error, error,"
                    " sq_error, actual, is_fallback, made_by) VALUES (%(job_id)s, %(key)s, %(model)s, %(cutoff)s, 13,"
                    " abs(%(error)s::float8), %(error)s, 1, %(actual)s, false, %(model)s)",
                    row,
                )
        cur.execute(
            "UPDATE fcst_app.batch_status b SET stage = 'completed', started_at = now(), finished_at = now(),"
            " n_completed = c.n_completed, n_failed = b.n_items - c.n_completed FROM (SELECT batch_id,"
            " count(*) FILTER (WHERE outcome = 'completed') AS n_completed FROM fcst_app.job_items GROUP BY 1) c"
            " WHERE c.batch_id = b.batch_id"
        )
    with transaction() as cur:
        cur.execute("ANALYZE fcst_app.items, fcst_app.job_items, fcst_app.forecasts, fcst_app.sales")  # like an ingest
    job = jobs.get_job(job_id)
    refresh_run(job_id)
    for item in source.sample([i for i in forecasts.list_items(job, MODEL) if i.outcome == "completed"], 20):
        week = LAST + timedelta(weeks=source.randint(1, H))
        adjustments.adjust(
            job, MODEL, by_keys(item.unique_id), Change(week, week, units=source.randint(0, 9)), "why", "Ann"
        )
    return jobs.get_job(job_id)


@pytest.fixture
def job(once: Callable) -> Job:
    def make() -> Job:
        source = random.Random(3)
        return insert_run(insert_dataset(random_items(300, source)), source)

    return once("nasty_run", make)


def expected_reasons(item: RunItem, adjusted: set[str]) -> set[str]:
    """Expected attention reasons of an item, from its other fields."""
    since, is_done = LAST - timedelta(weeks=ENDED_AFTER_WEEKS), item.outcome == "completed"
    found = {
        "ended": is_done and (item.last_sale_dt is None or item.last_sale_dt <= since),
        "new": is_done and item.n_weeks <= NEW_WITHIN_WEEKS,
        "fallback": item.is_fallback is True,
        "adjusted": item.unique_id in adjusted,
        "no forecast": not is_done,
        "far from last year": item.change is not None and abs(item.change) > 0.5,
    }
    return {name for name, is_so in found.items() if is_so}


DERIVED_REASONS = {"ended", "new", "fallback", "adjusted", "no forecast"}


def matches(item: RunItem, which: RunFilter) -> bool:
    texts = (item.unique_id, item.family, item.description)
    heaviest = dict(zip(MADE_BY, HEAVIEST, strict=True)).get(item.made_by or "")
    chosen = [
        (which.families, {item.family}),
        (which.classes, {item.item_class}),
        (which.demand_classes, {item.demand_class}),
        (which.heaviest, {heaviest}),
        (which.reasons, set(item.reasons)),
        (which.abc, {item.abc}),
        (which.xyz, {item.xyz}),
        (which.keys, {item.unique_id}),
    ]
    return all(any(folded(word) in folded(text) for text in texts) for word in which.search.split()) and all(
        bool(found & set(values)) for values, found in chosen if values
    )


def random_filters(items: list[RunItem], n: int) -> Iterator[RunFilter]:
    source = random.Random(5)

    def some(values: list[str | None]) -> tuple[str, ...]:
        known = sorted({value for value in values if value is not None})
        return tuple(source.sample(known, source.choice([0, 0, 0, 1, 2])))

    for _ in range(n):
        words = ["".join(source.choices(SIGNS, k=source.randint(1, 2))) for _ in range(source.choice([0, 1, 1, 2]))]
        keys = [item.unique_id for item in items]
        yield RunFilter(
            " ".join(words),
            some([item.family for item in items]),
            some([item.item_class for item in items]),
            some([item.demand_class for item in items]),
            heaviest=some(list(HEAVIEST)),
            reasons=some(sorted(DERIVED_REASONS)),
            abc=some(list(ABC)),
            xyz=some(list(XYZ)),
            keys=tuple(source.sample(keys, 100)) if source.random() < 0.2 else None,
        )


def keys_of(items: list[RunItem]) -> list[str]:
    return [item.unique_id for item in items]


def test_reasons_match_item_fields(job: Job) -> None:
    changed = {row.unique_id or "" for row in adjustments.list_adjustments(job)}
    items = forecasts.list_items(job, MODEL)
    assert len(changed) == 20
    assert all(
        set(item.reasons) & DERIVED_REASONS == expected_reasons(item, changed) & DERIVED_REASONS for item in items
    )
    far = "far from last year"
    assert all(
        (far in item.reasons) == (far in expected_reasons(item, changed)) for item in items if item.change is not None
    )
    assert {item.unique_id for item in items if item.final != item.forecast} <= changed
    assert {reason for item in items for reason in item.reasons} >= DERIVED_REASONS
    assert {"adjusted"} & {reason for item in forecasts.list_items(job, OTHER) for reason in item.reasons} == set()
    assert all((item.at_stake > 0) <= bool(item.reasons) for item in items)


@pytest.mark.full
def test_filters_and_totals_match_a_loop(job: Job) -> None:
    items = forecasts.list_items(job, MODEL)
    assert [item.sales_rank for item in items] == list(range(1, job.n_items + 1))
    sizes = set()
    for number, which in enumerate(random_filters(items, 150)):
        expected = [item for item in items if matches(item, which)]
        assert keys_of(forecasts.list_items(job, MODEL, which)) == keys_of(expected), which
        assert forecasts.count_items(job, MODEL, which) == len(expected)
        sizes.add(len(expected))
        if number % 10 == 0:
            check_sum(job, which, expected)
    assert len(sizes) > 25
    check_sum(job, ALL_RUN_ITEMS, items)


def check_sum(job: Job, which: RunFilter, expected: list[RunItem]) -> None:
    view, named = forecasts.view(job, MODEL, which), forecasts.view(job, MODEL, by_keys(*keys_of(expected)))
    done = [item for item in expected if item.outcome == "completed"]
    assert view.n_items == len(done) and view.n_fallback == sum(bool(item.is_fallback) for item in done)
    assert view.forecast["forecast"].sum() == sum(item.forecast or 0 for item in done)
    assert view.forecast["final"].sum() == pytest.approx(sum(item.final or 0 for item in done))
    assert view.is_adjusted == any("adjusted" in item.reasons for item in done)
    if len(done) != 1:  # a single item by key has its own interval
        pd.testing.assert_frame_equal(view.forecast, named.forecast)
    pd.testing.assert_frame_equal(view.history, named.history)
    assert view.metrics.keys() == named.metrics.keys()
    shown = [row.unique_id or "" for row in adjustments.list_adjustments(job, which, MODEL)]
    assert sorted(shown) == sorted(item.unique_id for item in expected if "adjusted" in item.reasons)


ORDERED: dict[RunSort, Callable[[RunItem], float | None]] = {
    RunSort.STAKE: lambda item: item.at_stake,
    RunSort.FORECAST: lambda item: item.forecast,
    RunSort.FINAL: lambda item: item.final,
    RunSort.SOLD: lambda item: item.recent,
    RunSort.LAST_YEAR: lambda item: item.last_year,
    RunSort.CHANGE: lambda item: item.change,
    RunSort.WAPE: lambda item: item.wape,
    RunSort.BIAS: lambda item: item.bias,
}


@pytest.mark.few(4)
@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("sort", RunSort)
def test_pages_and_positions_follow_the_order(job: Job, sort: RunSort, is_reversed: bool) -> None:
    which, order = RunFilter("a"), RunOrder(sort, is_reversed)
    whole = forecasts.list_items(job, MODEL, which, order)
    if sort == RunSort.KEY:
        assert keys_of(whole) == sorted(keys_of(whole), key=str.encode)
    elif sort in ORDERED:
        value, sign = ORDERED[sort], 1 if is_reversed else -1
        expected = sorted(whole, key=lambda item: (value(item) is None, sign * (value(item) or 0), item.sales_rank))
        assert keys_of(whole) == keys_of(expected)
    else:
        assert keys_of(whole) == keys_of(forecasts.list_items(job, MODEL, which))
    pages = [forecasts.list_items(job, MODEL, which, order, 9, skip) for skip in range(0, len(whole), 9)]
    assert [item for page in pages for item in page] == whole and len(pages) > 3
    for place in (0, 1, 8, 9, 17, 18, len(whole) - 1):
        assert forecasts.place_of(job, MODEL, which, order, whole[place].unique_id) == place
    other = next(item for item in forecasts.list_items(job, MODEL) if not matches(item, which))
    assert forecasts.place_of(job, MODEL, which, order, other.unique_id) is None
    assert forecasts.place_of(job, MODEL, ALL_RUN_ITEMS, order, "no such item") is None


def test_heaviest_options_match_the_run(job: Job) -> None:
    assert forecasts.list_options(job, MODEL)["heaviest"] == sorted(set(HEAVIEST))


@pytest.mark.parametrize(
    "which", [ALL_RUN_ITEMS, RunFilter(families=("DAIRY", "o'brien")), RunFilter("a", reasons=("new",))]
)
def test_history_of_many_items_equals_history_of_few(
    job: Job, which: RunFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums by item weeks, in Python, and from stored totals minus excluded items are equal."""
    n_items = forecasts.view(job, MODEL, which).n_items
    slow = sales.job_totals(job, MODEL, which, n_items).astype({"unit_sales": float, "promo_units": float})
    insert_totals(job.dataset_id)
    monkeypatch.setattr(sales, "FEW_ITEMS", 0)
    fast = sales.job_totals(job, MODEL, which, n_items)
    assert fast["wk_end_dt"].tolist() == slow["wk_end_dt"].tolist()
    for name in ("unit_sales", "promo_units"):
        np.testing.assert_allclose(fast[name], slow[name])


def insert_totals(dataset_id: int) -> None:
    """Inserts sales totals as an ingest does."""
    with transaction() as cur:
        cur.execute("DELETE FROM fcst_app.sales_totals WHERE grouped_by <> 'class'")
        cur.execute(
            """INSERT INTO fcst_app.sales_totals
               WITH sums AS (
                   SELECT g.by, g.key, w.wk_end_dt, sum(COALESCE(w.unit_sales, 0)) AS units,
                          sum(w.promo_units) AS promo, count(*)::integer AS n
                   FROM fcst_app.items i JOIN fcst_app.weekly_sales w USING (dataset_id, unique_id)
                   CROSS JOIN LATERAL (VALUES ('all', ''), ('family', COALESCE(i.family, ''))) g (by, key)
                   WHERE i.dataset_id = %(dataset_id)s GROUP BY 1, 2, 3
               )
               SELECT %(dataset_id)s, by, key, min(wk_end_dt), array_agg(units ORDER BY wk_end_dt),
                      array_agg(promo ORDER BY wk_end_dt), array_agg(n ORDER BY wk_end_dt)
               FROM sums GROUP BY by, key""",
            {"dataset_id": dataset_id},
        )


@pytest.mark.parametrize("which", [RunFilter("a"), RunFilter(reasons=("adjusted",)), RunFilter("nothing like it")])
def test_export_of_a_filter_equals_export_of_its_items(job: Job, which: RunFilter) -> None:
    keys = keys_of([item for item in forecasts.list_items(job, MODEL) if matches(item, which)])

    def written(which: RunFilter) -> bytes:
        out = io.BytesIO()
        exports.write_export(job, out, "csv", which, MODEL)
        return out.getvalue()

    assert written(which) == written(by_keys(*keys))
    assert f"_{len(keys)}-items_" in exports.file_name(job, "csv", which, MODEL)


def test_error_bins_are_round_and_hold_most_items(job: Job) -> None:
    wapes = [item.wape for item in forecasts.list_items(job, MODEL) if item.wape is not None]
    found = accuracy.count_items_by_error(job.job_id, MODEL)
    assert found.n_items == len(wapes) and 8 <= len(found.counts) <= 20
    assert found.n_beyond <= 0.06 * len(wapes) and min(wapes) >= found.first
    bounds = [found.first + place * found.width for place in range(len(found.counts) + 1)]
    counted = [sum(low <= wape + 1e-9 * found.width < high for wape in wapes) for low, high in pairwise(bounds)]
    assert counted == list(found.counts)
    step = found.width / 10 ** np.floor(np.log10(found.width) + 1e-9)
    assert min(abs(step - round_one) for round_one in (1, 2, 2.5, 5)) < 1e-9


def test_extreme_items_have_largest_error_or_largest_gain_in_units(job: Job) -> None:
    known = [item for item in forecasts.list_items(job, MODEL) if item.wape is not None]
    of_items = accuracy.list_accuracy(job, "item").set_index(["model", "item"])
    own = of_items.loc[MODEL]
    errors = own["wape"] * own["actual"]
    worst = accuracy.list_extreme_items(job, MODEL, is_worst=True, n_items=7)
    assert worst["abs_error"].tolist() == pytest.approx(errors.nlargest(7).tolist())
    assert worst["wape"].tolist() == pytest.approx(own.loc[worst["unique_id"], "wape"].tolist(), nan_ok=True)
    names = {item.unique_id: item.description for item in known}
    assert worst["description"].tolist() == [names.get(key) for key in worst["unique_id"]]
    assert BENCHMARK not in of_items.index.get_level_values("model"), "so there is no benchmark error to compare with"
    assert accuracy.list_extreme_items(job, MODEL, is_worst=False, n_items=7).empty


def test_compared_items_are_paged(job: Job) -> None:
    whole = comparison.compare_items(job, MODEL, job, OTHER)
    pages = [comparison.compare_items(job, MODEL, job, OTHER, 50, skip) for skip in range(0, len(whole), 50)]
    pd.testing.assert_frame_equal(pd.concat(pages, ignore_index=True), whole)
    assert set(whole["n_items"]) == {len(whole)} and len(pages) > 3
    assert whole["difference"].abs().is_monotonic_decreasing


def test_previous_and_next_items_follow_the_table_across_pages(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from fcst.ui import items as ui

    monkeypatch.setattr(ui, "PAGE_ITEMS", 7)
    monkeypatch.setattr(ui, "read", lambda key, ask: ask())
    steps: list[dict] = []
    monkeypatch.setattr(
        ui,
        "st",
        SimpleNamespace(
            container=lambda **_: nullcontext(), button=lambda *a, **o: steps.append(o), caption=lambda *a, **o: None
        ),
    )
    items = ui.Items(job, (), MODEL, RunFilter("a"), RunOrder(RunSort.WAPE))
    whole = keys_of(forecasts.list_items(job, MODEL, items.which, items.order))
    assert items.n_found == len(whole) > 20
    for place in (0, 6, 7, 13, 14, len(whole) - 1):
        for page in (place // 7 + 1, 1, 3):  # the page of the item, and others
            steps.clear()
            ui.show_steps(items, page, whole[place])
            before, after, *_ = steps
            assert before["disabled"] == (place == 0) and after["disabled"] == (place == len(whole) - 1)
            if place:
                assert before["args"] == (whole[place - 1], (place - 1) // 7 + 1)
            if place + 1 < len(whole):
                assert after["args"] == (whole[place + 1], (place + 1) // 7 + 1)
    steps.clear()
    ui.show_steps(items, 1, ui.ALL_ITEMS)
    assert steps[0]["disabled"] and steps[1]["args"] == (whole[0], 1)
