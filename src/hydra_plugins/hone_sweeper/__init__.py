"""Hydra imports these modules at the start of every program that uses it, so they hold next to nothing."""
