"""Doors people already have clients for: each turns its protocol into the store's operations, and errors into its
own words. None of them merges anything."""
