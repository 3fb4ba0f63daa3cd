"""The routes, one module per resource. A route parses, makes one call, and answers; each is declared once."""
