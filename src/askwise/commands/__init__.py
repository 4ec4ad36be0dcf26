"""The verbs of the command line, one file for each group of them; `askwise.cli` puts them together."""
