"""Random rows of sales."""

import random

from tests.unit.ingest.conftest import day

STORES = "date,store_nbr,item_nbr,unit_sales,onpromotion"


def random_rows(chance: random.Random) -> list[str]:
    rows = []
    for _ in range(chance.randrange(200, 900)):
        when, item, units = day(chance.randrange(-3, 40)), f"item {chance.randrange(8)}", str(chance.randrange(9))
        if chance.random() < 0.1:
            units = f"-{units}" if chance.random() < 0.7 else f"{units}.25"
        if chance.random() < 0.03:
            when, item, units = chance.choice(
                [("x", item, units), (when, "", units), (when, item, "many"), ("", "", "")]
            )
        row = f"{when},{chance.randrange(22)},{item},{units},{chance.choice(['True', 'False', 'False', '', '2'])}"
        if chance.random() < 0.01:
            row += ",too,many"
        rows += [row] * (1 + (chance.random() < 0.05))
    return rows
