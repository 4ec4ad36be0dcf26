"""The page of a check of labels that exist already: what is dealt to its tabs, its routes, its server."""
