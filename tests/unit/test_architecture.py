"""Architecture: allowed imports between the parts, with a list of exceptions that must all be needed."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from fcst.settings import PROJECT
from tests.sources import SOURCES, parse

BOTTOM = {
    "fcst",
    "names",
    "states",
    "specs",
    "errors",
    "attributes",
    "records",
    "job_records",
    "dataset_records",
    "drivers",
    "lifecycles",
    "attention",
    "periods",
    "scenarios",
    "stock",
    "quality_report",
    "version_changes",
    "data_sources",
    "published_plans",
    "filters",
    "settings",
    "files",
    "supervisor_lock",
    "processes",
    "logs",
    "roles",
    "escaping",
    "export_formats",
}

# part of the project -> modules of fcst it may import, besides itself
MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(sorted(BOTTOM), BOTTOM),
    "compute": BOTTOM,
    "ingest": BOTTOM | {"compute.demand"},
    "samples": BOTTOM,
    "store": BOTTOM,
    "fetch": BOTTOM | {"store.other_postgres", "ingest.folders"},
    "engine": BOTTOM | {"ingest", "fetch", "compute", "store"},
    "services": BOTTOM
    | {"store", "ingest", "fetch", "compute.models", "compute.aggregation", "compute.metrics", "compute.stock"}
    | {"compute.scenarios", "compute.learning", "engine.series_reading"},  # scenarios compute items outside a run
    "charts": BOTTOM,
    "api": BOTTOM | {"services"},
    "ui": BOTTOM
    | {
        "services",
        "compute.models",
        "charts",
        "api.routes",
        "api.authentication",
        "api.request_checks",
        "api.problems",
    },
    "pages": BOTTOM | {"ui", "services", "compute.models", "charts"},
    "app": BOTTOM | {"ui"},
    "terminal": BOTTOM | {"services"},
    "cli": BOTTOM | {"services", "samples", "terminal"},
    "__main__": {"cli"},
}

EXCEPTIONS = {
    ("fcst/cli/admin.py", "fcst.engine.supervisor"),  # `worker` is the supervisor
    ("fcst/store/datasets.py", "fcst.ingest.pipeline"),  # for the type checker only
    ("fcst/store/drivers.py", "fcst.ingest.driver_files"),  # for the type checker only
}

# library -> the parts that may import it
MAY_USE: dict[str, set[str]] = {
    "psycopg2": {"store"},
    "duckdb": {"ingest", "samples"},
    "streamlit": {"app", "pages", "ui"},
    "plotly": {"charts"},
    "statsforecast": {"compute"},
    "pebble": {"engine"},
    "distributed": {"engine"},
    "fastapi": {"api"},
}

PURE_OF_UI = ("fcst/ui/glossary.py", "fcst/ui/reports.py", "fcst/ui/text.py")


@dataclass(frozen=True)
class Import:
    """One import: file, module, and whether it is inside a function."""

    file: str
    module: str
    is_in_function: bool

    @property
    def part(self) -> str:
        return part_of_file(self.file)

    @property
    def library(self) -> str:
        return self.module.partition(".")[0]


def part_of_file(file: str) -> str:
    pieces = Path(file).with_suffix("").parts
    if pieces[0] != "fcst":
        return pieces[0]
    return "fcst" if pieces[1] == "__init__" else pieces[1]


def is_module(name: str) -> bool:
    path = PROJECT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def imports_of(path: Path) -> Iterator[Import]:
    """Yield all imports of a file, including those for the type checker."""
    file = path.relative_to(PROJECT).as_posix()

    def visit(node: ast.AST, is_in_function: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(file, alias.name, is_in_function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            module = node.module or ""
            for alias in node.names:
                name = f"{module}.{alias.name}"
                yield Import(file, name if module.startswith("fcst") and is_module(name) else module, is_in_function)
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, is_in_function or is_function)

    yield from visit(parse(path), False)


IMPORTS = [found for path in SOURCES for found in imports_of(path)]
OURS = [found for found in IMPORTS if found.library == "fcst"]


def is_allowed(found: Import) -> bool:
    module = found.module.removeprefix("fcst.")
    part = module.partition(".")[0]
    return part == found.part or part in MAY_IMPORT[found.part] or module in MAY_IMPORT[found.part]


def test_sources_are_found() -> None:
    assert len(SOURCES) > 30
    assert len(OURS) > 100


def test_every_part_has_its_rule() -> None:
    assert {part_of_file(path.relative_to(PROJECT).as_posix()) for path in SOURCES} == set(MAY_IMPORT)


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_part_imports_only_what_it_may(part: str) -> None:
    wrong = {(i.file, i.module) for i in OURS if i.part == part and not is_allowed(i)}
    assert wrong - EXCEPTIONS == set()


def test_imports_have_no_cycle() -> None:
    """Includes imports inside functions and for the type checker."""
    imported: dict[str, set[str]] = {}
    for found in OURS:
        name = ".".join(Path(found.file).with_suffix("").parts).removesuffix(".__init__")
        imported.setdefault(name, set()).add(found.module)
    TopologicalSorter(imported).prepare()


def test_queries_are_used_in_the_store_only() -> None:
    """Other parts use the functions of the store."""
    runners = {"fetch_all", "fetch_one", "fetch_frame", "transaction", "execute"}
    for path in SOURCES:
        file = path.relative_to(PROJECT).as_posix()
        if part_of_file(file) == "store":
            continue
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "fcst.store.database":
                assert {alias.name for alias in node.names} & runners == set(), file
        assert "fcst.store.queries" not in {found.module for found in OURS if found.file == file}, file


def test_every_exception_is_still_needed() -> None:
    assert {(i.file, i.module) for i in OURS if not is_allowed(i)} == EXCEPTIONS


def test_bottom_layer_imports_nothing_above_it() -> None:
    above = set(MAY_IMPORT) - BOTTOM
    assert {i.module.split(".")[1] for i in OURS if i.part in BOTTOM and "." in i.module} & above == set()


@pytest.mark.parametrize("library", MAY_USE)
def test_library_is_imported_only_where_it_belongs(library: str) -> None:
    parts = {i.part for i in IMPORTS if i.library == library}
    assert parts, f"nothing imports {library}"
    assert parts <= MAY_USE[library]


def test_private_parts_of_streamlit_are_used_in_one_module() -> None:
    private = {found.file for found in IMPORTS if found.module.startswith("streamlit.")}
    assert private == {"fcst/ui/streamlit_internals.py"}


def test_statsforecast_is_imported_in_one_module_and_only_inside_functions() -> None:
    assert {i.file for i in IMPORTS if i.library == "statsforecast"} == {"fcst/compute/statsforecast_import.py"}
    assert [i.file for i in IMPORTS if i.module == "fcst.compute.statsforecast_import" and not i.is_in_function] == []


@pytest.mark.full
def test_statsforecast_import_does_not_block_dask_dataframe() -> None:
    code = "import fcst.compute.statsforecast_import, sys; assert 'dask' not in sys.modules; import dask.dataframe"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


def test_engine_is_imported_by_the_command_line_only_inside_a_function() -> None:
    found = [i for i in IMPORTS if i.file == "fcst/cli/admin.py" and i.module.startswith("fcst.engine")]
    assert [i.is_in_function for i in found] == [True]


@pytest.mark.parametrize("file", PURE_OF_UI)
def test_pure_parts_of_the_ui_do_not_import_streamlit(file: str) -> None:
    assert (PROJECT / file).is_file()
    assert "streamlit" not in {i.library for i in IMPORTS if i.file == file}


def test_only_settings_uses_environment_variables() -> None:
    names = {"environ", "environb", "getenv", "putenv", "unsetenv"}
    used = set()
    for path in SOURCES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                used |= {(path.name, node.attr)} if node.attr in names else set()
            elif isinstance(node, ast.ImportFrom) and node.module == "os":
                used |= {(path.name, alias.name) for alias in node.names if alias.name in names}
    assert used == {("settings.py", "environ")}


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (
            "fcst.cli.main, fcst.services.jobs, fcst.services.datasets, fcst.services.loading, fcst.services.forecasts",
            {"statsforecast", "numba", "streamlit", "pebble", "distributed"},
        ),
        ("fcst.compute.models", {"statsforecast", "numba", "streamlit", "psycopg2", "pandas"}),
        ("fcst.compute.forecasting", {"statsforecast", "numba", "streamlit", "psycopg2", "duckdb"}),
        ("fcst.charts, fcst.ui.text, fcst.ui.reports", {"streamlit", "psycopg2", "duckdb"}),
    ],
)
def test_import_does_not_load_heavy_or_unrelated_libraries(modules: str, heavy: set[str]) -> None:
    program = f"import sys, {modules}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert set(modules.split(", ")) <= loaded
    assert loaded & heavy == set()


@cache
def users() -> dict[str, set[str]]:
    """attribute -> the files of the user interface that use one with this name, as in `st.dataframe`."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        file = path.relative_to(PROJECT).as_posix()
        if part_of_file(file) in MAY_USE["streamlit"]:
            for node in ast.walk(parse(path)):
                if isinstance(node, ast.Attribute):
                    found.setdefault(node.attr, set()).add(file)
    return found


def test_frames_are_shown_in_one_module_which_escapes_them() -> None:
    assert users()["dataframe"] == {"fcst/ui/tables.py"}
    assert users().keys() & {"data_editor", "table"} == set()


def test_no_element_stores_media_served_without_sign_in() -> None:
    media = {"download_button", "image", "audio", "video", "pdf", "logo", "pyplot", "graphviz_chart"}
    assert users().keys() & media == set()


def test_no_test_module_imports_another() -> None:
    tests = [path for path in (PROJECT / "tests").rglob("*.py") if path.is_file()]
    imports = re.compile(r"^\s*(?:from|import) tests(?:\.\w+)*\.test_\w+", re.MULTILINE)
    assert [path.name for path in tests if imports.search(path.read_text(encoding="utf-8"))] == ["test_logs.py"]


def test_functions_have_at_most_sixty_lines() -> None:
    long = [
        f"{path.relative_to(PROJECT)}: {node.name}"
        for path in SOURCES
        for node in ast.walk(parse(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno - node.lineno >= 60
    ]
    assert long == []
