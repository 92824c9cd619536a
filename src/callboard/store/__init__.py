"""The store: its port, what a turn holds, what a commit changes, and which rows follow from facts."""
