"""What a classifier predicts: one label, any number of labels, or a number."""
