"""Item attributes: list them, save a file of them, remove one."""

from fcst.attributes import ALL, COLUMNS, KEY, MAX_ATTRIBUTES, MAX_NAME, MAX_VALUE, Attribute, AttributeFile, Saved
from fcst.errors import InputError, NotFound
from fcst.ingest.attribute_files import read_attributes
from fcst.ingest.folders import folders_for
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.item_selection import join_keys
from fcst.services.loading import workspace
from fcst.settings import load_settings
from fcst.specs import IngestSpec
from fcst.store import attributes, datasets


def find_attributes(dataset_id: int) -> list[Attribute]:
    """Item attributes of a dataset, those from the sales file first.

    Raises
    ------
    InputError
        if there is no such dataset.
    """
    return attributes.list_known(datasets.get(dataset_id).dataset_id)


def read_file(spec: IngestSpec) -> AttributeFile:
    """Reads attributes from a file without saving them.

    Parameters
    ----------
    spec
        paths of the file; `plan_of` is the dataset id.

    Raises
    ------
    InputError
        if any row is invalid; the message names the rows and their faults.
    """
    identity.require(Scope.RUN)
    dataset = datasets.get(spec.plan_of)
    known = attributes.list_known(dataset.dataset_id)
    with workspace() as own:
        folders = folders_for(spec, load_settings())
        return read_attributes(spec, folders, own, dataset.spec.mapping.get("item", []), known)


def save_attributes(dataset_id: int, file: AttributeFile) -> Saved:
    """Saves attribute values, replacing earlier values of the same keys.

    Keys that match no item are kept for later versions of the dataset.

    Raises
    ------
    InputError
        if no key matches an item, or an attribute is from the sales file or has other key columns. Nothing is saved
        then.
    """
    who = identity.require(Scope.RUN)
    dataset = datasets.get(dataset_id)
    _check(file, attributes.list_known(dataset_id))
    return attributes.save(dataset.dataset_id, file, who)


def in_words(file: AttributeFile, saved: Saved) -> list[str]:
    """Describes the result of saving a file, one sentence each."""
    names = ", ".join(file.names)
    n_keys = f"{saved.n_keys:,} of {saved.n_keys + saved.n_unknown:,} keys"
    lines = [f"{names}: saved for {n_keys}; set for {saved.n_items:,} items."]
    if saved.n_unknown:
        keys = join_keys(list(saved.unknown), saved.n_unknown)
        lines.append(f"No item has these keys, which are kept for later versions of the dataset: {keys}.")
    if file.ignored:
        lines.append(f"Not changed, because the sales file has them: {', '.join(file.ignored)}.")
    return lines


def remove_attribute(dataset_id: int, name: str) -> None:
    """Removes an attribute from the items of a dataset.

    Raises
    ------
    NotFound
        if there is no attribute of this name.
    InputError
        if it is from the sales file.
    """
    who = identity.require(Scope.RUN)
    known = {attribute.name: attribute for attribute in find_attributes(dataset_id)}
    if name not in known:
        raise NotFound(f"There is no attribute {name!r}.", "Check the list; names must match exactly.")
    if known[name].is_own:
        raise InputError(f"Attribute {name!r} is from the sales file.", "Only loaded attributes can be removed.")
    attributes.remove(dataset_id, known[name], who)


def _check(file: AttributeFile, known: list[Attribute]) -> None:
    by_name = {attribute.name: attribute for attribute in known}
    if not file.names or not file.rows:
        raise InputError("No attribute values were given.", "Give at least one value.")
    for name in file.names:
        if not 0 < len(name) <= MAX_NAME or name == ALL or not name.isprintable():
            raise InputError(f"{name[:100]!r} is not a valid attribute name.", "Choose another name.")
        found = by_name.get(name)
        if found is not None and found.is_own:
            raise InputError(
                f"Attribute {name!r} is from the sales file.", "Use another name, or load the sales again."
            )
        if found is not None and found.keyed_by != file.keyed_by:
            words = " and ".join(found.keyed_by) or "item"
            raise InputError(
                f"Attribute {name!r} is keyed by {words}.", "Use the same key, or remove the attribute first."
            )
    n_loaded = len({attribute.name for attribute in known if not attribute.is_own} | set(file.names))
    if n_loaded > MAX_ATTRIBUTES:
        raise InputError(f"The dataset would have {n_loaded} loaded attributes.", f"The limit is {MAX_ATTRIBUTES}.")
    parts = {attribute.name for attribute in known if attribute.source == KEY}
    if unknown := [name for name in file.keyed_by if name not in parts and not (name in COLUMNS and name in by_name)]:
        raise InputError(f"The dataset's keys have no column {unknown[0]!r}.", "Use key columns, family or class.")
    n_parts = max(len(file.keyed_by), 1)
    for key, values in file.rows:
        if len(key) != n_parts or len(values) != len(file.names) or not all(key):
            raise InputError(f"The key {key!r} must have {n_parts} non-empty parts.", "Correct the key.")
        if any(len(value) > MAX_VALUE or "\0" in value for value in (*key, *values)):
            raise InputError(f"A value of {'|'.join(key)[:100]!r} is too long.", f"Use up to {MAX_VALUE} characters.")
    if len({key for key, _ in file.rows}) < len(file.rows):
        raise InputError("A key occurs twice.", "Give each key once.")
