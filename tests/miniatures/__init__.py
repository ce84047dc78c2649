"""Miniatures of the sets that the shipped cards describe: phantoms laid out, named and stored as each set is."""

from tests.miniatures.defects import DEFECTS, spoil
from tests.miniatures.layouts import SETS, build

__all__ = ["DEFECTS", "SETS", "build", "spoil"]
