"""Hone's plugin for Hydra. Every program that uses Hydra imports it at its start, so it has next to no code."""
