"""Training: a recipe, a loop that can be interrupted at any moment, and the weights it leaves."""

from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.training.fit import Fitted, fit

__all__ = ["Fitted", "Recipe", "fit"]
