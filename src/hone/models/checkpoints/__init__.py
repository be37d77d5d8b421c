"""Where weights, configurations and processors come from: pretrained, from scratch, or tiny and built in."""
