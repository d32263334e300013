"""Static checks of the named SQL and its callers: names, parameters, schema of tables. A test is about all queries."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from fcst.settings import PROJECT
from fcst.store.queries import SQL, migrations, query, query_names
from tests.sources import SOURCES, parse

STORE = PROJECT / "fcst" / "store"
CURSOR_CALLS = {"execute", "executemany", "copy_expert", "mogrify"}
RUNNERS = {"fetch_all", "fetch_one", "fetch_frame", "execute"}
QUERIES = {name: query(name) for name in query_names()}

LITERAL_STATEMENTS = {
    ("database.py", "SELECT 1"),  # test of a connection
    ("migrate.py", "SELECT pg_advisory_xact_lock(%(lock)s)"),  # runs before the schema exists
    ("embedded.py", "SELECT 1 FROM pg_database WHERE datname = 'fcst'"),  # runs before the database exists
    ("embedded.py", "CREATE DATABASE fcst"),
}
BUILT_STATEMENTS = {("other_postgres.py", "copy_query")}  # the user's own query; COPY takes no parameters


@cache
def calls() -> list[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef, ast.Call]]:
    """(file, function, call) of each call in a function with an argument."""
    return [
        (path, function, call)
        for path in SOURCES
        for function in ast.walk(parse(path))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and call.args
    ]


def literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def named_calls() -> Iterator[tuple[Path, str, ast.Call]]:
    """Calls of `query("…")`, `fetch_all("…")` and the like."""
    for path, _, call in calls():
        function = call.func
        is_runner = isinstance(function, ast.Name) and function.id in RUNNERS | {"query"}
        is_query = isinstance(function, ast.Attribute) and function.attr == "query"
        if (is_runner or is_query) and (name := literal(call.args[0])) is not None:
            yield path, name, call


def bare(statement: str) -> str:
    """The statement without comments and string literals."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--.*", "", statement))


def parameters(statement: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", statement))


# The files


@pytest.mark.parametrize("path", sorted(SQL.glob("*.sql")), ids=lambda path: path.name)
def test_file_has_blocks_of_name_description_and_statement(path: Path) -> None:
    blocks = re.split(r"^-- \w+\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert blocks[0].strip() == ""
    for block in blocks[1:]:
        comment = re.match(r"(?:-- .*\n)+", block)
        assert comment, block
        text = comment[0].strip()
        assert text[3].isupper(), text
        assert text.endswith("."), text
        assert block.strip().endswith(";"), block


def test_names_are_read_from_all_files_and_unique() -> None:
    in_files = [
        name
        for path in SQL.glob("*.sql")
        for name in re.findall(r"^-- (\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]
    assert sorted(in_files) == sorted(QUERIES)
    assert len(set(QUERIES)) == len(QUERIES) > 40


def test_unknown_name_raises_key_error() -> None:
    with pytest.raises(KeyError):
        query("no_such_query")


def test_migrations_are_numbered_consecutively() -> None:
    found = migrations()
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for _, name, _ in found)
    assert len(found) == len(list((SQL / "migrations").iterdir()))


# Names and parameters


def test_every_query_is_used() -> None:
    texts = {
        node.value
        for path in SOURCES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert QUERIES.keys() - texts == set()


def test_every_called_name_exists() -> None:
    called = {name for _, name, _ in named_calls()}
    assert len(called) > 40
    assert called - set(QUERIES) == set()


def given_parameters() -> Iterator[tuple[str, str, set[str]]]:
    """(file, query, parameter names) of `fetch_all("…", a=…)` and `cur.execute(query("…"), {"a": …})`, if literal."""
    for path, name, call in named_calls():
        is_literal = all(keyword.arg for keyword in call.keywords)
        if isinstance(call.func, ast.Name) and call.func.id in RUNNERS and is_literal:
            yield path.name, name, {str(keyword.arg) for keyword in call.keywords}
    for path, _, call in calls():
        if not (isinstance(call.func, ast.Attribute) and call.func.attr in CURSOR_CALLS):
            continue
        statement, *values = call.args
        if not (isinstance(statement, ast.Call) and statement.args and (name := literal(statement.args[0])) in QUERIES):
            continue
        if not values:
            yield path.name, str(name), set()
        elif isinstance(values[0], ast.Dict) and None not in values[0].keys:
            yield path.name, str(name), {str(literal(key)) for key in values[0].keys if key}


def test_call_passes_the_parameters_of_its_query() -> None:
    found = list(given_parameters())
    assert len(found) > 200
    assert [(file, name) for file, name, given in found if given != parameters(QUERIES[name])] == []


# How statements are built


def test_values_are_named_parameters_only() -> None:
    assert [name for name, text in QUERIES.items() if re.search(r"%(?!\(\w+\)s)", text)] == []


PLACEHOLDERS = {
    "page_of_forecasts": ["{which}"],
    "chosen_items": ["{condition}", "{first}"],
    "list_items": ["{ended}", "{new}", "{chosen}", "{order}"],
    "count_items": ["{chosen}"],
    "page_of_items": ["{condition}"],
    "find_shown_keys": ["{shown}"],
    "count_chosen": ["{chosen}"],
    "insert_job_items": ["{chosen}"],
    "rows_without_forecast": ["{sold}"] * 4,
    "sold_lately": ["{h}"] * 4,
    "chosen_job_items": ["{value}", "{rows}", "{joined}", "{condition}"],
    "count_job_items": ["{chosen}"],
    "place_of_job_item": ["{chosen}", "{chosen}"],
    "list_job_items": ["{chosen}", "{abc}", "{xyz}", "{rows}", "{joined}"],
    "page_of_plan": ["{season}", "{which}"],
    "sum_later_actuals": ["{which}"],
    "keys_with_uplift": ["{which}"],
    "scenario_weeks": ["{which}"],
    "sum_scenarios": ["{weeks}"],
    "list_scenario_items": ["{weeks}"],
    "export_scenarios": ["{unique_id}", "{name}", "{numbers}", "{weeks}"],
    "sum_earlier_plans": ["{which}"],
    "plan_totals": ["{which}"],
    "insert_items_by_factors": ["{which}"],
    "clear_adjusted": ["{keys}"],
    "apply_adjustments": ["{keys}"],
    "of_items": ["{which}"],
    "clear_sums": ["{keys}"],
    "find_sums": [
        *("{outside_weeks}", "{worse_by}", "{bias_ratio}", "{plan_change}", "{shift}"),
        *("{keys}", "{sold}", "{new_within}", "{new_within}", "{ended_after}"),
    ],
    "carry_reviews": ["{keys}"],
    "count_attention": ["{chosen}"],
    "review_items": ["{chosen}"],
    "reopen_items": ["{chosen}"],
    "find_abc": ["{share_a}", "{share_b}"],
    "stock_page": ["{chosen}"],
    "copy_forecasts_to_add_up": ["{columns}", "{which}"],
    "job_sales_totals": ["{which}"],
    "copy_job_sales": ["{which}"],
    "copy_sales_left_out": ["{condition}"],
    "count_to_add_up": ["{condition}"],
    "list_adjustments": ["{which}"],
    "adjusted_totals": ["{which}"],
    "copy_backtests_to_add_up": ["{which}"],
    "sum_baselines": ["{which}"],
    "export_forecasts": ["{columns}", "{which}"],
    "copy_weekly_file": ["{key}"],
    "copy_published_plan": ["{key}"],
    "accuracy_sums": [
        *("{key}", "{level_weeks}", "{covered}", "{width}", "{msis}", "{n_msis}"),
        *("{rows}", "{joined}", "{rows}", "{rows}", "{which}", "{key}"),
        *("{key}", "{rows}", "{joined}", "{which}", "{key}"),
    ],
    "horizon_sums": ["{level_weeks}", "{covered}", "{bounds}", "{names}", "{which}"],
    "stored_sums": ["{numbers}", "{level_weeks}", "{covered}", "{width}", "{msis}", "{n_msis}"],
    "store_sums": ["{columns}", "{sums}"],
    "store_sums_by_key": ["{by}", "{columns}", "{sums}"],
    "store_horizon_sums": ["{columns}", "{columns}", "{sums}"],
    "accuracy_on_actuals": ["{levels}"],
    "sum_groups": [
        *("{value}", "{down}", "{up}", "{squares_down}", "{squares_up}"),
        *("{rows}", "{joined}", "{condition}", "{order}"),
    ],
    "apply_attribute_values": ["{key}"],
    "list_unknown_keys": ["{key}"],
    "count_groups": ["{value}", "{rows}", "{joined}", "{condition}"],
}


def test_only_known_statements_have_placeholders() -> None:
    found = {name: re.findall(r"\{\w+\}", text) for name, text in QUERIES.items()}
    assert {name: places for name, places in found.items() if places} == PLACEHOLDERS


def test_no_statement_is_built_from_strings() -> None:
    built, literals = set(), set()
    for path, function, call in calls():
        if not (path.is_relative_to(STORE) and isinstance(call.func, ast.Attribute) and call.func.attr in CURSOR_CALLS):
            continue
        statement = call.args[0]
        is_filled_in = isinstance(statement, ast.Call) and getattr(statement.func, "attr", "") in ("format", "join")
        if isinstance(statement, (ast.JoinedStr, ast.BinOp)) or is_filled_in:
            built.add((path.name, function.name))
        elif text := literal(statement):
            literals.add((path.name, text))
    assert built == BUILT_STATEMENTS
    assert literals == LITERAL_STATEMENTS


def test_no_statement_selects_all_columns() -> None:
    assert [name for name, text in QUERIES.items() if re.search(r"\*\s+FROM\s+(?!staged_)\S+", text)] == []


# Schemas of tables, and no session state, for poolers


TABLES = {
    table
    for text in [query("create_migrations"), *(text for _, _, text in migrations())]
    for table in re.findall(r"CREATE (?:TABLE|VIEW|AGGREGATE) (?:IF NOT EXISTS )?fcst_app\.(\w+)", text)
}


def relations(statement: str) -> set[str]:
    """The relations that a statement reads or writes; relies on upper-case keywords and lower-case names."""
    found = re.findall(
        r"\b(?:FROM|JOIN|INTO|UPDATE|COPY|TABLE|TABLE IF NOT EXISTS|LIKE|REFERENCES|TRIGGER \w+ \w+ \w+ ON|"
        r"INDEX \w+ ON)\s+([a-z_][a-z_.]*)\b(?!\()",  # not a function, as in `extract(epoch FROM now())`
        bare(statement),
    )
    common = set(re.findall(r"(?:WITH|WITH RECURSIVE|,)\s*([a-z_]+) AS (?:MATERIALIZED )?\(", bare(statement)))
    return set(found) - common


def test_every_table_has_its_schema() -> None:
    known = ("fcst_app.", "staged_", "pg_catalog.")
    found = [(name, relation) for name, text in QUERIES.items() for relation in relations(text)]
    assert [(name, relation) for name, relation in found if not relation.startswith(known)] == []
    table = re.compile(rf"(?<![\w.])({'|'.join(TABLES)})\b(?!\.)")
    assert [(name, table.findall(bare(text))) for name, text in QUERIES.items() if table.search(bare(text))] == []


def test_every_table_exists() -> None:
    written = {
        (name, table) for name, text in QUERIES.items() for table in re.findall(r"\bfcst_app\.(\w+)", bare(text))
    }
    assert len(written) > 300
    assert {(name, table) for name, table in written if table not in TABLES} == set()


@pytest.mark.parametrize(("name", "text"), [(name, text) for _, name, text in migrations()], ids=lambda v: v[:30])
def test_migration_qualifies_all_names_with_the_schema(name: str, text: str) -> None:
    assert len(relations(text)) > 0
    assert {found for found in relations(text) if not found.startswith("fcst_app.")} == set()
    assert re.findall(r"CREATE (?:FUNCTION|VIEW|TYPE|SEQUENCE) (?!fcst_app\.)", text) == []


def test_no_statement_leaves_session_state() -> None:
    for name, text in QUERIES.items():
        statement = bare(text)
        assert not re.search(r"\b(LISTEN|NOTIFY|PREPARE)\b|pg_(try_)?advisory_lock\b", statement), name
        assert not [part for part in statement.split(";") if re.match(r"\s*SET (?!LOCAL)", part)], name
        assert statement.count("CREATE TEMPORARY TABLE") == statement.count("ON COMMIT DROP"), name
