"""The parts of the command line that have files of their own; ``emomask.cli`` puts them together."""
