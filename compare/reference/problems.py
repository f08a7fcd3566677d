"""What an evaluation cannot do, in one line."""


class UnsupportedError(Exception):
    """The module does something that no error can be carried through.

    Parameters
    ----------
    what : str
        The operation, and what is wrong with it.
    module : str
        Path of the module in which it stands; empty for the outermost.
    """

    def __init__(self, what: str, module: str = "") -> None:
        self.what, self.module = what, module
        super().__init__(f"{module or 'the module'}: {what}")
