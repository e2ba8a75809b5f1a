"""What `crdtkv demo` shows. Rule of this room: it is a user, and knows the public API only."""
