"""Restores a backup and returns the tables of the restored database."""

from tests.store.old_versions import LATEST


def restored_from(before: dict, after: dict) -> str:
    """Returns the file that the only new action names; asserts that nothing else has changed."""
    (action,) = [row for row in after["actions"] if row not in before["actions"]]
    assert (action["action"], action["noun"], action["number"]) == ("restore", "schema", LATEST)
    assert after | {"actions": before["actions"]} == before
    return action["words"]
