"""Random items of a dataset with attributes, and their order."""

import random
from datetime import date, timedelta

from fcst.names import DEMAND_CLASSES
from fcst.store.database import transaction

LAST = date(2020, 12, 26)
FAMILIES = ("DAIRY", "Liquor,Wine_Beer", "100% ÄPFEL", "o'brien", None)
CLASSES = ("10", "20", "10%", None)
SIGNS = ("%", "_", "\\", "'", '"', "Ä", "é", "İ", "Σ", "ß", "a", "B", "7", "=", ",", ";", "-", "\t", "日")


def insert_dataset(items: list[tuple]) -> int:
    """Inserts a dataset without sales.

    Items, largest sellers first: (key, family, class, demand class, description, first week, last sale).
    """
    columns = ("key", "family", "class", "demand", "description", "first", "last")
    with transaction() as cur:
        cur.execute(
            "INSERT INTO fcst_app.datasets (name, version, spec, report, week_end, include_promo, n_items, n_weeks,"
            " first_wk_end_dt, last_wk_end_dt, total_units) VALUES ('s', (SELECT count(*) + 1 FROM fcst_app.datasets),"
            " '{}', '{}', 'SAT', false, %(n)s, 200, %(first)s, %(last)s, 1) RETURNING dataset_id",
            {"n": len(items), "first": LAST - timedelta(weeks=199), "last": LAST},
        )
        dataset_id = cur.fetchone()["dataset_id"]
        for rank, item in enumerate(items, 1):
            row = dict(zip(columns, item, strict=True)) | {"id": dataset_id, "rank": rank}
            row["text"] = "".join(c.lower()[:1] for c in f"{row['key']}\x1f{row['description'] or ''}")
            row["n_weeks"] = (LAST - row["first"]).days // 7 + 1
            cur.execute(
                "INSERT INTO fcst_app.items (dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt,"
                " last_sale_dt, n_weeks, n_missing, family, class, description, demand_class, search_text)"
                " VALUES (%(id)s, %(key)s, %(rank)s, 1000 - %(rank)s, %(first)s, %(last)s, %(n_weeks)s,"
                " mod(%(rank)s, 3), %(family)s, %(class)s, %(description)s, %(demand)s, %(text)s)",
                row,
            )
        cur.execute(
            "INSERT INTO fcst_app.sales_totals SELECT %(id)s, g, k, %(first)s, '{0}', '{0}', '{1}'"
            " FROM (SELECT DISTINCT g, k FROM fcst_app.items"
            " CROSS JOIN LATERAL (VALUES ('family', family), ('class', class)) v (g, k)"
            " WHERE dataset_id = %(id)s AND k IS NOT NULL) s",
            {"id": dataset_id, "first": LAST},
        )
    return dataset_id


def random_items(n: int, source: random.Random) -> list[tuple]:
    def text(most: int) -> str:
        return "".join(source.choices(SIGNS, k=source.randint(1, most)))

    keys = sorted({text(6) for _ in range(n)})
    source.shuffle(keys)
    return [
        (
            *(key, source.choice(FAMILIES), source.choice(CLASSES), source.choice(DEMAND_CLASSES)),
            source.choice([None, text(12)]),
            LAST - timedelta(weeks=source.randint(0, 199)),
            source.choice([None, LAST - timedelta(days=source.randint(0, 400))]),
        )
        for key in keys
    ]


def folded(text: str | None) -> str:
    return "".join(letter.lower()[:1] for letter in text or "")
