"""Why two values differ: each module proposes causes for one family of values, as plain predicates over plain values."""
