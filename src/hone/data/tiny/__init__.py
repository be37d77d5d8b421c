"""Small generated data sets, one per task, so that every task runs offline."""
