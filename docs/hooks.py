"""Fills the tables of the reference from the code, while MkDocs builds the site: a page says `{{ settings }}`."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fcst import states  # noqa: E402
from fcst.api.app import create_api  # noqa: E402
from fcst.cli.main import make_parser  # noqa: E402
from fcst.compute.models import CATALOGUE, COMBINATIONS  # noqa: E402
from fcst.export_formats import export_columns  # noqa: E402
from fcst.settings import SETTINGS  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from fcst.ui.glossary import GROUPS  # noqa: E402
from fcst.ui.page_table import PAGES  # noqa: E402


def on_page_markdown(markdown: str, **_more: Any) -> str:
    """A page with its tables; MkDocs calls this for each page.

    Raises
    ------
    KeyError
        if a page names a table that there is not.
    """
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: TABLES[found[1]](), markdown)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(head), ["---"] * len(list(head)), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def settings() -> str:
    return table(("setting", "default", "what it is for"), ((f"`{name}`", *about) for name, about in SETTINGS.items()))


def commands() -> str:
    (found,) = (action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    return table(("command", "what it does"), ((f"`{choice.dest}`", choice.help) for choice in found._choices_actions))


def models() -> str:
    rows = [(f"`{name}`", purpose, 1, "") for name, purpose in COMBINATIONS.items()]
    rows += [(f"`{model.name}`", model.purpose, model.min_history, model.source) for model in CATALOGUE.values()]
    return table(("name", "what it is for", "weeks it needs", "source"), rows)


def routes() -> str:
    rows = [
        (f"`{method.upper()} {path}`", about.get("summary", ""))
        for path, methods in create_api().openapi()["paths"].items()
        for method, about in methods.items()
    ]
    return table(("route", "what it does"), rows)


def glossary() -> str:
    return "\n\n".join(
        f"## {title}\n\n{table(('word', 'meaning'), ((term.name, term.meaning) for term in terms))}"
        for title, terms in GROUPS.items()
    )


def pages() -> str:
    return table(
        ("page", "URL", "what it is for"), ((page.title, f"`/{page.url_path}`", page.purpose) for page in PAGES)
    )


def columns() -> str:
    """The columns of exported forecasts of a run with drivers and the default levels."""
    rows = [(f"`{found.name}`", str(found.cell), found.about) for found in export_columns(JobSpec(driver_load=1))]
    return table(("column", "cells", "content"), rows)


def stages() -> str:
    """The diagram of a batch's stages, from the module that defines them."""
    return (states.__doc__ or "").split("\n\n", 1)[1].strip("\n")


TABLES: dict[str, Callable[[], str]] = {
    table.__name__: table for table in (settings, commands, models, routes, glossary, pages, columns, stages)
}
