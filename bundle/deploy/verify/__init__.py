"""What the Model Zoo's checks would say about a package, without a network connection."""
