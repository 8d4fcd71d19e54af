"""Sweeps from a loop of one's own: a plain model and a plain loader give the record that 'benchmark' gives."""

from experiments.library.prepared import Normalise
from experiments.library.result import SweptRecord
from experiments.library.sweep import sweep

__all__ = ["Normalise", "SweptRecord", "sweep"]
