"""The contenders in training: each function trains in its own way until the gate ends it.

All fine-tune the same checkpoint on the same rows with AdamW, a linear schedule and gradients clipped at 1.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gate import Gate

LR = 1e-4


def hone(settings: dict[str, Any], gate: Gate) -> None:
    """The command as a user would run it."""
    train(gate, *hone_arguments(settings), *settings["words"])


def train(gate: Gate, *words: str) -> None:
    """Run `hone train`, which waits at the gate after each step."""
    from hone.cli import main
    from hone.training.listeners import RunListeners

    original_step = RunListeners.step

    def gated(self: RunListeners, step: int) -> None:
        original_step(self, step)
        gate.step()

    RunListeners.step = gated  # type: ignore[method-assign]
    sys.argv = ["hone", "train", *words]
    main()


def hone_arguments(settings: dict[str, Any]) -> list[str]:
    """Return the arguments that all commands of hone share."""
    return [
        "dataset=local", f"dataset.path={settings['data']}",
        "checkpoint=hub", f"checkpoint.path={settings['checkpoint']}",
        f"batch_size={settings['batch_size']}", f"optimizer.lr={LR}", "epochs=999", "evaluate_every=null",
        "tracker=none", f"output_root={settings['scratch']}",
    ]  # fmt: skip


def plain(settings: dict[str, Any], gate: Gate) -> None:
    """A plain loop: random batches, padded to the longest row, fused AdamW."""
    import torch
    from torch.utils.data import DataLoader
    from transformers import DataCollatorWithPadding

    model, tokenizer, rows = prepare(settings)
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, fused=True)
    loader = DataLoader(rows, settings["batch_size"], shuffle=True, collate_fn=DataCollatorWithPadding(tokenizer))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / (999 * len(loader))))
    model.train()
    for _ in range(999):
        for batch in loader:
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            gate.step()


def trainer(settings: dict[str, Any], gate: Gate) -> None:
    """`transformers.Trainer`, by default or with the arguments given."""
    from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

    class Gated(TrainerCallback):
        def on_step_end(self, *arguments: Any, **options: Any) -> None:
            gate.step()

    model, tokenizer, rows = prepare(settings)
    arguments = TrainingArguments(
        settings["scratch"], num_train_epochs=999, per_device_train_batch_size=settings["batch_size"], learning_rate=LR,
        weight_decay=0.01, report_to="none", use_cpu=True, disable_tqdm=True,
        **{"save_strategy": "no", **settings["options"]},
    )  # fmt: skip
    Trainer(
        model=model, args=arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[Gated()],
    ).train()  # fmt: skip


def lightning(settings: dict[str, Any], gate: Gate) -> None:
    """`lightning.Trainer` with automatic optimisation."""
    import lightning as L
    import torch
    from torch.utils.data import DataLoader
    from transformers import DataCollatorWithPadding

    model, tokenizer, rows = prepare(settings)

    class Wrapped(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Any, index: int) -> Any:
            return self.model(**batch).loss

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=LR, weight_decay=0.01, fused=True)

        def on_train_batch_end(self, *arguments: Any) -> None:
            gate.step()

    loader = DataLoader(rows, settings["batch_size"], shuffle=True, collate_fn=DataCollatorWithPadding(tokenizer))
    L.Trainer(
        max_epochs=999, accelerator="cpu", gradient_clip_val=1.0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    ).fit(Wrapped(), loader)  # fmt: skip


def accuracy(out: Any) -> dict[str, float]:
    """Return the scores of predictions, for Trainer."""
    return {"accuracy": float((out.predictions.argmax(-1) == out.label_ids).mean())}


def prepare(settings: dict[str, Any], split: str = "train") -> tuple[Any, Any, Any]:
    """Return model, tokenizer and encoded rows for the contenders other than hone."""
    from datasets import load_dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    files = {name: f"{settings['data']}/{name}.jsonl" for name in {"train", split}}
    rows = load_dataset("json", data_files=files, cache_dir=settings["cache"])
    tokenizer = AutoTokenizer.from_pretrained(settings["checkpoint"])
    encoded = rows[split].map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=512), batched=True, remove_columns="text"
    )
    labels = len(set(rows["train"]["label"]))
    model = AutoModelForSequenceClassification.from_pretrained(settings["checkpoint"], num_labels=labels)
    return model, tokenizer, encoded.rename_column("label", "labels")
