"""What changed from one version of a dataset to the next: weeks, items, revised sales and columns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RevisedItem:
    """An item whose units in weeks of both versions differ.

    Parameters
    ----------
    n_weeks
        number of weeks that differ.
    units
        change of the sum of units.
    """

    unique_id: str
    n_weeks: int
    units: float


@dataclass(frozen=True)
class VersionChanges:
    """Changes since the version before.

    Parameters
    ----------
    since_version
        number of the version before.
    is_comparable
        False if the two versions have other weeks or another rule for promotions: no sales are compared then.
    n_new_weeks
        weeks after the last week of the version before.
    n_new_items, n_gone_items
        items that only this version, or only the version before has; the largest are in `new_items`, `gone_items`.
    n_ended_items
        items that the version before had as not ended, and this one has as ended.
    n_revised_items, n_revised_weeks, revised_units
        items and item-weeks whose units differ in the weeks of both versions, and the sum of the absolute differences.
    revised_items
        those with the largest difference.
    new_columns, gone_columns
        columns that only the files of this version, or of the version before have.
    """

    since_version: int
    is_comparable: bool = True
    n_new_weeks: int = 0
    n_new_items: int = 0
    n_gone_items: int = 0
    n_ended_items: int = 0
    n_revised_items: int = 0
    n_revised_weeks: int = 0
    revised_units: float = 0.0
    new_items: tuple[str, ...] = ()
    gone_items: tuple[str, ...] = ()
    ended_items: tuple[str, ...] = ()
    revised_items: tuple[RevisedItem, ...] = ()
    new_columns: tuple[str, ...] = ()
    gone_columns: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Sentences of plain text, the most important first."""
        before = f"version {self.since_version}"
        if not self.is_comparable:
            return [f"Not comparable with {before}: its weeks or its rule for promotions differ.", *self.column_lines()]
        lines = [f"{_count(self.n_new_weeks, 'new week')} since {before}."]
        if self.n_revised_items:
            n_weeks = _count(self.n_revised_weeks, "item-week")
            lines.append(
                f"{_count(self.n_revised_items, 'item')} of {before} revised: {n_weeks}, "
                f"{self.revised_units:,.0f} units{_examples([item.unique_id for item in self.revised_items])}."
            )
        else:
            lines.append(f"The history is that of {before}.")
        for n, word, keys in (
            (self.n_new_items, "new item", self.new_items),
            (self.n_gone_items, "item is no longer in the data", self.gone_items),
            (self.n_ended_items, "item without a sale in the last 26 weeks, unlike before", self.ended_items),
        ):
            if n:
                plural = word.replace("item", "items", 1).replace("items is", "items are")
                lines.append(f"{n:,} {word if n == 1 else plural}{_examples(keys)}.")
        return lines + self.column_lines()

    def column_lines(self) -> list[str]:
        """Sentences on new and missing columns."""
        named = ((self.new_columns, "New"), (self.gone_columns, "Gone"))
        return [f"{word} {_plural('column', len(names))}: {', '.join(names)}." for names, word in named if names]


def _plural(word: str, n: int) -> str:
    return word if n == 1 else f"{word}s"


def _count(n: int, word: str) -> str:
    return f"{n:,} {_plural(word, n)}"


def _examples(keys: tuple[str, ...] | list[str]) -> str:
    return f" ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})" if keys else ""
