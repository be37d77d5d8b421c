"""Words and the tags they bear: pieces, spans, and how well they are found."""
