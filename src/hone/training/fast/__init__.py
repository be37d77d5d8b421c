"""What may only change how fast a run is, never its results: packing and compilation."""
