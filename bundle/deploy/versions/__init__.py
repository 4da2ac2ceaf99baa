"""The fast tests in environments of their own, with the oldest and the newest supported versions."""
