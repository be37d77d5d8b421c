"""What Whisper's decoder reads before the first word: the language of the text, whether to translate, no timestamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from transformers import GenerationConfig
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from hone.core.errors import UserError, did_you_mean, join_names

_NO_TIMESTAMPS = "<|notimestamps|>"


@final
@dataclass(frozen=True)
class DecoderPrompt:
    """The language and the aim that the options name. None leaves the language to the tokenizer, if it has one."""

    language: str | None
    aim: Literal["transcribe", "translate"] | None

    def apply_to(self, tokenizer: Any) -> None:
        """Make the tokenizer begin texts with this prompt. Raise UserError for what it cannot ask for."""
        if self.language is None and self.aim is None:
            return
        languages = _languages(tokenizer)
        if not languages:
            raise UserError(
                f"task.{'language' if self.language else 'task'}={self.language or self.aim}: "
                f"{type(tokenizer).__name__} has no languages to choose from. Leave it null."
            )
        if self.language is None:
            raise UserError(f"task.task={self.aim}: set task.language too, such as task.language=en.")
        code = TO_LANGUAGE_CODE.get(self.language.lower(), self.language.lower())
        if code not in languages:
            names = [name for name, its_code in TO_LANGUAGE_CODE.items() if its_code in languages]
            hint = did_you_mean(self.language, [*languages, *names])
            raise UserError(
                f"task.language={self.language}: the checkpoint does not support it.{hint} "
                f"It has {join_names(sorted(languages), 12)}."
            )
        tokenizer.set_prefix_tokens(language=code, task=self.aim or "transcribe")

    def require(self, own: GenerationConfig, tokenizer: Any) -> None:
        """Raise UserError where the checkpoint's own generation config expects another prompt."""
        several = bool(getattr(own, "lang_to_id", None)) and getattr(own, "is_multilingual", True)
        if several and getattr(tokenizer, "language", None) is None:
            languages = join_names(sorted(_languages(tokenizer)), 8)
            raise UserError(f"task.language: the checkpoint writes {languages}; choose one of them.")
        if self.language is not None and not getattr(own, "is_multilingual", True):
            raise UserError(f"task.language={self.language}: this checkpoint writes English alone. Leave it null.")


def prompt_tokens(tokenizer: Any) -> list[int]:
    """Return the tokens before the first of a text: the first is read alone, the others are targets as well."""
    return [int(token) for token in getattr(tokenizer, "prefix_tokens", ())]


def with_prompt(settings: GenerationConfig, tokenizer: Any) -> GenerationConfig:
    """Return settings with which generation begins with the prompt that the tokenizer puts before a text.

    They are new, for transformers drops such values from those that it has made from the config of a network.
    """
    if not prompt_tokens(tokenizer):
        return settings
    values: dict[str, Any] = {"forced_decoder_ids": None, "no_timestamps_token_id": _number(tokenizer, _NO_TIMESTAMPS)}
    if tokenizer.language is not None:
        numbers = {name: _number(tokenizer, f"<|{name}|>") for name in ("transcribe", "translate")}
        marks = {f"<|{code}|>": number for code, number in _languages(tokenizer).items()}
        values |= {"language": tokenizer.language, "task": tokenizer.task, "task_to_id": numbers, "lang_to_id": marks}
    kept = {name: value for name, value in settings.to_dict().items() if not name.startswith("_")}
    return GenerationConfig.from_dict(kept | values)


def _languages(tokenizer: Any) -> Mapping[str, int]:
    """Return the codes of the languages that the tokenizer has tokens for, with their ids; many have none."""
    vocabulary = tokenizer.get_vocab()
    marks = {code: vocabulary.get(f"<|{code}|>") for code in sorted({*TO_LANGUAGE_CODE.values()})}
    return {code: int(number) for code, number in marks.items() if number is not None}


def _number(tokenizer: Any, token: str) -> int:
    return int(tokenizer.convert_tokens_to_ids(token))
