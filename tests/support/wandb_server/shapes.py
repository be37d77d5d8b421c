"""What several operations answer alike: pages of things, the project that they are in, a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wandb_server.state import State

Variables = Mapping[str, Any]
Operation = Callable[[State, Variables, str], dict[str, Any]]
MADE = "2026-01-01T00:00:00Z"


class Refused(Exception):
    """What is asked for does not go: the client is told why, with this status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def page(nodes: Sequence[Mapping[str, Any]], told: Variables) -> dict[str, Any]:
    """So many of them after the cursor, which is a place in the list."""
    start = int(told.get("cursor") or 0)
    end = start + int(told.get("perPage") or 50)
    shown = enumerate(nodes[start:end], start=start + 1)
    return {
        "totalCount": len(nodes),
        "pageInfo": {"endCursor": str(min(end, len(nodes))), "hasNextPage": end < len(nodes)},
        "edges": [{"node": node, "cursor": str(place)} for place, node in shown],
    }


def project(entity: str, name: str) -> dict[str, Any]:
    return {"id": "1", "internalId": "1", "name": name, "entity": {"id": "1", "name": entity}}
