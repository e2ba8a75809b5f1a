"""Limits of our own: what crdtkv takes beside what it may take, without peers."""
