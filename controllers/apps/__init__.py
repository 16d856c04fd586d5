"""os-ken apps, one a module: each fetches what a core needs, calls it with the time, and sends what it returns."""
