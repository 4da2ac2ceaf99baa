"""Public data sets, one file each: readers of their own layout that end in a manifest."""
