"""Readers of tables: one file for each family of formats, all of them give a `Table`."""
