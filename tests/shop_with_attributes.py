"""Sales and attributes of a shop: items with families and classes, stores with cities."""

from datetime import date, timedelta
from pathlib import Path

ITEMS = {"1": ("DAIRY", "10", "1"), "2": ("DAIRY", "20", "0"), "3|4": ("BREAD", "30", "0")}
N_WEEKS = 70
STORES = {"7": ("Quito", "A"), "8": ("Cuenca", "B"), "9": ("Quito", "")}


def write_shop(folder: Path) -> Path:
    """Writes sales of three items in three stores, with items and stores files as in Favorita."""
    folder.mkdir(exist_ok=True)
    lines = ["date,store_nbr,item_nbr,unit_sales"]
    for week in range(N_WEEKS):
        day = date(2020, 1, 11) + timedelta(weeks=week)
        sold = [(store, item, int(store) + week * len(item) % 7) for store in STORES for item in ITEMS]
        lines += [f"{day},{store},{item},{units}" for store, item, units in sold]
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    rows = [f"{key},{','.join(row)}" for key, row in ITEMS.items()]
    (folder / "items.csv").write_text("\n".join(["item_nbr,family,class,perishable", *rows]) + "\n")
    rows = [f"{key},{','.join(row)},{number}" for number, (key, row) in enumerate(STORES.items())]
    (folder / "stores.csv").write_text("\n".join(["store_nbr,city,type,cluster", *rows]) + "\n")
    return folder


JOINED = {"mapping": {"item": ["store_nbr", "item_nbr"]}}
