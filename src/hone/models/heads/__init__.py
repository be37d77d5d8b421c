"""What sits on a backbone: the checkpoint's own head, pooled heads, a linear probe."""
