"""What a user can do with attributes of items: list them, save a file of them, remove one."""

from fcst.attributes import ALL, COLUMNS, KEY, MAX_ATTRIBUTES, MAX_NAME, MAX_VALUE, Attribute, AttributeFile, Saved
from fcst.errors import InputError, NotFound
from fcst.ingest.attribute_files import read_attributes
from fcst.ingest.folders import folders_for
from fcst.roles import Scope
from fcst.services import identity
from fcst.services.item_selection import name_some
from fcst.services.loading import workspace
from fcst.settings import load_settings
from fcst.specs import IngestSpec
from fcst.store import attributes, datasets


def find_attributes(dataset_id: int) -> list[Attribute]:
    """The attributes of a dataset's items: those that came with the sales first.

    Raises
    ------
    InputError
        if there is no such dataset.
    """
    return attributes.list_known(datasets.get(dataset_id).dataset_id)


def read_file(spec: IngestSpec) -> AttributeFile:
    """The attributes in a file, which are not saved yet.

    Parameters
    ----------
    spec
        its paths; `plan_of` is the dataset.

    Raises
    ------
    InputError
        if it cannot be read whole; the text names rows and what is wrong in them.
    """
    identity.require(Scope.RUN)
    dataset = datasets.get(spec.plan_of)
    known = attributes.list_known(dataset.dataset_id)
    with workspace() as own:
        folders = folders_for(spec, load_settings())
        return read_attributes(spec, folders, own, dataset.spec.mapping.get("item", []), known)


def save_attributes(dataset_id: int, file: AttributeFile) -> Saved:
    """Saves values of attributes in place of those that their keys have. Keys that no item has are kept for later
    versions of the dataset.

    Raises
    ------
    InputError
        if no key is one of an item, or an attribute came with the sales or is by other keys; nothing is saved then.
    """
    who = identity.require(Scope.RUN)
    dataset = datasets.get(dataset_id)
    _check(file, attributes.list_known(dataset_id))
    return attributes.save(dataset.dataset_id, file, who)


def in_words(file: AttributeFile, saved: Saved) -> list[str]:
    """What came of saving a file, a sentence each."""
    names = ", ".join(file.names)
    n_keys = f"{saved.n_keys:,} of {saved.n_keys + saved.n_unknown:,} keys"
    lines = [f"{names}: saved for {n_keys}; {saved.n_items:,} items have it."]
    if saved.n_unknown:
        keys = name_some(list(saved.unknown), saved.n_unknown)
        lines.append(f"No item has these keys; they are kept for later versions of the dataset: {keys}.")
    if file.ignored:
        lines.append(f"Left as it came with the sales: {', '.join(file.ignored)}.")
    return lines


def remove_attribute(dataset_id: int, name: str) -> None:
    """The items of a dataset have an attribute no longer.

    Raises
    ------
    NotFound
        if there is none of this name; InputError, if it came with the sales.
    """
    who = identity.require(Scope.RUN)
    known = {attribute.name: attribute for attribute in find_attributes(dataset_id)}
    if name not in known:
        raise NotFound(f"There is no attribute {name!r}.", "Look at the list; names must match to the letter.")
    if known[name].is_own:
        raise InputError(f"Attribute {name!r} came with the sales.", "Only attributes that were loaded can be removed.")
    attributes.remove(dataset_id, known[name], who)


def _check(file: AttributeFile, known: list[Attribute]) -> None:
    by_name = {attribute.name: attribute for attribute in known}
    if not file.names or not file.rows:
        raise InputError("No value was given.", "Give at least one.")
    for name in file.names:
        if not 0 < len(name) <= MAX_NAME or name == ALL or not name.isprintable():
            raise InputError(f"{name[:100]!r} cannot be the name of an attribute.", "Choose another.")
        found = by_name.get(name)
        if found is not None and found.is_own:
            raise InputError(
                f"Attribute {name!r} came with the sales.", "Give it another name, or load the sales anew."
            )
        if found is not None and found.keyed_by != file.keyed_by:
            words = " and ".join(found.keyed_by) or "item"
            raise InputError(f"Attribute {name!r} is by {words}.", "Give it by the same, or remove it before.")
    n_loaded = len({attribute.name for attribute in known if not attribute.is_own} | set(file.names))
    if n_loaded > MAX_ATTRIBUTES:
        raise InputError(f"The dataset would have {n_loaded} attributes besides its own.", f"{MAX_ATTRIBUTES} may be.")
    parts = {attribute.name for attribute in known if attribute.source == KEY}
    if unknown := [name for name in file.keyed_by if name not in parts and not (name in COLUMNS and name in by_name)]:
        raise InputError(f"The dataset's keys have no part {unknown[0]!r}.", "Give parts of its keys, family or class.")
    n_parts = max(len(file.keyed_by), 1)
    for key, values in file.rows:
        if len(key) != n_parts or len(values) != len(file.names) or not all(key):
            raise InputError(f"The key {key!r} has not {n_parts} parts, each of them a text.", "Correct it.")
        if any(len(value) > MAX_VALUE or "\0" in value for value in (*key, *values)):
            raise InputError(f"A value of {'|'.join(key)[:100]!r} is too long.", f"Use up to {MAX_VALUE} characters.")
    if len({key for key, _ in file.rows}) < len(file.rows):
        raise InputError("A key is given twice.", "Give each once.")
