"""The pages of the product: the router, the navigation, the documentation and the tests read this table."""

from dataclasses import dataclass

from fcst.roles import Scope


@dataclass(frozen=True)
class Page:
    """One page.

    Parameters
    ----------
    name
        of its file in pages/, without the ending.
    scope
        the navigation lists it for visitors with this scope.
    parent
        the page that the navigation marks instead; empty for a page that the navigation lists itself.
    """

    name: str
    title: str
    icon: str
    purpose: str
    scope: Scope = Scope.READ
    parent: str = ""

    @property
    def file(self) -> str:
        return f"pages/{self.name}.py"

    @property
    def url_path(self) -> str:
        return self.name.replace("_", "-")


PAGES = (
    Page("home", "Home", "home", "the next step, what runs now, the last runs, the datasets, the health of the parts"),
    Page("data", "Data", "database", "all datasets, and their versions; delete them"),
    Page(
        "new_run", "New run", "play_circle",
        "which items of which dataset (the largest, a random sample, a list, all that match a filter, those of an "
        "earlier run), how far ahead, with which models, and how long it will take, from similar runs on this machine",
        scope=Scope.RUN,
    ),
    Page(
        "runs", "Runs", "list_alt",
        "all runs, or one, live: batches, when they ran, failures by reason, history, logs; cancel and retry one run "
        "or all that match a filter",
    ),
    Page(
        "forecasts", "Forecasts", "query_stats",
        "the workbench: the worklist by units at stake, with reasons and reviews; the plan of one item or of all items "
        "shown, as chart and as a grid by week, month or quarter; what-if scenarios; downloads",
    ),
    Page(
        "accuracy", "Accuracy", "monitoring",
        "the errors of a run and of the same weeks last year; by model, weeks ahead, family, demand class and item; "
        "how good earlier runs were 1, 4, 8 and 13 weeks before; sales lost to stock-outs",
    ),
    Page(
        "compare", "Compare", "compare_arrows",
        "two runs side by side, item by item, with the actual sales since, once a newer version of the dataset has the "
        "weeks; what model and adjustments each added to the same weeks last year",
    ),
    Page("glossary", "Glossary", "menu_book", "the words and measures, each in a sentence"),
    Page("load", "Load sales", "", "load files: how each column is read, with a preview", parent="data"),
    Page(
        "dataset", "Dataset", "",
        "what was read and what is odd in it; drivers, plans, holidays; new items and successors; attributes; lead "
        "times and service levels",
        parent="data",
    ),
)  # fmt: skip
