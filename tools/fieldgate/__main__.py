"""`python -m fieldgate` is the same program as `fieldgate`."""

from fieldgate.cli import main

main()
