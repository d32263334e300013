"""Glossary: unique terms, short definitions, search."""

import pytest

from fcst.names import DEMAND_CLASSES
from fcst.ui.glossary import GROUPS, MEANING, find_terms

TERMS = [term for terms in GROUPS.values() for term in terms]


def test_terms_are_unique() -> None:
    assert len(MEANING) == len(TERMS) == len({term.name.casefold() for term in TERMS})


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.key)
def test_definitions_are_short_sentences(term) -> None:
    assert term.meaning[0].isupper() or term.meaning[0].isdigit()
    assert term.meaning.endswith(".") and len(term.meaning) < 240


def test_all_demand_classes_have_a_definition() -> None:
    assert set(DEMAND_CLASSES) - {"none"} <= set(MEANING)


def test_search_matches_all_words_in_name_or_meaning() -> None:
    found = find_terms(" PINBALL loss ")
    assert {term.key for terms in found.values() for term in terms} == {"pinball_loss", "scaled_crps"}
    assert list(find_terms("")) == list(GROUPS) and find_terms("pinball lumpy") == {}
