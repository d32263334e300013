"""The README tells the truth: its tables of settings, commands and models match the code."""

import argparse
import re

from fcst.cli.main import _parser
from fcst.compute.models import CATALOGUE, COMBINATIONS
from fcst.settings import PROJECT, SETTINGS

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = README.split(f"{heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert rows
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows.group().splitlines()[2:]]


def test_settings_are_those_of_the_code() -> None:
    assert table("## Settings") == [[f"`{name}`", default, text] for name, (default, text) in SETTINGS.items()]


def test_commands_are_those_of_the_command_line() -> None:
    (commands,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    helps = {choice.dest: choice.help for choice in commands._choices_actions}
    assert dict(table("## Command line")) == {f"`{name}`": text for name, text in helps.items()}


def test_models_are_those_of_the_catalogue() -> None:
    weeks = {f"`{name}`": "1" for name in COMBINATIONS}
    weeks |= {f"`{name}`": str(model.min_history) for name, model in CATALOGUE.items()}
    assert {name: need for name, _, need in table("### Models")} == weeks


def test_every_setting_that_is_read_is_told() -> None:
    code = (PROJECT / "fcst" / "settings.py").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:get|number|whole)\("([A-Z]\w+)"', code)) == set(SETTINGS)


def test_files_that_are_named_are_there() -> None:
    for name in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (PROJECT / name).is_file(), name
