"""The examples of the docstrings run, and give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import pancreas_ssl

MODULES = [module.name for module in pkgutil.walk_packages(pancreas_ssl.__path__, "pancreas_ssl.")]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples(name):
    assert not doctest.testmod(importlib.import_module(name)).failed
