"""Printable form of file names, which may contain line breaks or terminal commands."""


def printable(text: str) -> str:
    """Return text on one line, with unprintable characters as escapes, such as `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
