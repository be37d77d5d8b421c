"""Tasks on text: one file per task. What several of them share is in `shared`."""
