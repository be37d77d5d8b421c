"""The translation edit rate of a split, in percent: edits for each word of the references, a moved phrase being one.

Which moves are tried, and which of them is taken, follows Tercom's rules, or the numbers would not be comparable. Its
beam is left out, which only tells where a text has 25 words more or less than its reference: distances are exact here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hone.overlap.edits import Alignment, Distance, align

_LONGEST_PHRASE = 10
_FARTHEST = 50
_MOST_TRIES = 1000

Words = list[str]


def ter(written: Sequence[str], wanted: Sequence[str]) -> float:
    """The rate of texts against a reference each; case does not count."""
    pairs = [(ours.lower().split(), theirs.lower().split()) for ours, theirs in zip(written, wanted, strict=True)]
    edits = sum(count_edits(ours, theirs) for ours, theirs in pairs)
    words = sum(len(theirs) for _, theirs in pairs)
    return 100 * edits / words if words else 100.0 * (edits > 0)


def count_edits(ours: Words, theirs: Words) -> int:
    """Words inserted, deleted and replaced, and phrases moved as long as that pays."""
    distance = Distance(theirs)
    if not ours or not theirs or ours == theirs:
        return distance(ours)
    moves = tries = 0
    while True:
        gain, moved, tried = _best_move(ours, theirs, distance)
        tries += tried
        if gain <= 0 or tries >= _MOST_TRIES:
            return moves + distance(ours)
        ours, moves = moved, moves + 1


def _best_move(ours: Words, theirs: Words, distance: Distance) -> tuple[int, Words, int]:
    """What the best move of a phrase saves, the words after it, and how many moves were looked at."""
    before, alignment = distance(ours), align(ours, theirs)
    known: dict[tuple[int, int, int], int] = {}
    best, moved, tries = (0, 0, 0, 0), ours, 0
    for phrase, length, targets in _moves(ours, theirs, alignment):
        for target in targets:
            place = (phrase, length, target)
            if place not in known:
                known[place] = before - distance(_move(ours, *place))
            candidate = (known[place], length, -phrase, -target)
            if tries == 0 or candidate > best:
                best, moved = candidate, _move(ours, *place)
            tries += 1
        if tries >= _MOST_TRIES:
            break
    return best[0], moved, tries


def _moves(ours: Words, theirs: Words, alignment: Alignment) -> Iterator[tuple[int, int, list[int]]]:
    """Phrases that are wrong where they stand and missing elsewhere, with the places they might go."""
    for phrase, there, length in _common(ours, theirs):
        wrong = any(alignment.ours_wrong[phrase : phrase + length])
        missing = any(alignment.theirs_wrong[there : there + length])
        if wrong and missing and not phrase <= alignment.place[there] < phrase + length:
            behind = range(max(there - 1, 0), min(there + length, len(theirs)))
            targets = [0] * (there == 0) + [alignment.place[word] + 1 for word in behind]
            yield phrase, length, [target for at, target in enumerate(targets) if at == 0 or target != targets[at - 1]]


def _common(ours: Words, theirs: Words) -> Iterator[tuple[int, int, int]]:
    """The phrases in both: where in ours, where in theirs, how long."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(theirs):
        places.setdefault(word, []).append(place)
    for start, word in enumerate(ours):
        for there in places.get(word, ()):
            if abs(there - start) <= _FARTHEST:
                longest = min(_LONGEST_PHRASE, len(ours) - start, len(theirs) - there)
                for length in range(1, longest + 1):
                    if ours[start + length - 1] != theirs[there + length - 1]:
                        break
                    yield start, there, length


def _move(words: Words, start: int, length: int, target: int) -> Words:
    """The words with a phrase of them before another place."""
    phrase, rest = words[start : start + length], words[:start] + words[start + length :]
    if target > start + length:
        target -= length
    return rest[:target] + phrase + rest[target:]
