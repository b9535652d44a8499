"""Names of files as a person is shown them: on one line, whatever is in them."""


def printable(text: str) -> str:
    """Return text with what breaks a line, commands a terminal or is no UTF-8 as escapes."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
