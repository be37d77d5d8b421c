"""Where the runs of a sweep can be at work besides on this machine's cores: a queue, a cluster."""
