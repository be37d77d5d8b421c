"""Small data sets made in code, one per task, so that every task runs offline."""
