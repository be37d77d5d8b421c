"""Who is compared in training: each function trains in its own way until the gate ends it.

All fine-tune the same checkpoint on the same rows with AdamW, a linear schedule and gradients clipped at 1.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gate import Gate

LR = 1e-4


def hone(told: dict[str, Any], gate: Gate) -> None:
    """The command, as a user gives it."""
    train(gate, *hone_words(told), *told["words"])


def train(gate: Gate, *words: str) -> None:
    """`hone train`, which asks the gate after each step."""
    from hone.cli import main
    from hone.training.listeners import RunListeners

    told_of = RunListeners.step

    def gated(self: RunListeners, step: int) -> None:
        told_of(self, step)
        gate.step()

    RunListeners.step = gated  # type: ignore[method-assign]
    sys.argv = ["hone", "train", *words]
    main()


def hone_words(told: dict[str, Any]) -> list[str]:
    """What all commands of hone have in common here."""
    return [
        "dataset=local", f"dataset.path={told['data']}", "checkpoint=hub", f"checkpoint.path={told['checkpoint']}",
        f"batch_size={told['batch_size']}", f"optimizer.lr={LR}", "epochs=999", "evaluate_every=null", "tracker=none",
        f"output_root={told['scratch']}",
    ]  # fmt: skip


def plain(told: dict[str, Any], gate: Gate) -> None:
    """A loop anybody would write: random batches, padded to the longest row, fused AdamW."""
    import torch
    from torch.utils.data import DataLoader
    from transformers import DataCollatorWithPadding

    model, tokenizer, rows = prepared(told)
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, fused=True)
    loader = DataLoader(rows, told["batch_size"], shuffle=True, collate_fn=DataCollatorWithPadding(tokenizer))
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


def trainer(told: dict[str, Any], gate: Gate) -> None:
    """`transformers.Trainer`, by default or with the arguments given."""
    from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

    class Gated(TrainerCallback):
        def on_step_end(self, *arguments: Any, **options: Any) -> None:
            gate.step()

    model, tokenizer, rows = prepared(told)
    arguments = TrainingArguments(
        told["scratch"], num_train_epochs=999, per_device_train_batch_size=told["batch_size"], learning_rate=LR,
        weight_decay=0.01, report_to="none", use_cpu=True, disable_tqdm=True,
        **{"save_strategy": "no", **told["options"]},
    )  # fmt: skip
    Trainer(
        model=model, args=arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[Gated()],
    ).train()  # fmt: skip


def lightning(told: dict[str, Any], gate: Gate) -> None:
    """`lightning.Trainer` with automatic optimisation."""
    import lightning as L
    import torch
    from torch.utils.data import DataLoader
    from transformers import DataCollatorWithPadding

    model, tokenizer, rows = prepared(told)

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

    loader = DataLoader(rows, told["batch_size"], shuffle=True, collate_fn=DataCollatorWithPadding(tokenizer))
    L.Trainer(
        max_epochs=999, accelerator="cpu", gradient_clip_val=1.0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    ).fit(Wrapped(), loader)  # fmt: skip


def accuracy(out: Any) -> dict[str, float]:
    """What Trainer makes of predictions."""
    return {"accuracy": float((out.predictions.argmax(-1) == out.label_ids).mean())}


def prepared(told: dict[str, Any], split: str = "train") -> tuple[Any, Any, Any]:
    """Model, tokenizer and encoded rows for those who are not hone."""
    from datasets import load_dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    files = {name: f"{told['data']}/{name}.jsonl" for name in {"train", split}}
    rows = load_dataset("json", data_files=files, cache_dir=told["cache"])
    tokenizer = AutoTokenizer.from_pretrained(told["checkpoint"])
    encoded = rows[split].map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=512), batched=True, remove_columns="text"
    )
    labels = len(set(rows["train"]["label"]))
    model = AutoModelForSequenceClassification.from_pretrained(told["checkpoint"], num_labels=labels)
    return model, tokenizer, encoded.rename_column("label", "labels")
