"""`python -m emotion` is the same as `emotion`."""

from emotion.cli import main

main()
