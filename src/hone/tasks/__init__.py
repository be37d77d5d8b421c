"""The kinds of problem: one file per task, grouped by modality, with what tasks of a modality share beside them. Tasks
import no other task. Targets and metrics serve every modality."""
