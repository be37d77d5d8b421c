"""What a network says of a spectrogram while it reads the true one, and how wrong that is for each row.

The network's own forward draws random numbers in its prenet, also in an evaluation, whose place in the stream depends
on the other rows of a batch; and its postnet mixes the padding of a batch into the last frames. So its parts are called
one by one here. The draws are part of the batch, and padding is silent between the layers of the postnet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, cast, final

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PretrainedConfig

from hone.core.task import Batch

_STOP_WEIGHT = 5.0
"""How much more the frame counts at which the sound ends, as in transformers."""


@final
@dataclass(frozen=True)
class Spectrograms:
    """The prediction for a batch of sounds. The last dimension of a spectrogram is that of its bands."""

    before: Tensor
    after: Tensor
    """The same, refined by the postnet."""
    stops: Tensor
    """The logit of each frame that it is the last one."""
    attentions: Sequence[Tensor]
    """How each step of the decoder attends to the tokens, by layer: rows, heads, steps, tokens."""

    @classmethod
    def of(cls, network: Any, batch: Batch) -> Self:
        """Predict each step of a batch, given the true frames before it."""
        inputs, core, postnet = batch["inputs"], network.speecht5, network.speech_decoder_postnet
        encoder = core.encoder(
            input_values=inputs["input_ids"], attention_mask=inputs["attention_mask"], return_dict=True
        )
        decoder = core.decoder.wrapped_decoder(
            hidden_states=_read_steps(core.decoder.prenet, previous_frames(network.config, batch), batch),
            attention_mask=batch["frames"][:, :: network.config.reduction_factor].long(),
            encoder_hidden_states=encoder.last_hidden_state,
            encoder_attention_mask=inputs["attention_mask"],
            use_cache=False,
            output_attentions=network.config.use_guided_attention_loss,
            return_dict=True,
        )
        states = decoder.last_hidden_state
        before = postnet.feat_out(states).view(batch["mels"].shape)
        stops = postnet.prob_out(states).view(batch["frames"].shape)
        return cls(before, _refine(postnet, before, batch["frames"]), stops, decoder.cross_attentions or ())

    def losses(self, config: PretrainedConfig, batch: Batch) -> Tensor:
        """Return the loss of each row, summed over its frames: the errors of both spectrograms, that of the end, and
        where the config says so that of an attention which does not go from the first token to the last."""
        inside = batch["frames"]
        ends = inside & ~F.pad(inside[:, 1:], (0, 1))
        weight = torch.tensor(_STOP_WEIGHT, device=inside.device)
        stops = F.binary_cross_entropy_with_logits(
            self.stops.float(), ends.float(), reduction="none", pos_weight=weight
        )
        frames = (_errors(self.before, batch) + _errors(self.after, batch) + stops * inside).sum(dim=1)
        if not config.use_guided_attention_loss:
            return cast(Tensor, frames)
        guided: Tensor = frames + self._guidance(config, batch) * inside.sum(dim=1)
        return guided

    def errors(self, batch: Batch) -> Tensor:
        """Return the absolute error of each row, the mean over the bands summed over the frames."""
        return _errors(self.after, batch).sum(dim=1)

    def _guidance(self, config: PretrainedConfig, batch: Batch) -> Tensor:
        """Return the mean attention of each row, weighted by how far it is from the diagonal."""
        steps, tokens = batch["frames"][:, :: config.reduction_factor], batch["inputs"]["attention_mask"]
        across, along = (_shares(mask) for mask in (tokens, steps))
        distances = across[:, None, :] - along[:, :, None]
        inside = (tokens[:, None, :] * steps[:, :, None]).float()
        far = (1 - torch.exp(-(distances**2) / (2 * config.guided_attention_loss_sigma**2))) * inside
        attention = torch.cat([each[:, : config.guided_attention_loss_num_heads] for each in self.attentions], dim=1)
        means = (attention.float().mean(dim=1) * far).sum(dim=(1, 2)) / inside.sum(dim=(1, 2))
        return cast(Tensor, means * config.guided_attention_loss_scale)


def previous_frames(config: PretrainedConfig, batch: Batch) -> Tensor:
    """Return what the decoder reads at each step: the last true frame of the step before, silence at the first."""
    factor = config.reduction_factor
    return F.pad(batch["mels"][:, factor - 1 :: factor][:, :-1], (0, 0, 1, 0))


def copy_errors(config: PretrainedConfig, batch: Batch) -> Tensor:
    """Return the errors of a model that repeats the last frame which it has read."""
    return _errors(previous_frames(config, batch).repeat_interleave(config.reduction_factor, dim=1), batch).sum(dim=1)


def _errors(predicted: Tensor, batch: Batch) -> Tensor:
    errors: Tensor = (predicted.float() - batch["mels"]).abs().mean(dim=2) * batch["frames"]
    return errors


def _shares(mask: Tensor) -> Tensor:
    """Return which part of its row has passed at each place."""
    return torch.arange(mask.shape[1], device=mask.device) / mask.sum(dim=1, keepdim=True)


def _read_steps(prenet: Any, steps: Tensor, batch: Batch) -> Tensor:
    """Return what the prenet makes of frames. Its dropout, on in an evaluation as well, uses the batch's draws.
    As in transformers, `p` is the share that is kept, and the rest is divided by 1 - `p`."""
    scale = 1 / (1 - prenet.config.speech_decoder_prenet_dropout)
    states = steps
    for place, layer in enumerate(prenet.layers):
        states = F.relu(layer(states)) * batch["kept"][:, place] * scale
    states = prenet.encode_positions(prenet.final_layer(states))
    speakers = F.normalize(batch["inputs"]["speaker_embeddings"])[:, None].expand(-1, states.shape[1], -1)
    return F.relu(prenet.speaker_embeds_layer(torch.cat([states, speakers.to(states)], dim=-1)))


def _refine(postnet: Any, frames: Tensor, inside: Tensor) -> Tensor:
    states, mask = frames.transpose(1, 2), inside[:, None]
    for layer in postnet.layers:
        states = layer(states * mask)
    return frames + states.transpose(1, 2)
