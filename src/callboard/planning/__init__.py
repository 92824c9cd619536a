"""Planning: the kinds of steps, and how a definition that was checked becomes a plan to run."""
