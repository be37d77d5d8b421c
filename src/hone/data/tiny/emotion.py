"""A generated data set of six emotions: texts like tweets, imbalanced, and with some rows that are ambiguous.

The label is what the writer feels, which a cue word shows. Some rows also mention another person's feeling, and some
have a cue that two emotions share, so that no model reaches 100 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import final

from datasets import ClassLabel, Dataset, Features, Value

from hone.core.value_types import Count
from hone.data.source import Source

CUES: dict[str, str] = {
    "sadness": "sad miserable heartbroken lonely gloomy hopeless empty tearful defeated worthless unhappy lost "
    "broken drained regretful humiliated rotten disappointed abandoned numb homesick punished",
    "joy": "happy delighted cheerful thrilled glad excited proud wonderful playful triumphant blessed carefree "
    "energetic optimistic joyful relieved brave sunny lucky fabulous pleased festive",
    "love": "loving affectionate adored tender devoted romantic cherished smitten caring passionate gentle "
    "sympathetic nostalgic longing beloved fond",
    "anger": "angry furious irritated bitter resentful outraged hostile annoyed grumpy offended mad jealous "
    "spiteful impatient insulted hateful",
    "fear": "afraid scared terrified anxious nervous worried panicky shaken frightened uneasy threatened helpless "
    "timid paranoid hesitant insecure",
    "surprise": "surprised amazed astonished stunned startled shocked speechless dazed curious baffled",
}
SHARED: dict[str, tuple[str, str]] = {
    "overwhelmed": ("fear", "surprise"),
    "restless": ("anger", "fear"),
    "vulnerable": ("fear", "sadness"),
    "hurt": ("sadness", "anger"),
    "accepted": ("love", "joy"),
    "sweet": ("joy", "love"),
    "strange": ("surprise", "fear"),
    "moved": ("love", "sadness"),
    "impressed": ("surprise", "joy"),
    "agitated": ("anger", "fear"),
}
"""Cues that two emotions share."""
_FREQUENCIES = {"joy": 0.33, "sadness": 0.28, "anger": 0.14, "fear": 0.12, "love": 0.09, "surprise": 0.04}
_FEELING = (
    "i feel {a}{cue}", "i am feeling {a}{cue}", "im feeling {a}{cue}", "i felt {a}{cue}", "i was left feeling {a}{cue}",
    "it makes me feel {a}{cue}", "i have been feeling {a}{cue}", "i cant help feeling {a}{cue}", "i woke up {a}{cue}",
    "i still feel {a}{cue}", "i started to feel {a}{cue}", "i am {a}{cue}",
)  # fmt: skip
_DEGREE = ("", "", "", "so ", "really ", "a bit ", "kind of ", "very ", "incredibly ", "pretty ")
_ABOUT = (
    "about my new job", "about the whole thing", "since you left", "when i read your letter",
    "after the long trip home", "about the exam on monday", "whenever i hear that song", "because of what he said",
    "now that summer is over", "about moving to the city", "every time the phone rings", "as i write this",
    "with the way things turned out", "this morning", "tonight", "at work today", "in front of all those people",
    "after talking to her", "for no reason",
)  # fmt: skip
_OTHER_PEOPLE = (
    "my sister told me she was {cue}", "he said he felt {cue} about it", "everyone else seemed {cue}",
    "my friend is {cue} these days", "the kids looked {cue}", "people around me are {cue}",
)  # fmt: skip
_ASIDE = (
    "it has been raining all week", "i made coffee and sat down by the window", "the bus was late again",
    "we walked to the market and back", "i have a lot of things to finish", "there is not much else to say",
    "my phone died on the way", "i will try to write more often", "the house is quiet", "i cleaned the whole kitchen",
    "we watched an old movie", "i should go to bed", "they moved the meeting to friday",
    "i bought a ticket for the show",
)  # fmt: skip
_JOINTS = (" and ", " but ", " while ", " because ", " so ", " then ", " and also ")


@final
@dataclass(frozen=True)
class TinyEmotion(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 3000
    validation: Count = 500
    test: Count = 500

    @property
    def name(self) -> str:
        return "tiny_emotion"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: _rows(size, Random(f"tiny_emotion/{split}")) for split, size in sizes.items()}  # noqa: S311


def vocabulary() -> list[str]:
    """Returns every word that occurs in the rows."""
    cues = [*" ".join(CUES.values()).split(), *SHARED]
    phrases = " ".join([*_FEELING, *_DEGREE, *_ABOUT, *_OTHER_PEOPLE, *_ASIDE, *_JOINTS])
    return sorted({*cues, *phrases.replace("{a}{cue}", "").replace("{cue}", "").split()})


def _rows(size: int, rng: Random) -> Dataset:
    names = list(CUES)
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    rows = [_row(rng) for _ in range(size)]
    columns = {"text": [text for text, _ in rows], "label": [names.index(label) for _, label in rows]}
    return Dataset.from_dict(columns, features)


def _row(rng: Random) -> tuple[str, str]:
    """Returns a text and its label."""
    label = rng.choices(list(_FREQUENCIES), list(_FREQUENCIES.values()))[0]
    cue = rng.choice(CUES[label].split())
    if rng.random() < 0.10:
        cue, pair = rng.choice(list(SHARED.items()))
        label = rng.choice(pair)
    clauses = [_own_feeling(cue, rng)]
    if rng.random() < 0.25:
        other = rng.choice([name for name in CUES if name != label])
        clauses.append(rng.choice(_OTHER_PEOPLE).format(cue=rng.choice(CUES[other].split())))
    clauses += rng.sample(_ASIDE, k=rng.choice((0, 0, 0, 1, 1, 2, 3)))
    rng.shuffle(clauses)
    text = clauses[0]
    for clause in clauses[1:]:
        text += rng.choice(_JOINTS) + clause
    return text, label


def _own_feeling(cue: str, rng: Random) -> str:
    feeling = rng.choice(_FEELING).format(a=rng.choice(_DEGREE), cue=cue)
    return f"{feeling} {rng.choice(_ABOUT)}" if rng.random() < 0.7 else feeling
