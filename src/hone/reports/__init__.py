"""What finished runs say: tables, tests, the report page, the model card, examples. Nothing here trains or changes a
run's results."""
