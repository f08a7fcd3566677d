"""What is wrong with what we were given, as opposed to with a network."""


class InputError(Exception):
    """An option, a file or a combination cannot be used: one line, exit status 2.

    `seen` is what can be said of a network all the same.
    """

    seen = ""


class NoNetworkError(InputError):
    """A file holds no network."""
