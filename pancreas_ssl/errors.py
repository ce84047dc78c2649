"""The two ways in which things go wrong, each told in one sentence: what was expected, what came, what to do."""


class InputError(ValueError):
    """The user's input cannot be used (a file, a name, a value). The command line exits with 2.

    Example:
        >>> raise InputError("expected a 3D image, scan.nii.gz has 4 dimensions; pass one time point")
        Traceback (most recent call last):
        ...
        pancreas_ssl.errors.InputError: expected a 3D image, scan.nii.gz has 4 dimensions; pass one time point
    """


class RunError(RuntimeError):
    """The input was fine, but a check or a run failed (a full disk, say). The command line exits with 1."""
