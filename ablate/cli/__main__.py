"""`python -m ablate.cli`: the same as the command `ablate`."""

from ablate.cli import main

main()
