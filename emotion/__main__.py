"""`python -m emotion` is the same as `emotion`."""

from emotion.cli.main import main

main()
