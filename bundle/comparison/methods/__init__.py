"""Overlays of configs/methods: what there is, what each card says, and which cannot run."""
