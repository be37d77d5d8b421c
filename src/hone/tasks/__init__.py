"""The kinds of problem: one file per task, grouped by modality, beside what the tasks of a modality share.

A task imports no other task. Targets, metrics and padding serve every modality.
"""

from hone.core.broken_torchvision import hide_broken_torchvision

hide_broken_torchvision()  # before anything here imports a network of transformers
