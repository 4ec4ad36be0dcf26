"""What more than one test file needs: `from help.processes import running`."""
