"""The documentation: the site builds without network, its links lead somewhere, its tables are those of the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fcst.settings import PROJECT, SETTINGS
from tests.docs import examples, page

PAGES = sorted(path.relative_to(PROJECT / "docs").as_posix() for path in (PROJECT / "docs").rglob("*.md"))
TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as MkDocs builds it; a broken link or anchor is an error there (`strict`)."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_in_the_site_and_its_navigation(site: Path) -> None:
    navigation = (PROJECT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    for name in PAGES:
        assert (site / name).with_suffix(".html").is_file()
        assert name in navigation


def test_tables_of_the_reference_are_made_from_the_code(site: Path) -> None:
    for name, words in {
        "settings": list(SETTINGS),
        "commands": ["ingest", "final-plan", "doctor"],
        "models": ["SeasonalNaive", "AutoETS(A)", "doi:10.1016/j.ijforecast.2016.02.005"],
        "api": ["POST /jobs/{job_id}/cancel", "GET /datasets"],
        "glossary": ["Safety stock", "WAPE"],
    }.items():
        html = (site / "reference" / name).with_suffix(".html").read_text("utf-8")
        assert "{{" not in html
        assert all(word in html for word in words), name
    assert "obtaining_sales ──sales read──&gt; processing" in (site / "explanation" / "engine.html").read_text("utf-8")


def test_the_site_asks_no_other_server_for_its_parts(site: Path) -> None:
    for name in PAGES:
        html = (site / name).with_suffix(".html").read_text("utf-8")
        parts = re.findall(r'<(?:link|script|img)[^>]+(?:href|src)="(https?:)?//[^"]+"', html)
        assert not [part for part in parts if 'rel="canonical"' not in part], name


def test_an_unknown_table_is_an_error() -> None:
    sys.path.insert(0, str(PROJECT / "docs"))
    try:
        import hooks
    finally:
        sys.path.pop(0)
    with pytest.raises(KeyError, match="nothing"):
        hooks.on_page_markdown("{{ nothing }}")


@pytest.mark.parametrize("name", TOP)
def test_files_that_the_project_names_are_there(name: str) -> None:
    text = (PROJECT / name).read_text("utf-8")
    for link in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text):
        assert (PROJECT / link).exists(), link


def test_the_readme_stays_short() -> None:
    assert (PROJECT / "README.md").stat().st_size <= 6_000


def test_every_setting_that_is_read_is_documented() -> None:
    code = (PROJECT / "fcst" / "settings.py").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:get|number|whole)\("([A-Z]\w+)"', code)) == set(SETTINGS)


def test_every_command_in_the_docs_is_known() -> None:
    known = subprocess.run(
        [sys.executable, "-m", "fcst", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    for name in PAGES:
        text = page(name)
        for command in re.findall(r"python -m fcst ([a-z-]+)", text):
            assert re.search(rf"^    {command}\b", known, re.MULTILINE), f"{name}: {command}"


def test_examples_finds_the_blocks_of_one_language_only() -> None:
    assert [block.split("\n")[0] for block in examples("how-to/backup.md", "ini")] == [
        "# /etc/systemd/system/fcst-nightly.service",
        "# /etc/systemd/system/fcst-nightly.timer",
    ]
    with pytest.raises(AssertionError, match="no cobol"):
        examples("how-to/backup.md", "cobol")
