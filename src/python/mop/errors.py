"""The errors of mop: one text each, as the program prints it."""


class Error(Exception):
    """What is wrong, where, and what to do. `kind` is the library's name of the kind of error."""

    kind = "internal"


class UsageError(Error, ValueError):
    """Something was asked for that does not exist or does not fit together."""

    kind = "usage"


class BadInputError(Error, ValueError):
    """A model, a text or a plan is not what it should be."""

    kind = "bad input"


class IoError(Error, OSError):
    """The disk or the network."""

    kind = "io"


class InternalError(Error, RuntimeError):
    """A broken promise inside mop itself: a bug, never the user's."""

    kind = "internal"
