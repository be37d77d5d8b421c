"""What language models share: documents as rows of tokens, what is hidden or foretold, what is written."""
