"""The roles of a task, known before it is imported: a misspelt one is told at once, as a misspelt key is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hone import signatures
from hone.errors import UserError, listed, nearest


def require_known(dataset: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    """Refuses columns for roles that the task does not have, where its source says which it has.

    A column of the role's own name is let pass: files for any task say `text: text`.
    """
    found = [signatures.constant_of(str(task["_target_"]), name) for name in ("roles", "optional_roles")]
    columns = dataset.get("columns")
    if None in found or not isinstance(columns, Mapping):
        return
    known = [role for roles in found for role in roles]
    for role, column in columns.items():
        if role not in known and column not in (None, role):
            raise UserError(
                f"dataset.columns.{role}: the task has no such role; it has {listed(known)}.{nearest(role, known)}"
            )
