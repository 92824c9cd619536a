"""For those who test against Callboard: a clock that jumps, and the suite that a store adapter must pass."""
