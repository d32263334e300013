"""The glossary: each word once, in a sentence, and found by its parts."""

import pytest

from fcst.names import DEMAND_CLASSES
from fcst.ui.glossary import GROUPS, MEANING, find_terms

TERMS = [term for terms in GROUPS.values() for term in terms]


def test_each_word_stands_once() -> None:
    assert len(MEANING) == len(TERMS) == len({term.name.casefold() for term in TERMS})


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.key)
def test_meaning_is_a_sentence_or_two(term) -> None:
    assert term.meaning[0].isupper() or term.meaning[0].isdigit()
    assert term.meaning.endswith(".") and len(term.meaning) < 240


def test_demand_classes_are_explained() -> None:
    assert set(DEMAND_CLASSES) - {"none"} <= set(MEANING)


def test_search_wants_all_words_in_name_or_meaning() -> None:
    found = find_terms(" PINBALL loss ")
    assert {term.key for terms in found.values() for term in terms} == {"pinball_loss", "scaled_crps"}
    assert list(find_terms("")) == list(GROUPS) and find_terms("pinball lumpy") == {}
