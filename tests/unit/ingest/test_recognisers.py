"""Recognisers: run all their samples; check the registry."""

import csv

import pytest

from fcst.ingest.recognisers import REGISTRY, propose
from fcst.ingest.recognisers.recogniser import Recogniser, Sample

SAMPLES = [(recogniser, sample) for recogniser in REGISTRY for sample in recogniser.samples]


@pytest.mark.parametrize(("recogniser", "sample"), SAMPLES, ids=[f"{r.name}-{n}" for n, (r, _) in enumerate(SAMPLES)])
def test_samples(recogniser: Recogniser, sample: Sample) -> None:
    is_semicolon = ";" in sample.text.splitlines()[0]
    header, *rows = csv.reader(sample.text.splitlines(), delimiter=";" if is_semicolon else ",")
    cells = [[cell or None for cell in row] for row in rows]
    proposal = propose(header, ["VARCHAR"] * len(header), cells, {}, is_comma_usual=is_semicolon)
    found = {name: proposal.mapping.get(name) or getattr(proposal, name, []) for name in sample.expected}
    assert found == sample.expected


def test_recognisers_have_unique_names_and_samples() -> None:
    assert len({recogniser.name for recogniser in REGISTRY}) == len(REGISTRY)
    assert [recogniser.name for recogniser in REGISTRY if not recogniser.samples] == ["columns that are dates"]
