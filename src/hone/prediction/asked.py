"""Which columns a prediction needs, and the rows that have them: numbered, in chunks, bad ones named or left out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

from hone.errors import UserError, listed, nearest
from hone.prediction.rows import Broken, Row
from hone.tasks.base import Columns, Predictive
from hone.types import OnBadRow

log = logging.getLogger(__name__)

_SHOWN = 5


@final
@dataclass
class Asked:
    """`columns` says what the input calls a role, where that is not the role's own name."""

    task: Predictive
    columns: Mapping[str, str]
    on_bad_row: OnBadRow
    skipped: list[str] = field(default_factory=list)
    left_out: int = 0

    def __post_init__(self) -> None:
        self.required = [role for role in self.task.roles if role not in self.task.targets]
        self.known = [*self.required, *self.task.optional_roles]
        self.require_known(self.columns)

    def require_known(self, roles: Iterable[str]) -> None:
        """Raises UserError for what the task does not read."""
        for role in roles:
            if role not in self.known:
                hint = nearest(role, self.known)
                raise UserError(f"{role}: to predict, the task reads {listed(self.known)}.{hint}")

    def chunks(self, rows: Iterable[Row | Broken], size: int) -> Iterator[dict[int, Row]]:
        """The usable rows by their number in the input, so many at a time."""
        chunk: dict[int, Row] = {}
        for number, row in enumerate(rows):
            problem = row.problem if isinstance(row, Broken) else self._problem(row)
            if problem:
                self.skip(number, problem)
            elif not isinstance(row, Broken):
                chunk[number] = row
            if len(chunk) == size:
                yield chunk
                chunk = {}
        if chunk:
            yield chunk

    def encoded(self, chunk: Mapping[int, Row]) -> Columns:
        """As the task reads them."""
        first = next(iter(chunk.values()))
        here = [role for role in self.known if self._column(role) in first]
        columns: Columns = {role: [row.get(self._column(role)) for row in chunk.values()] for role in here}
        return self.task.encode(self.task.ask(columns | {"id": list(chunk)}))

    def skip(self, number: int, problem: str) -> None:
        """Ends the command, unless the user agreed to go on without such rows."""
        said = f"row {number} (counting from 0): {problem}"
        if self.on_bad_row == "error":
            raise UserError(f"input: {said}. Mend or remove it, or leave such rows out with on_bad_row=skip.")
        self.left_out += 1
        self.skipped = [*self.skipped, said][:_SHOWN]

    def tell(self) -> None:
        """How many rows were left out, and why the first of them."""
        if self.left_out:
            more = f"\n  and {self.left_out - _SHOWN} more" if self.left_out > _SHOWN else ""
            log.warning(
                "%d rows cannot be used and are left out:\n  %s%s", self.left_out, "\n  ".join(self.skipped), more
            )

    def _problem(self, row: Row) -> str:
        for role in self.required:
            column = self._column(role)
            if column not in row:
                raise UserError(
                    f"input: no column {column!r} for the role {role!r}.{nearest(column, row)} It has {listed(row)}; "
                    f"say which with columns={{{role}: …}}."
                )
            if row[column] is None or row[column] == [] or (isinstance(row[column], str) and not row[column].strip()):
                return f"{column} is empty"
        return ""

    def _column(self, role: str) -> str:
        return self.columns.get(role) or role
