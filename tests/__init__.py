"""A package of its own name: one of the viewers installs another `tests` beside it, which would win otherwise."""
