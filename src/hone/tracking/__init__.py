"""Trackers: mirrors of a run's journal, as the config's `tracker` names them."""
