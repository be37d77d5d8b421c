"""Artifacts: made, filled, committed, named by aliases, used by runs, fetched back."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import quote, unquote

from wandb_server.shapes import MADE, Variables, page, project
from wandb_server.state import Artifact, State, loads


def ArtifactType(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802 (W&B's names)
    found = _named(state, told)
    return {"project": {"artifact": {"artifactType": {"name": found.type}} if found else None}}


def CreateArtifact(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    """The same content is the same version, to which the new aliases go."""
    (collection,) = told.get("artifactCollectionNames") or [told.get("artifactCollectionName")]
    versions = state.versions(told["entityName"], told["projectName"], collection)
    found = next((each for each in versions if each.digest == told["digest"]), None)
    if found is None:
        made = Artifact(
            secrets.token_hex(6), collection, told["artifactTypeName"], told["digest"], told["projectName"],
            told["entityName"], loads(told.get("metadata")), made_by=told.get("runName") or "",
        )  # fmt: skip
        state.artifacts[made.id] = made
    artifact = found or made
    _name(state, artifact, [each["alias"] for each in told.get("aliases") or ()])
    newest = {"id": versions[-1].id, "versionIndex": versions[-1].version} if versions else None
    sequence = {"id": collection, "latestArtifact": newest}
    return {"createArtifact": {"artifact": {**_shown(artifact), "artifactSequence": sequence}}}


def CreateArtifactManifest(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    upload = {"id": "1", "uploadUrl": f"{address}/artifact/{told['artifactID']}/manifest", "uploadHeaders": []}
    return {"createArtifactManifest": {"artifactManifest": {"id": told["artifactID"], "file": upload}}}


def CreateArtifactFiles(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    nodes = [
        {
            "storagePath": each["name"], "uploadUrl": _address(address, each["artifactID"], each["name"]),
            "uploadHeaders": [], "uploadMultipartUrls": None, "artifact": {"id": each["artifactID"]},
        }
        for each in told["artifactFiles"]
    ]  # fmt: skip
    return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}


def CommitArtifact(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    """Only now it has a version, and is what its aliases mean; its files must be there, as its manifest has them."""
    artifact = state.artifacts[told["artifactID"]]
    for path, entry in artifact.entries.items():
        kept = base64.b64encode(hashlib.md5(artifact.files.get(path, b"")).digest()).decode()
        if "ref" not in entry and kept != entry["digest"]:
            raise ValueError(f"{path}: not the file that the manifest has")
    if artifact.version is None:
        artifact.version = len(state.versions(artifact.entity, artifact.project, artifact.collection))
    _name(state, artifact, artifact.aliases)
    return {"commitArtifact": {"artifact": _shown(artifact)}}


def UseArtifact(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    artifact = state.artifacts[told["artifactID"]]
    if told["runName"] not in artifact.used_by:
        artifact.used_by.append(told["runName"])
    return {"useArtifact": {"artifact": _shown(artifact)}}


def ArtifactMembershipByName(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    found = _named(state, told)
    return {"project": {"artifactCollectionMembership": _membership(found) if found else None}}


def FetchArtifactManifest(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    return {"artifact": {"currentManifest": {"file": {"directUrl": f"{address}/artifact/{told['id']}/manifest"}}}}


def GetArtifactMembershipFileUrls(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    found = _named(state, {**told, "name": f"{told['collection']}:{told['alias']}"})
    if found is None:
        return {"project": None}
    files = [
        {"__typename": "File", "name": name, "directUrl": _address(address, found.id, name)} for name in found.files
    ]
    membership = {"files": page(files, told)}
    return {"project": {"artifactCollection": {"__typename": "ArtifactSequence", "artifactMembership": membership}}}


def RunOutputArtifacts(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    return _of_run(told, [each for each in state.artifacts.values() if each.made_by == told["run"]])


def RunInputArtifacts(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    return _of_run(told, [each for each in state.artifacts.values() if told["run"] in each.used_by])


def store(state: State, path: str, body: bytes) -> dict[str, Any]:
    """PUT of a manifest or a file."""
    _, _, identity, *rest = path.split("/")
    if rest == ["manifest"]:
        state.artifacts[identity].manifest = body
    else:
        state.artifacts[identity].files[unquote("/".join(rest[1:]))] = body
    return {}


def fetch(state: State, path: str) -> bytes:
    """GET of the same."""
    _, _, identity, *rest = path.split("/")
    artifact = state.artifacts[identity]
    return artifact.manifest if rest == ["manifest"] else artifact.files[unquote("/".join(rest[1:]))]


def _named(state: State, told: Variables) -> Artifact | None:
    """`name:alias` or `name:v3`; without a word behind it the latest is meant."""
    collection, _, word = told["name"].partition(":")
    versions = state.versions(told.get("entity") or "", told.get("project") or "", collection)
    word = word or "latest"
    return next((each for each in versions if word in each.aliases or word == f"v{each.version}"), None)


def _name(state: State, artifact: Artifact, aliases: Any) -> None:
    """An alias means one version of a collection; `latest` is the newest's of its own accord."""
    artifact.aliases |= {*aliases}
    if artifact.version is None:
        return
    others = state.versions(artifact.entity, artifact.project, artifact.collection)
    if artifact is others[-1]:
        artifact.aliases.add("latest")
    for other in others:
        if other is not artifact:
            other.aliases -= artifact.aliases


def _of_run(told: Variables, artifacts: list[Artifact]) -> dict[str, Any]:
    committed = [_shown(each) for each in artifacts if each.version is not None]
    return {"project": {"run": {"artifacts": page(committed, told)}}}


def _membership(artifact: Artifact) -> dict[str, Any]:
    return {
        "__typename": "ArtifactCollectionMembership", "id": artifact.id, "versionIndex": artifact.version,
        "createdAt": MADE, "aliases": _aliases(artifact), "artifactCollection": _collection(artifact),
        "artifact": _shown(artifact),
    }  # fmt: skip


def _shown(artifact: Artifact) -> dict[str, Any]:
    return {
        "__typename": "Artifact", "id": artifact.id, "versionIndex": artifact.version,
        "artifactSequence": {**_collection(artifact), "__typename": "ArtifactSequence"},
        "artifactType": {"name": artifact.type}, "description": None, "metadata": json.dumps(artifact.metadata),
        "ttlDurationSeconds": -2, "ttlIsInherited": True, "tags": [], "historyStep": None,
        "state": "PENDING" if artifact.version is None else "COMMITTED",
        "size": sum(map(len, artifact.files.values())), "digest": artifact.digest, "digestAlgorithm": "MANIFEST_MD5",
        "commitHash": "c", "fileCount": len(artifact.files), "createdAt": MADE, "updatedAt": MADE,
        "aliases": [{**each, "artifactCollection": _collection(artifact)} for each in _aliases(artifact)],
    }  # fmt: skip


def _collection(artifact: Artifact) -> dict[str, Any]:
    place = project(artifact.entity, artifact.project)
    return {"__typename": "ArtifactSequence", "name": artifact.collection, "project": place}


def _aliases(artifact: Artifact) -> list[dict[str, Any]]:
    return [{"__typename": "ArtifactAlias", "id": alias, "alias": alias} for alias in sorted(artifact.aliases)]


def _address(address: str, identity: str, name: str) -> str:
    return f"{address}/artifact/{identity}/files/{quote(name)}"
