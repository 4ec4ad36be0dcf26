"""The labeling page: a small web app on this machine, served to one browser."""
