"""From a data set's config to batches: a source loads, `rows` checks, `encoded` tokenises, `module` serves."""
