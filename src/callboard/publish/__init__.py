"""Publishing: drafts, versions of workflows and templates, and how they get into the log."""
