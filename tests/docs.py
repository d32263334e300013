"""The examples of the documentation, for tests that run them."""

from fcst.settings import PROJECT


def page(name: str) -> str:
    """The source of a page, such as `how-to/teams.md`."""
    return (PROJECT / "docs" / name).read_text(encoding="utf-8")


def examples(name: str, language: str) -> list[str]:
    """The examples of a page in one language."""
    found: list[str] = []
    fence = None
    for line in page(name).splitlines():
        if line.startswith("```"):
            fence = line[3:] if fence is None else None
            if fence == language:
                found.append("")
        elif fence is not None and fence == language:
            found[-1] += f"{line}\n"
    assert found, f"no {language} in {name}"
    return found
