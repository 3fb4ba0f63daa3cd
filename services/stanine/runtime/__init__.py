"""How a watcher lives: the process around its actors and loops, the same for the indexWatcher and the resultWatcher."""
