"""Turns the rows of a source into batches: canonical rows, encoded rows, batching, streaming. Sources are in
`data.sources`, built-in data sets in `data.tiny`. What a row means to a model belongs in `tasks`."""
