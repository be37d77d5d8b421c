"""What a metric is, and the metrics that several tasks share."""
